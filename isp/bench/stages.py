"""The time of every stage alone, over whole frames."""

from __future__ import annotations

import math
import statistics
import time

import numpy as np

from isp.bench.table import Row
from isp.frame import Frame
from isp.pipeline import Pipeline


def stage_rows(pipeline: Pipeline, frame: Frame, turns: int, until: float = math.inf) -> list[Row]:
    """Return a row per stage that has something to do: medians of traces of a pipeline, after one not counted.

    Parameters
    ----------
    pipeline : Pipeline
        The stages.
    frame : Frame
        What the first one reads.
    turns : int
        How many traces count.
    until : float
        When to be over, by `time.perf_counter`; without time for a second trace the first one counts.
    """
    start = time.perf_counter()
    traces = [_trace(pipeline, frame)]
    expected = time.perf_counter() - start
    while len(traces) <= turns and time.perf_counter() + expected < until:
        traces.append(_trace(pipeline, frame))
    megapixels = frame.data.shape[0] * frame.data.shape[1] / 1e6
    rows = []
    for name, *seconds in zip(traces[0], *(trace.values() for trace in traces[1:] or traces), strict=True):
        middle = statistics.median(seconds)
        row = {"name": name, "s": middle, "low_s": min(seconds), "high_s": max(seconds)}
        rows.append(row | {"mp_per_s": megapixels / middle})
    return rows


def _trace(pipeline: Pipeline, frame: Frame) -> dict[str, float]:
    """Return the seconds of every stage that has something to do; the others hand on the pixels they got."""
    seconds = {}
    before = frame.data
    for stage, result, taken in pipeline.trace(frame):
        if not np.may_share_memory(result.data, before):
            seconds[type(stage).__name__] = taken
        before = result.data
    return seconds
