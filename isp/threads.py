"""Run a kernel on bands of rows, or anything on tiles, in a pool of threads: same bytes for any number of them."""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

from isp.control_groups import MEMBERSHIP, ROOT, groups
from isp.errors import require

MIN_ROWS = 32  # a shorter band costs more to hand over than to compute
VARIABLE = "ISP_NUM_THREADS"
_QUOTAS = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))  # of control groups, version 2 and 1

Item = TypeVar("Item")
_own = threading.local()


def thread_count() -> int:
    """Return how many threads to use: `ISP_NUM_THREADS`, else the processors this process may use.

    1 in a thread that works on one of `over_items`: the others have theirs, and a pool that waits for itself stands
    still.
    """
    if getattr(_own, "busy", False):
        return 1
    asked = os.environ.get(VARIABLE)
    if not asked:
        return processors()
    require(asked.isdecimal() and int(asked) > 0, "environment", VARIABLE, asked, "a whole number from 1 up")
    return int(asked)


@functools.cache
def processors() -> int:
    """Return how many processors this process may use; a container's share of their time counts, rounded up."""
    return max(1, math.ceil(min(_available(), cpu_limit())))


def _available() -> int:
    """Return how many processors this process may run on."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_limit(root: Path = ROOT, membership: Path = MEMBERSHIP) -> float:
    """Return how many processors' time the control groups of this process grant it; infinity where none limits it.

    It is the least quota over period of its groups and of those above them.

    Parameters
    ----------
    root, membership : Path
        See `isp.control_groups.groups`.
    """
    return min(map(_quota, groups("cpu", root, membership)), default=math.inf)


def _quota(group: Path) -> float:
    """Return quota over period of one control group; infinity if it has none or does not exist."""
    for names in _QUOTAS:
        try:
            quota, period = (int(word) for name in names for word in (group / name).read_text("ascii").split())
        except (OSError, ValueError):  # ValueError: "max"
            continue
        if quota > 0 and period > 0:
            return quota / period
    return math.inf


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="isp")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has the pool but not its threads: it would wait


@contextlib.contextmanager
def one_thread(alone: bool = True) -> Iterator[None]:
    """Let what is called within use no thread but this one, because others work beside it; nothing if not `alone`."""
    before = getattr(_own, "busy", False)
    _own.busy = before or alone
    try:
        yield
    finally:
        _own.busy = before


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
    own, *others = itertools.pairwise(edges)
    bands = [_pool(count - 1).submit(kernel, first, last, *arguments) for first, last in others]
    try:
        kernel(*own, *arguments)  # a thread that works on keeps its processor; the system wakes the others elsewhere
    finally:
        wait(bands)
    for band in bands:
        band.result()


def over_items(work: Callable[[Item], Any], items: Iterable[Item]) -> None:
    """Call ``work(item)`` once for each item; a thread that is done takes the next.

    No call may depend on another's result. After an error no item is begun any more.
    """
    waiting = collections.deque(items)
    count = min(thread_count(), len(waiting))
    if count <= 1:
        _work_off(waiting, work)
        return
    others = [_pool(count - 1).submit(_share, waiting, work) for _ in range(count - 1)]
    try:
        _share(waiting, work)
    finally:
        wait(others)
    for other in others:
        other.result()


def _share(waiting: collections.deque[Item], work: Callable[[Item], Any]) -> None:
    """Work items off as one of several threads."""
    with one_thread():
        _work_off(waiting, work)


def _work_off(waiting: collections.deque[Item], work: Callable[[Item], Any]) -> None:
    """Take items until there are none."""
    while True:
        try:
            item = waiting.popleft()
        except IndexError:
            return
        try:
            work(item)
        except BaseException:
            waiting.clear()
            raise
