"""How time grows with megapixels and falls with threads."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import isp
from benchmarks.bench import Bench
from benchmarks.commands import ours
from isp.bench.race import Entrant, Result, Sample, clocked, compared
from isp.bench.scene import size_of
from isp.bench.table import MILLISECONDS, TURNS, Row, Table, number, text, with_speed
from isp.threads import VARIABLE

WORK: dict[str, Callable[[isp.Frame], Any]] = {
    "chain to 8 bits": lambda frame: isp.default_pipeline().render(frame, 8),
    "chain to 16 bits": lambda frame: isp.default_pipeline().render(frame, 16),
    "chain with median 3x3 to 8 bits": lambda frame: isp.default_pipeline(denoise="median:3").render(frame, 8),
}
PROCESS = "isp convert to JPEG, whole process"
SIZES_NOTE = (
    "All sizes in turn. Deviation: a size's time per megapixel over the mean of all sizes in that turn, less 1; then "
    "the median. Slope and constant by least squares over the medians. In memory: the second of two runs, as in the "
    "tables of the chain."
)
THREADS_NOTE = (
    "All numbers of threads in turn. Speed-up: the time of one thread over it, turn by turn, then the median."
)


def tables(bench: Bench) -> Iterator[Table]:
    """Yield time over megapixels, in memory and of the process, then over threads."""
    rows: list[Row] = []
    for name, work in WORK.items():
        frames = {megapixels: bench.frame(megapixels) for megapixels in bench.sizes}
        entrants = [Entrant(f"{m:g} MP", clocked(partial(work, f), warm=True)) for m, f in frames.items()]
        rows += fitted(name, bench.sizes, bench.race(f"sizes, {name}", entrants))
    entrants = [ours(bench, bench.input(m), ".jpg", 8, f"{m:g} MP") for m in bench.sizes]
    rows += fitted(PROCESS, bench.sizes, bench.race(f"sizes, {PROCESS}", entrants))
    columns = (
        text("what", "work"), text("size", "name"), *MILLISECONDS, number("MP/s", "mp_per_s"),
        number("deviation %", "deviation", "+.0f", 100), number("slope ms/MP", "slope", ".2f", 1e3),
        number("constant ms", "constant", ".1f", 1e3), TURNS,
    )  # fmt: skip
    yield Table("Time over megapixels", SIZES_NOTE, columns, rows)
    yield threads(bench)


def fitted(work: str, sizes: tuple[float, ...], results: list[Result]) -> list[Row]:
    """Return a row per size with its deviation from proportional growth; the first also has the fitted line."""
    pixels = [height * width / 1e6 for height, width in map(size_of, sizes)]
    rows = [with_speed([r.row()], size)[0] | {"work": work} for r, size in zip(results, pixels, strict=True)]
    known = [(row, result, size) for row, result, size in zip(rows, results, pixels, strict=True) if "s" in row]
    turns = list(zip(*([seconds / size for seconds in result.seconds] for _, result, size in known), strict=False))
    for place, (row, _, _) in enumerate(known):
        row["deviation"] = statistics.median(turn[place] / statistics.mean(turn) for turn in turns) - 1
    if len(known) > 1:
        slope, constant = np.polyfit([size for _, _, size in known], [row["s"] for row, _, _ in known], 1)
        rows[0] |= {"slope": float(slope), "constant": float(constant)}
    return rows


def threads(bench: Bench) -> Table:
    """Return the time with one thread, two, four, .. up to what was asked."""
    counts = sorted({*(2**n for n in range(bench.threads.bit_length())), bench.threads})
    frame, rows = bench.frame(bench.middle[-1]), []
    for name, work in WORK.items():
        entrants = [Entrant(str(count), with_threads(count, work, frame), "1") for count in counts]
        for row in compared(bench.race(f"threads, {name}", entrants)):
            rows.append(row | {"work": name, "speed_up": row.get("share")})
    columns = (
        text("what", "work"),
        text("threads", "name"),
        *MILLISECONDS,
        number("speed-up", "speed_up", ".2f"),
        TURNS,
    )
    return Table(f"Threads, {frame.data.size / 1e6:.1f} MP", THREADS_NOTE, columns, rows)


def with_threads(count: int, work: Callable[[isp.Frame], Any], frame: isp.Frame) -> Callable[[], Sample]:
    """Return a run of work by so many threads."""
    run = clocked(lambda: work(frame))

    def limited() -> Sample:
        usual = os.environ[VARIABLE]
        os.environ[VARIABLE] = str(count)
        try:
            return run()
        finally:
            os.environ[VARIABLE] = usual

    return limited
