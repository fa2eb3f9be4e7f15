"""What a batch shows while it works: a bar with the failures above it on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from .errors import clear_line, on_terminal

if TYPE_CHECKING:
    from isp.batch.item import Result

_COLOURS = {"failed": "red", "damaged": "red", "blocked": "red", "warning": "yellow"}
_BAR = "{n:,}/{total:,} {bar:16} {desc}"
_NARROW, _NARROW_BAR = 60, "{n:,}/{total:,} {desc}"


class Progress:
    """Shows the results of a batch on stderr as they come, and their sum at the end.

    Use it as a context manager. On a terminal there is a bar with counts, speed and the time left; what failed, and
    every doubt, is a line above it. Elsewhere each item that was worked on is a line, and those that were skipped only
    a number at the end.

    Parameters
    ----------
    total : int or None
        Items to come; None if nobody knows, as when a folder is watched: lines then, no bar and no sum.
    quiet : bool
        Only what failed.
    """

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        self._total, self._quiet = total, quiet
        self._counts: Counter[str] = Counter()
        self._megapixels = 0.0
        self._tried, self._working = 0, 0.0  # items on which there was work, and its seconds
        self._start = self._last = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        self._start = self._last = time.monotonic()
        if self._total and not self._quiet and on_terminal():
            self._bar = _open_bar(self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._total is not None and self._counts and not self._quiet:
            click.echo(f"{clear_line()}{self.summary()}", err=True)

    def add(self, result: Result) -> None:
        """Show one more result."""
        now = time.monotonic()
        if result.attempts:  # the others take no time, so nothing can be foretold from them
            self._tried += 1
            self._working += now - self._last
        self._last = now
        self._counts[result.status] += 1
        if result.status == "done":
            self._megapixels += result.megapixels
        self._tell(result)
        if self._bar is not None:
            self._bar.set_description_str(self._state(), refresh=False)
            self._bar.update()

    def summary(self) -> str:
        """Return what came of the batch, in one line."""
        from isp.batch.units import duration

        parts = [f"{self._counts['done']:,} done"]
        parts += [f"{self._counts['skipped']:,} skipped (done before)"] if self._counts["skipped"] else []
        parts += self._troubles()
        left = (self._total or 0) - self._counts.total()
        parts += [f"{left:,} left"] if left > 0 else []
        speed = f", {self._speed()}" if self._megapixels else ""
        return f"{', '.join(parts)} in {duration(time.monotonic() - self._start)}{speed}"

    def _state(self) -> str:
        """Return what stands behind the bar, the more important first: a narrow terminal cuts the end off."""
        from isp.batch.units import duration

        left = (self._total or 0) - self._counts.total()
        parts = [f"{duration(self._working / self._tried * left)} left"] if self._megapixels and left > 0 else []
        parts += self._troubles()
        if self._megapixels:
            parts.append(self._speed())
        if self._counts["skipped"]:
            parts.append(f"{self._counts['skipped']:,} skipped")
        return ", ".join(parts)

    def _troubles(self) -> list[str]:
        return [f"{self._counts[s]:,} {s}" for s in ("failed", "damaged", "blocked") if self._counts[s]]

    def _speed(self) -> str:
        speed = self._megapixels / max(self._working, 1e-3)
        return f"{speed:,.0f} MP/s" if speed >= 10 else f"{speed:.1f} MP/s"

    def _tell(self, result: Result) -> None:
        """Say what is to be said of one result."""
        from isp.errors import printable

        count = f"[{self._counts.total():,}{f'/{self._total:,}' if self._total else ''}] "
        if result.status in ("failed", "damaged", "blocked"):
            word = "error" if result.status == "failed" else result.status
            self._line(f"{word}: {count}{_about(result, result.reason)}", _COLOURS[result.status])
        if self._quiet or result.status == "skipped":  # its warnings were told when it was done
            return
        for warning in result.warnings if result.status == "done" else ():  # skipped: they were told before
            self._line(f"warning: {count}{_about(result, warning)}", _COLOURS["warning"])
        if result.status == "done" and self._bar is None:
            tries = f", try {result.attempts}" if result.attempts > 1 else ""
            seconds = f"{sum(result.seconds.values()):.2f} s{tries}"
            self._line(f"{count}{printable(result.item.source)} -> {printable(result.item.target)} ({seconds})")

    def _line(self, text: str, colour: str | None = None) -> None:
        """Print a line, above the bar if there is one."""
        if colour and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
            word, colon, rest = text.partition(":")
            text = f"{click.style(word + colon, fg=colour)}{rest}"  # click leaves it out where there is no terminal
        if self._bar is not None:
            self._bar.clear()
        click.echo(text, err=True)
        if self._bar is not None:
            self._bar.refresh()


def _open_bar(total: int) -> Any:
    """Open the bar, which redraws itself ten times a second at most."""
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own is one between processes, and starts one to clean up after it
    columns = os.get_terminal_size(sys.stderr.fileno()).columns
    return tqdm(
        total=total,
        file=sys.stderr,
        dynamic_ncols=True,
        ascii=None if _shows_blocks() else " #",
        miniters=1,  # or, after a thousand skipped in no time, it waits for the next thousand
        leave=False,
        bar_format=_BAR if columns >= _NARROW else _NARROW_BAR,
    )


def _shows_blocks() -> bool:
    """Whether the terminal says that it knows block characters: Python writes UTF-8 even where LANG=C."""
    told = os.environ.get("LC_ALL") or os.environ.get("LANG") or "UTF-8"  # Python itself may have set LC_CTYPE
    return "UTF" in told.upper()


def _about(result: Result, text: str) -> str:
    """Return a line that names its file; most name it themselves."""
    from isp.errors import printable

    name, line = printable(result.item.source.name), printable(text)
    return line if name in line else f"{printable(result.item.source)}: {line}"
