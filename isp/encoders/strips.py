"""A picture is encoded in strips of rows: all threads at once, a few strips ahead of the one that is written.

How a picture is cut depends on its size alone, so the file does not depend on the number of threads. No more than some
strips exist beside the picture, and a turned one, a view that is not contiguous, is copied a strip at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from numpy.typing import NDArray

from isp.threads import thread_count

Part = TypeVar("Part")

STRIP_BYTES = 1 << 20  # so few that handing them over costs nothing, so small that the caches hold them


def rows_per_strip(picture: NDArray[Any]) -> int:
    """Return how many rows of a picture hold about `STRIP_BYTES`, at least one."""
    return max(1, STRIP_BYTES // int(picture[0].nbytes))


def in_order(encode: Callable[[int], Part], height: int, rows: int) -> Iterator[Part]:
    """Yield ``encode(top)`` for the first row of every strip, in order.

    Parameters
    ----------
    encode : callable
        Is called from several threads; it depends on `top` alone.
    height, rows : int
        Of the picture, of a strip.
    """
    tops = range(0, height, rows)
    threads = min(thread_count(), len(tops))
    if threads == 1:
        yield from map(encode, tops)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="isp") as pool:
        ahead: deque[Future[Part]] = deque()
        for top in tops:
            ahead.append(pool.submit(encode, top))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
