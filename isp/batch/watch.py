"""Finds the files that arrive in folders, once each of them is whole."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from isp.errors import RawError, printable

logger = logging.getLogger(__name__)

State = tuple[int, int, int]  # size, time of the last change, identity


@dataclass(slots=True)
class _Seen:
    """A file as it was last seen, since when, and whether it was handed on like that."""

    state: State
    since: float
    taken: bool = False


def settled(
    find: Callable[[], Iterable[Path]],
    *,
    interval: float = 2.0,
    settle: float = 2.0,
    stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[list[Path]]:
    """Yield the files that have newly settled: size and time of change stayed the same for a while.

    It looks again and again, which works on every file system, those of other machines included. A file that changes
    after it was handed on is handed on again when it has settled again; one that vanishes is forgotten; one that is
    empty is not there yet. When a folder cannot be read, which happens to those of other machines, that is logged
    once and it goes on.

    Parameters
    ----------
    find : callable
        Returns the files that are there now.
    interval : float
        Seconds from one look to the next.
    settle : float
        Seconds that a file must have stayed the same.
    stop : callable
        Whether to end; asked before each look.
    clock, sleep : callable
        Tell the time in seconds, and wait.

    Yields
    ------
    list of Path
        Not empty, in the order of `find`.
    """
    seen: dict[Path, _Seen] = {}
    complaint = ""
    while not stop():
        try:
            now, files = clock(), list(find())
        except (OSError, RawError) as error:
            if str(error) != complaint:
                complaint = str(error)
                logger.warning("%s; it is tried again", printable(complaint))
        else:
            complaint = ""
            seen = _look(files, seen, now)
            if ready := _take(seen, now - settle):
                yield ready
        sleep(interval)


def _look(files: list[Path], before: dict[Path, _Seen], now: float) -> dict[Path, _Seen]:
    """Return what is there now, with what was known of it."""
    there: dict[Path, _Seen] = {}
    for path in files:
        state = _state(path)
        if state is None:
            continue
        known = before.get(path)
        there[path] = known if known is not None and known.state == state else _Seen(state, now)
    return there


def _take(seen: dict[Path, _Seen], until: float) -> list[Path]:
    """Return the files that have not changed since `until` and were not taken yet; they count as taken."""
    ready = [path for path, file in seen.items() if not file.taken and file.since <= until]
    for path in ready:
        seen[path].taken = True
    return ready


def _state(path: Path) -> State | None:
    """Return what changes when a file is written to or replaced; None if it is empty or gone."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns, found.st_ino) if found.st_size else None
