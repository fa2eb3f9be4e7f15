"""Take turns: every entrant once, then every entrant again, so that a machine whose speed drifts slows all alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

FEWEST = 3  # turns of what is slow


class Sample(NamedTuple):
    """One run: wall seconds, seconds of processor time, and for a process of its own the peak of memory in bytes."""

    seconds: float
    cpu: float | None = None
    peak: int | None = None


class Entrant(NamedTuple):
    """What takes part: a name, one run of it, the entrant it is compared with, and how far their work is equal."""

    name: str
    run: Callable[[], Sample]
    against: str | None = None
    work: str = ""


@dataclass
class Result:
    """What an entrant showed.

    Attributes
    ----------
    entrant : Entrant
        Who.
    first : Sample or None
        The run before the turns, which compiles and fills caches.
    samples : list of Sample
        The turns that count.
    failure : str or None
        Why it fell out.
    """

    entrant: Entrant
    first: Sample | None = None
    samples: list[Sample] = field(default_factory=list)
    failure: str | None = None

    @property
    def seconds(self) -> list[float]:
        """The time of every turn that counts."""
        return [sample.seconds for sample in self.samples]

    def row(self) -> dict[str, Any]:
        """Return medians and range as plain values."""
        row: dict[str, Any] = {"name": self.entrant.name, "against": self.entrant.against, "work": self.entrant.work}
        if self.failure is not None:
            return row | {"failed": self.failure}
        seconds = self.seconds
        row |= {"turns": len(seconds), "s": statistics.median(seconds), "low_s": min(seconds), "high_s": max(seconds)}
        for name in ("cpu", "peak"):
            known = [value for sample in self.samples if (value := getattr(sample, name)) is not None]
            row[name] = statistics.median(known) if known else None
        return row | {"turns_s": seconds}


def compared(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the rows of a race; who is compared with another has ratios, taken turn by turn, then their median."""
    by_name = {result.entrant.name: result for result in results}
    rows = []
    for result in results:
        row, other = result.row(), by_name.get(result.entrant.against or "")
        if "s" in row and other is not None and other.failure is None:
            row |= ratios(result.seconds, other.seconds)
        rows.append(row)
    return rows


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles of their time over ours, and the median of ours over theirs."""
    pairs = sorted(b / a for a, b in zip(ours, theirs, strict=False))
    last = len(pairs) - 1
    return {
        "ratio": statistics.median(pairs),
        "ratio_low": pairs[round(last / 4)],
        "ratio_high": pairs[round(last * 3 / 4)],
        "share": statistics.median(1 / pair for pair in pairs),
    }


def clocked(call: Callable[[], Any], *, warm: bool = False) -> Callable[[], Sample]:
    """Return a run that takes the time of a call; what it returns is dropped.

    A warm one calls twice and takes the second: it finds memory, caches and threads as it left them itself, not as
    whoever had the turn before.
    """

    def run() -> Sample:
        if warm:
            call()
        start, cpu = time.perf_counter(), time.process_time()
        call()
        return Sample(time.perf_counter() - start, time.process_time() - cpu)

    return run


def race(entrants: Sequence[Entrant], turns: int, *, limit: float = math.inf, until: float = math.inf) -> list[Result]:
    """Run every entrant once without counting, then turn by turn.

    Parameters
    ----------
    entrants : sequence of Entrant
        In the order of a turn. One that fails falls out; the others go on.
    turns : int
        How many runs of each count.
    limit : float
        Seconds for the turns of one entrant: a slow one takes part in the first turns only, in three at least.
    until : float
        When all must be over, by `time.perf_counter`; a run that would last longer does not begin. What then had no
        turn shows its first run.

    Returns
    -------
    list of Result
        In the order of `entrants`.
    """
    results = [Result(entrant) for entrant in entrants]
    for result in results:
        result.first = _attempt(result) if time.perf_counter() < until else None
        if result.first is None and result.failure is None:
            result.failure = "no time left"
    for turn in range(turns):
        for result in results:
            if result.failure is not None or result.first is None:
                continue
            expected = min([result.first.seconds, *result.seconds])  # the first may have compiled
            affordable = turn < FEWEST or turn * expected < limit
            if affordable and time.perf_counter() + expected < until:
                sample = _attempt(result)
                result.samples += [] if sample is None else [sample]
    for result in results:
        if result.first is not None and not result.samples:
            result.samples = [result.first]
    return results


def _attempt(result: Result) -> Sample | None:
    """Return a run's sample, or keep why there is none."""
    try:
        return result.entrant.run()
    except Exception as error:  # a peer may fail in any way of its own
        result.failure = " ".join(str(error).split()) or type(error).__name__
        return None
