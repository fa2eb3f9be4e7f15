"""The memory into which children write pixels is used again, and never while anybody still looks at it."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from isp.errors import IspError
from isp.isolation import read_isolated, reader
from isp.isolation import shared as memories
from isp.raw import read_raw

from .paths import SAMPLES, shared

pytestmark = pytest.mark.skipif(not (reader.FORKS and memories.POSSIBLE), reason="pixels come another way here")

SMALL, LARGE = SAMPLES / "dc50_0008.KDC", SAMPLES / "g2_0304.CRW"


@pytest.fixture(autouse=True)
def nothing_used() -> None:
    gc.collect()
    memories._begin()


def pixels(path):
    return read_isolated(path).frame.data


def place(array: np.ndarray) -> int:
    return array.ctypes.data


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_pixels_are_not_copied() -> None:
    frame = pixels(LARGE)
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if "memfd:isp" in line]
    ends = [[int(end, 16) for end in line.split()[0].split("-")] for line in lines]
    assert any(first <= place(frame) and place(frame) + frame.nbytes <= last for first, last in ends)


def test_it_is_used_again_when_nobody_holds_the_pixels() -> None:
    first = pixels(LARGE)
    there, before = place(first), open_files()
    del first
    for path in (SMALL, LARGE, SMALL):  # less than was there, and as much
        again = pixels(path)
        assert place(again) == there and np.array_equal(again, read_raw(path).data)
        assert open_files() == before
        del again


def test_it_grows() -> None:
    assert np.array_equal(pixels(SMALL), read_raw(SMALL).data)
    before = open_files()
    assert np.array_equal(pixels(LARGE), read_raw(LARGE).data)
    assert open_files() == before


def test_it_is_not_used_again_while_a_view_shows_it() -> None:
    expected = read_raw(LARGE).data
    first = pixels(LARGE)
    view, there = first[5:, ::2].T, place(first)
    del first
    gc.collect()
    others = [pixels(SMALL) for _ in range(3)]
    assert there not in map(place, others) and np.array_equal(view, expected[5:, ::2].T)
    assert not view.flags.writeable
    del view
    assert place(pixels(SMALL)) == there


def test_frames_in_any_number() -> None:
    count, before = memories._COUNT + 4, open_files()
    with ThreadPoolExecutor(3) as pool:
        frames = list(pool.map(pixels, [SMALL, LARGE] * (count // 2)))
    assert len(set(map(place, frames))) == count
    for number, path in enumerate((SMALL, LARGE)):
        expected = read_raw(path).data
        assert all(np.array_equal(frame, expected) for frame in frames[number::2])
    del frames
    assert len(memories._free) == memories._COUNT and open_files() <= before + 2 * memories._COUNT


def test_little_is_kept(monkeypatch) -> None:
    monkeypatch.setattr(memories, "_KEPT", read_raw(LARGE).data.nbytes)
    before = open_files()
    two = [pixels(LARGE), pixels(LARGE)]
    del two
    assert open_files() == before + 2 and len(memories._free) == memories._COUNT


def test_less_than_was_told_is_an_error() -> None:
    memory = memories.take()
    os.write(memory.descriptor(), bytes(6))
    with pytest.raises(EOFError):
        memory.pixels((2, 2), np.uint16)
    assert not memory.pixels((1, 3), np.uint16).any()


def test_a_child_that_fails_leaves_nothing_behind() -> None:
    before = pixels(LARGE)
    del before
    for killer in ("raws/killers/segfault_dc120.KDC", "raws/killers/hang_30000x30000.dng"):
        with pytest.raises(IspError):
            read_isolated(shared(killer))
        assert np.array_equal(pixels(SMALL), read_raw(SMALL).data)


def test_a_forked_process_keeps_what_it_sees() -> None:
    """Both see the same memory, and only one of them knows when the other does not look any more."""
    frame, expected = pixels(LARGE), read_raw(LARGE).data
    ready, told = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(ready[0], 1)
        os.write(told[1], b"same" if np.array_equal(frame, expected) else b"other")
        os._exit(0)
    there = place(frame)
    del frame
    gc.collect()
    assert place(pixels(SMALL)) != there
    for _ in range(3):
        pixels(SMALL)
    os.write(ready[1], b".")
    assert os.read(told[0], 9) == b"same"
    os.waitpid(pid, 0)
    for end in (*ready, *told):
        os.close(end)
