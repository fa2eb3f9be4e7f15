"""Large arrays whose memory is used again when nobody holds them any more.

New memory comes from the system, which clears it page by page when it is first written; a picture is computed so fast
that this counts. C libraries keep what is freed for the same reason, but only below 32 MB.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import mmap
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LEAST, _MOST = 4 << 20, 160 << 20  # bytes of an array; the most is a picture of 24 MP in 16 bits
_KEPT = 2 * _MOST  # bytes in all, of the blocks that were used last
_POSSIBLE = hasattr(mmap, "MADV_FREE") and hasattr(mmap, "MADV_HUGEPAGE")

_free: collections.deque[mmap.mmap] = collections.deque()


class _Lent:
    """What an array and its views hold on to for as long as one of them lives."""

    def __init__(
        self, block: mmap.mmap, shape: tuple[int, ...], dtype: np.dtype[Any], give_back: Callable[[], None]
    ) -> None:
        bytes_ = np.frombuffer(block, np.uint8)
        place = bytes_.ctypes.data, not bytes_.flags.writeable
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": place}
        weakref.finalize(self, give_back).atexit = False


def lent(block: mmap.mmap, shape: tuple[int, ...], dtype: np.dtype[Any], give_back: Callable[[], None]) -> NDArray[Any]:
    """Return an array that lies at the start of a block.

    Parameters
    ----------
    block : mmap
        Large enough; the array is read-only if it is.
    shape, dtype
        Of the array.
    give_back : callable
        Called when neither the array nor a view of it is left. It keeps the block alive until then.
    """
    return np.asarray(_Lent(block, shape, dtype, give_back))


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of any content, as `numpy.empty` does, in memory that was used before if there is some.

    What is kept for the next array the system may take back whenever it is short of memory.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if not (_POSSIBLE and _LEAST <= size <= _MOST):
        return np.empty(shape, kind)
    block = _fitting(size) or _new(size)
    return lent(block, shape, kind, functools.partial(_give_back, block))


def _fitting(size: int) -> mmap.mmap | None:
    """Return a free block that an array does not waste half of; blocks come and go in other threads meanwhile."""
    for _ in range(len(_free)):
        try:
            block = _free.pop()
        except IndexError:
            break
        if size <= len(block) <= 2 * size:
            return block
        _free.appendleft(block)
    return None


def _new(size: int) -> mmap.mmap:
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _advise(block, mmap.MADV_HUGEPAGE)  # cleared faster
    return block


def _give_back(block: mmap.mmap) -> None:
    _advise(block, mmap.MADV_FREE)
    _free.append(block)
    with contextlib.suppress(IndexError):  # another thread took the last
        while sum(map(len, list(_free))) > _KEPT:
            _free.popleft()


def _advise(block: mmap.mmap, advice: int) -> None:
    with contextlib.suppress(OSError):  # a system that cannot; it is but advice
        block.madvise(advice)
