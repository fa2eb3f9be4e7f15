"""Takes the warnings of one thread's work, so that they can be told with the file that they are about."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

_own = threading.local()


class _Collector(logging.Handler):
    """Keeps what a collecting thread logs, and marks it for handlers that show everything else."""

    def emit(self, record: logging.LogRecord) -> None:
        lines: list[str] | None = getattr(_own, "lines", None)
        if lines is not None:
            lines.append(record.getMessage())
            record.collected = True


_collector = _Collector(logging.WARNING)


def is_collected(record: logging.LogRecord) -> bool:
    """Whether somebody takes care of a record already."""
    return getattr(record, "collected", False)


@contextlib.contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Yield a list that fills with the warnings that this thread logs through the library's loggers meanwhile."""
    logger = logging.getLogger(__package__)
    if logger.handlers[:1] != [_collector]:  # before all others, which look at its mark
        logger.handlers.insert(0, _collector)
    before = getattr(_own, "lines", None)
    lines: list[str] = []
    _own.lines = lines
    try:
        yield lines
    finally:
        _own.lines = before
