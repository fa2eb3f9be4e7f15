"""From the mosaic in memory to integers: the default chain beside LibRaw and OpenCV."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import isp
from benchmarks.bench import Bench
from isp.bench.peers import AHD, EQUAL, libraw, opencv_demosaic
from isp.bench.race import Entrant, clocked, compared
from isp.bench.table import AGAINST_OURS, CPU, MILLISECONDS, SPEED, TURNS, WORK, Table, text, with_speed

COLUMNS = (text("what", "name"), *MILLISECONDS, CPU, SPEED, *AGAINST_OURS, TURNS, *WORK)
NOTE = (
    "From the decoded mosaic to a new array of RGB integers; reading is not in it. Medians of runs taken turn by turn; "
    "ratios turn by turn, then their median. Everybody runs twice in a turn, and the second is timed."
)
TO_8, TO_16 = "ours to 8 bits", "ours to 16 bits"


def tables(bench: Bench) -> Iterator[Table]:
    """Yield a table per size."""
    for megapixels in bench.sizes:
        frame, path = bench.frame(megapixels), bench.input(megapixels)
        pipeline = isp.default_pipeline()
        entrants = [
            Entrant(TO_8, clocked(partial(pipeline.render, frame, 8), warm=True)),
            Entrant(TO_16, clocked(partial(pipeline.render, frame, 16), warm=True)),
            *into_the_same(pipeline, frame),
            Entrant("LibRaw LINEAR to 8 bits", libraw(path), TO_8, EQUAL),
            Entrant("LibRaw LINEAR to 16 bits", libraw(path, 16), TO_16, EQUAL),
        ]
        if megapixels in bench.middle:
            entrants.append(Entrant("LibRaw AHD to 8 bits", libraw(path, 8, AHD), TO_8, "unequal: a finer demosaic"))
        entrants += demosaics(frame, small=megapixels in bench.middle)
        rows = with_speed(compared(bench.race(f"chain, {megapixels:g} MP", entrants)), frame.data.size / 1e6)
        yield Table(f"Mosaic to picture, {frame.data.size / 1e6:.1f} MP", NOTE, COLUMNS, rows)


def into_the_same(pipeline: isp.Pipeline, frame: isp.Frame) -> Iterator[Entrant]:
    """Yield our chain into arrays that exist: no new memory has to be cleared by the system."""
    for bits, against in ((8, TO_8), (16, TO_16)):
        run = partial(pipeline.render, frame, bits, out=pipeline.render(frame, bits))
        yield Entrant(f"{against}, the same array", clocked(run, warm=True), against, "equal")


def demosaics(frame: isp.Frame, *, small: bool) -> list[Entrant]:
    """Return those that do less: the bilinear demosaic alone."""
    work = "less: 16-bit bilinear demosaic alone"
    entrants = []
    if importlib.util.find_spec("cv2"):
        for name, preallocated in (("a new array", False), ("the same array", True)):
            opencv = clocked(opencv_demosaic(frame, preallocated=preallocated), warm=True)
            entrants.append(Entrant(f"OpenCV demosaic into {name}", opencv, TO_8, work))
    if small and importlib.util.find_spec("colour_demosaicing"):
        alone = "less: bilinear demosaic alone, in float64"
        entrants.append(Entrant("colour-demosaicing bilinear", clocked(colour_demosaicing(frame)), TO_8, alone))
    return entrants


def colour_demosaicing(frame: isp.Frame) -> Callable[[], Any]:
    """Return the bilinear demosaic of colour-demosaicing."""

    def run() -> Any:
        with warnings.catch_warnings(action="ignore"):  # it tells that Matplotlib is not there
            from colour_demosaicing import demosaicing_CFA_Bayer_bilinear

        return demosaicing_CFA_Bayer_bilinear(frame.data, "RGGB")

    return run
