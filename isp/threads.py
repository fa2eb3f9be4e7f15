"""Run a kernel on bands of rows in a pool of threads: same bytes for any number of them."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from isp.errors import require

MIN_ROWS = 32  # a shorter band costs more to hand over than to compute


def thread_count() -> int:
    """Return how many threads to use: `ISP_NUM_THREADS`, else the processors this process may run on."""
    asked = os.environ.get("ISP_NUM_THREADS")
    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    require(asked.isdecimal() and int(asked) > 0, "environment", "ISP_NUM_THREADS", asked, "a whole number from 1 up")
    return int(asked)


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="isp")


def over_rows(kernel: Callable[..., Any], height: int, *arguments: Any) -> None:
    """Call ``kernel(first, last, *arguments)`` on bands that cover the rows 0..height.

    Each row must depend on the arguments alone, never on another row's result; then the result does not depend on
    where the bands are cut.
    """
    count = max(1, min(thread_count(), height // MIN_ROWS))
    if count == 1:
        kernel(0, height, *arguments)
        return
    edges = [height * band // count for band in range(count + 1)]
    bands = [_pool(count).submit(kernel, a, b, *arguments) for a, b in itertools.pairwise(edges)]
    for band in bands:
        band.result()
