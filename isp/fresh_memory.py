"""Lets a C library have nothing but zeroed memory from `malloc`, for as long as it decodes.

LibRaw takes memory for the pixels and does not clear it. Where a damaged file has no pixels for a part of it, what lay
there before comes out as the picture: often the file that was read before.

That big blocks come fresh from the system (M_MMAP_THRESHOLD) is not enough: a block that the heap has free goes first,
and it holds what a caller's array held. glibc clears what it hands out if the byte that it fills freed memory with for
debugging (M_PERTURB) is the complement of zero.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections.abc import Callable, Iterator

_PERTURB, _OFF = -6, 0  # M_PERTURB
_ZERO = 0xFF  # glibc fills memory that it hands out with the complement

_lock = threading.Lock()
_users = 0


@contextlib.contextmanager
def fresh_memory() -> Iterator[None]:
    """In the block, memory that any thread gets from glibc's `malloc` is zero; with another C library, as it was.

    Blocks may be nested and run side by side in threads.
    """
    global _users
    with _lock:
        _users += 1
        _set(_ZERO)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _set(_OFF)


def _set(value: int) -> None:
    mallopt = _mallopt()
    if mallopt is not None:
        mallopt(_PERTURB, value)


@functools.cache
def _mallopt() -> Callable[[int, int], int] | None:
    """Return glibc's `mallopt`; None where there is another C library."""
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  # others have a mallopt too, with other numbers
        return library.mallopt
    except (OSError, AttributeError, TypeError):
        return None
