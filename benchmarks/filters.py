"""The whole chain with a 3x3 filter beside OpenCV's filter alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import isp
from benchmarks.bench import Bench
from benchmarks.chain import COLUMNS, NOTE
from isp.bench.race import Entrant, clocked, compared
from isp.bench.table import Table, with_speed
from isp.threads import thread_count


def tables(bench: Bench) -> Iterator[Table]:
    """Yield a table per size."""
    for megapixels in bench.middle:
        frame = bench.frame(megapixels)
        entrants = []
        for method, opencv in (("median", "medianBlur"), ("mean", "blur")):
            ours = f"ours to 8 bits with {method} 3x3"
            pipeline = isp.default_pipeline(denoise=f"{method}:3")
            entrants.append(Entrant(ours, clocked(partial(pipeline.render, frame, 8), warm=True)))
            if importlib.util.find_spec("cv2"):
                work = "less: the filter alone, uint16 RGB"
                entrants.append(
                    Entrant(f"OpenCV {opencv} 3x3", clocked(opencv_filter(frame, opencv), warm=True), ours, work)
                )
        rows = with_speed(compared(bench.race(f"denoise, {megapixels:g} MP", entrants)), frame.data.size / 1e6)
        yield Table(f"Mosaic to picture with a 3x3 filter, {frame.data.size / 1e6:.1f} MP", NOTE, COLUMNS, rows)


def opencv_filter(frame: isp.Frame, name: str) -> Callable[[], Any]:
    """Return OpenCV's filter of the 16-bit picture."""
    import cv2

    cv2.setNumThreads(thread_count())
    picture = isp.default_pipeline().render(frame, 16)
    size = 3 if name == "medianBlur" else (3, 3)
    return lambda: getattr(cv2, name)(picture, size)
