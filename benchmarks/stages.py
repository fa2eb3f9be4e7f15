"""Every stage by itself over whole frames, and what it adds to the fused chain."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import isp
from benchmarks.bench import Bench
from isp.bench.race import Entrant, clocked
from isp.bench.stages import stage_rows
from isp.bench.table import MILLISECONDS, SPEED, TURNS, Table, number, text, with_speed

KNOBS: dict[str, Any] = {
    "vignetting": "radial:0.3",
    "denoise": "median:3",
    "exposure": 0.5,
}  # so that every stage has something to do
STAGED = "Each stage alone over the whole frame, from a trace of a chain in which all have something to do."
FUSED = (
    "The same chain fused, ended after each stage: the time of all up to there to a new float32 frame, and the "
    "difference to the row above. A result of three colours takes three times the memory of a mosaic: the demosaic's "
    "difference holds that too. The last rows are the whole chain to integers, where one table stands for all curves."
)


def tables(bench: Bench) -> Iterator[Table]:
    """Yield the staged and the fused times at the largest of the middle sizes."""
    frame = bench.frame(bench.middle[-1])
    megapixels = frame.data.size / 1e6
    pipeline = isp.default_pipeline(**KNOBS)
    rows = stage_rows(isp.Pipeline(pipeline.stages, fuse=False), frame, bench.turns)
    yield Table(f"Stages, staged, {megapixels:.1f} MP", STAGED, (text("stage", "name"), *MILLISECONDS, SPEED), rows)
    prefixes = [isp.Pipeline(pipeline.stages[: last + 1]) for last in range(len(pipeline.stages))]
    entrants = [Entrant(f"… {type(p.stages[-1]).__name__}", clocked(partial(p, frame))) for p in prefixes]
    entrants += [Entrant(f"all to {b} bits", clocked(partial(pipeline.render, frame, b))) for b in (8, 16)]
    rows = with_speed([result.row() for result in bench.race("stages, fused", entrants)], megapixels)
    for before, row in itertools.pairwise(rows[: len(prefixes)]):
        row["added"] = row["s"] - before["s"]
    columns = (text("up to", "name"), *MILLISECONDS, number("added ms", "added", ".1f", 1e3), SPEED, TURNS)
    yield Table(f"Stages, fused, {megapixels:.1f} MP", FUSED, columns, rows)
