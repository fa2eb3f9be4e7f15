"""A picture is encoded in strips of rows: all threads at once, a few strips ahead of the one that is written.

How a picture is cut depends on its size alone, so the file does not depend on the number of threads. No more than some
strips exist beside the picture, and a turned one, a view that is not contiguous, is copied a strip at a time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from isp.rendering import Picture
from isp.threads import thread_count

Part = TypeVar("Part")

STRIP_BYTES = 1 << 20  # so few that handing them over costs nothing, so small that the caches hold them
_AHEAD = 3  # strips of a thread that are begun or done and not yet written


def rows_per_strip(picture: Picture) -> int:
    """Return how many rows of a picture hold about `STRIP_BYTES`, at least one."""
    return max(1, STRIP_BYTES // (math.prod(picture.shape[1:]) * picture.dtype.itemsize))


def in_order(encode: Callable[[int], Part], height: int, rows: int) -> Iterator[Part]:
    """Yield ``encode(top)`` for the first row of every strip, in order.

    Parameters
    ----------
    encode : callable
        Is called from several threads, this one too; it depends on `top` alone.
    height, rows : int
        Of the picture, of a strip.
    """
    tops = range(0, height, rows)
    threads = min(thread_count(), len(tops))
    if threads == 1:
        yield from map(encode, tops)
        return
    queue = _Queue(encode, tops, _AHEAD * threads)
    with ThreadPoolExecutor(threads - 1, thread_name_prefix="isp") as pool:
        for _ in range(threads - 1):
            pool.submit(queue.work_off)
        try:
            for number in range(len(tops)):
                yield queue.take(number)
        finally:
            queue.close()


class _Queue(Generic[Part]):
    """Strips in order: helpers work them off, and so does the thread that takes them while the next is not done.

    A thread that waited for others would have to be woken for every strip, which costs a tenth of the strip's time.
    """

    def __init__(self, encode: Callable[[int], Part], tops: Sequence[int], most: int) -> None:
        self._encode, self._tops, self._most = encode, tops, most
        self._changed = threading.Condition()
        self._begun, self._taken, self._closed = 0, 0, False
        self._done: dict[int, Part] = {}
        self._error: BaseException | None = None

    def take(self, number: int) -> Part:
        """Return a strip; they are taken in order."""
        while True:
            with self._changed:
                if number in self._done:
                    self._taken += 1
                    self._changed.notify_all()
                    return self._done.pop(number)
                if self._error is not None:
                    raise self._error
                mine = self._begin()
                if mine is None:
                    self._changed.wait()
            if mine is not None:
                self._work(mine)

    def work_off(self) -> None:
        """Encode strips until there are none."""
        try:
            while True:
                with self._changed:
                    mine = self._begin()
                    while mine is None and self._begun < len(self._tops) and not self._closed:
                        self._changed.wait()
                        mine = self._begin()
                if mine is None:
                    return
                self._work(mine)
        except BaseException as error:
            self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """Begin no strip any more; whoever waits for one gets the error."""
        with self._changed:
            self._closed, self._error = True, error
            self._changed.notify_all()

    def _begin(self) -> int | None:
        """Return the number of the next strip to encode, None if there is none or too many wait to be taken."""
        if self._closed or self._begun == len(self._tops) or self._begun - self._taken >= self._most:
            return None
        self._begun += 1
        return self._begun - 1

    def _work(self, number: int) -> None:
        part = self._encode(self._tops[number])
        with self._changed:
            self._done[number] = part
            self._changed.notify_all()
