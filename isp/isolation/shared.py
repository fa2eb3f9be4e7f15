"""Files in memory, which children fill with pixels, and which are used again when nobody holds those any more.

The system hands out a file's pages one by one, cleared, and takes them back in the end; both together take longer than
to copy pixels into them.
"""

from __future__ import annotations

import collections
import functools
import math
import mmap
import os
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isp.recycled import lent

POSSIBLE = hasattr(os, "memfd_create")
_COUNT = 16  # of files that are used again; each takes two file descriptors
_KEPT = 256 << 20  # bytes in all of those that nobody uses
_MAPPED = getattr(mmap, "MAP_SHARED", 0) | getattr(mmap, "MAP_POPULATE", 0)  # all pages at once


class Memory:
    """A file that a child may write, mapped here to be read; empty at first."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._mapping: mmap.mmap | None = None

    def __len__(self) -> int:
        return 0 if self._mapping is None else len(self._mapping)

    def descriptor(self) -> int:
        """Return the file descriptor that the child is to have."""
        if self._descriptor is None:
            self._descriptor = os.memfd_create("isp")
            self._close = weakref.finalize(self, os.close, self._descriptor)
        return self._descriptor

    def pixels(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return what the child wrote, read-only; when that is not held any more, another child may write.

        Raises
        ------
        EOFError
            If it is less.
        """
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if os.fstat(self.descriptor()).st_size < size:
            raise EOFError
        if len(self) < size:
            self._mapping = mmap.mmap(self.descriptor(), 0, flags=_MAPPED, prot=mmap.PROT_READ)
        assert self._mapping is not None
        return lent(self._mapping, shape, kind, functools.partial(give_back, self, _free))

    def clear(self) -> None:
        """Let the file go."""
        if self._descriptor is not None:
            self._close()
        self._descriptor = self._mapping = None


Free = collections.deque[Memory]
_free: Free


def take() -> Memory:
    """Return memory that nobody else has: the one that was used last, or a new one."""
    try:
        return _free.pop()
    except IndexError:  # so many are in use that this one will be used once
        return Memory()


def give_back(memory: Memory, free: Free | None = None) -> None:
    """Let memory be used again, if it is not too much, and this process was not forked while it was in use.

    Parameters
    ----------
    memory : Memory
        What `take` returned.
    free : deque, optional
        Those among which it was when it was filled.
    """
    others = _free if free is None else free
    if sum(map(len, list(others))) + len(memory) > _KEPT:
        memory.clear()
    others.append(memory)


def _begin() -> None:
    global _free
    _free = collections.deque((Memory() for _ in range(_COUNT)), _COUNT)


def _forget() -> None:
    """Use nothing again of what there is, and of what other threads take meanwhile."""
    global _free
    _free = collections.deque(maxlen=0)


_begin()
if hasattr(os, "register_at_fork"):  # a forked copy of this process sees the same pages
    os.register_at_fork(before=_forget, after_in_parent=_begin, after_in_child=_begin)
