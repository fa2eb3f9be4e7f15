"""Memory that is used again: as good as new, and never while anybody still looks at it."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from isp import recycled
from isp.recycled import empty

SHAPE = (1200, 1600, 3)

pytestmark = pytest.mark.skipif(not recycled._POSSIBLE, reason="this system keeps no memory for us")


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    gc.collect()
    recycled._free.clear()


def place(array: np.ndarray) -> int:
    return array.ctypes.data


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [SHAPE, (3, 5), (0, 7), (5, 0, 3), (7000, 9000)])
def test_an_array_is_like_any_other(shape: tuple[int, ...], dtype: type) -> None:
    array, plain = empty(shape, dtype), np.empty(shape, dtype)
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype, array.strides) == (plain.shape, plain.dtype, plain.strides)
    assert array.flags.c_contiguous and array.flags.writeable and array.flags.aligned
    array[:] = 3
    assert np.all(array == 3)


def test_memory_is_used_again_when_nobody_holds_it() -> None:
    first = empty(SHAPE, np.uint8)
    there = place(first)
    del first
    assert place(empty(SHAPE, np.uint8)) == there
    half = (SHAPE[0] // 2, *SHAPE[1:])
    assert place(empty(half, np.uint16)) == there


def test_memory_that_a_view_shows_is_not_used_again() -> None:
    first = empty(SHAPE, np.uint8)
    first[:] = 7
    view, there = first[::2, 5:-5].transpose(1, 0, 2), place(first)
    memory = memoryview(first)
    del first
    second = empty(SHAPE, np.uint8)
    second[:] = 9
    assert place(second) != there and np.all(view == 7)
    del view
    gc.collect()
    third = empty(SHAPE, np.uint8)
    assert place(third) != there and memory[0, 0, 0] == 7
    del memory
    assert place(empty(SHAPE, np.uint8)) == there


def test_no_array_holds_more_than_twice_its_size() -> None:
    first = empty(SHAPE, np.uint16)
    there = place(first)
    del first
    less = (SHAPE[0] // 2 - 1, *SHAPE[1:])
    assert place(empty(less, np.uint16)) != there


def test_a_limited_size_is_kept_and_nothing_large() -> None:
    large = (recycled._MOST // 3, 1)
    arrays = [empty(large, np.uint8) for _ in range(10)] + [empty((9000, 9000), np.uint32)]
    del arrays
    assert sum(map(len, recycled._free)) == 6 * large[0] <= recycled._KEPT


def test_arrays_of_many_sizes_in_turn_find_their_memory_again() -> None:
    shapes = [(rows, 1000, 3) for rows in (2000, 5000, 12000, 30000)]
    first = [place(empty(shape, np.uint8)) for shape in shapes]
    assert [place(empty(shape, np.uint8)) for shape in shapes] == first


def test_threads_never_share_memory() -> None:
    def work(number: int) -> bool:
        array = empty(SHAPE, np.uint8)
        array[:] = number
        return bool(np.all(array == number))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
