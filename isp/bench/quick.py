"""The small benchmark: one file, this machine, some seconds."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from isp.bench.peers import EQUAL, libraw, libraw_decode, opencv_demosaic
from isp.bench.race import Entrant, clocked, compared, race
from isp.bench.scene import expose, natural, size_of
from isp.bench.stages import stage_rows
from isp.bench.table import AGAINST_OURS, CPU, MILLISECONDS, SPEED, TURNS, WORK, Table, text, with_speed
from isp.convert import Settings, convert_file, open_frame
from isp.dng_writer import write_dng
from isp.errors import printable
from isp.frame import Frame
from isp.headerless import Layout, find_sidecar
from isp.image import Output, write_picture
from isp.recipe import default_pipeline

MEGAPIXELS = 12  # of the mosaic that is made where no file is given
SECONDS = 20.0
_TURNS = 9
_SHARE = 0.65  # of the time for what is compared; the rest for the stages
_KINDS = (("jpeg", 8), ("png", 8), ("png", 16), ("tiff", 16))
_STAGED = "Each stage that has something to do alone, over the whole frame; the chain above runs them fused."

FilePath = str | os.PathLike[str]


def measure(
    source: FilePath | None = None, *, headerless: Layout | None = None, seconds: float = SECONDS
) -> list[Table]:
    """Measure reading, the default chain, its stages, writing and converting, beside LibRaw and OpenCV.

    Parameters
    ----------
    source : path, optional
        The raw file; a synthetic mosaic of 12 MP if None.
    headerless : Layout, optional
        How the pixels of a headerless file lie.
    seconds : float
        About how long it may take once the kernels are compiled. What is slow gets fewer turns, and what had no time
        says so.

    Returns
    -------
    list of Table
        The comparison, and the stages.

    Raises
    ------
    RawError
        If the file cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        name = printable(source) if source is not None else "synthetic mosaic"
        source = source if source is not None else _synthetic(Path(folder))
        frame = open_frame(source, headerless=headerless)
        with _said_once():
            entrants = _in_memory(source, frame, headerless) + _to_files(source, frame, headerless, Path(folder))
            start = time.perf_counter()  # the kernels are compiled now
            results = race(entrants, _TURNS, limit=seconds / 4, until=start + seconds * _SHARE)
            stages = stage_rows(default_pipeline(), frame, _TURNS, start + seconds)
    height, width = frame.data.shape[:2]
    rows = with_speed(compared(results), height * width / 1e6)
    title = f"{name}: {width} x {height}, {height * width / 1e6:.1f} MP"
    columns = (text("what", "name"), *MILLISECONDS, CPU, SPEED, *AGAINST_OURS, TURNS, *WORK)
    return [
        Table(title, "Medians of runs taken turn by turn; ratios turn by turn, then their median.", columns, rows),
        Table("Stage by stage", _STAGED, (text("stage", "name"), *MILLISECONDS, SPEED), stages),
    ]


def _synthetic(folder: Path) -> Path:
    return write_dng(expose(natural(), *size_of(MEGAPIXELS)), folder / "synthetic.dng")


def _in_memory(source: FilePath, frame: Frame, headerless: Layout | None) -> list[Entrant]:
    """Return our chain and our reading, and who is measured against them."""
    pipeline = default_pipeline()
    read, chain = "read", "chain to 8 bits"
    entrants = [
        Entrant(chain, clocked(lambda: pipeline.render(frame, 8))),
        Entrant("chain to 16 bits", clocked(lambda: pipeline.render(frame, 16))),
        Entrant(read, clocked(lambda: open_frame(source, headerless=headerless))),
    ]
    if headerless is None and find_sidecar(source) is None:  # LibRaw would take the pixels for another camera's
        entrants += [
            Entrant("LibRaw LINEAR to 8 bits", libraw(source), chain, EQUAL),
            Entrant("LibRaw read", clocked(lambda: libraw_decode(source)), read, "pixels alone"),
        ]
    if importlib.util.find_spec("cv2"):
        opencv = clocked(opencv_demosaic(frame))
        entrants.append(Entrant("OpenCV demosaic to 16 bits", opencv, chain, "demosaic alone"))
    return entrants


def _to_files(source: FilePath, frame: Frame, headerless: Layout | None, folder: Path) -> list[Entrant]:
    """Return writing the picture alone and whole conversions, for every format."""
    pixels = {depth: default_pipeline().render(frame, depth) for depth in (8, 16)}
    entrants = []
    for kind, depth in _KINDS:
        output, target = Output(kind, depth, overwrite=True), folder / f"{kind}{depth}"
        write = partial(write_picture, pixels.__getitem__, frame.meta, "srgb", target, output)
        whole = partial(convert_file, source, target, Settings(headerless=headerless, output=output))
        entrants += [
            Entrant(f"write {kind.upper()}, {depth} bits", clocked(write)),
            Entrant(f"convert to {kind.upper()}, {depth} bits", clocked(whole)),
        ]
    return entrants


@contextlib.contextmanager
def _said_once() -> Iterator[None]:
    """Keep doubts about a file, said when it was read, from being said again at every turn."""
    logger = logging.getLogger("isp")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
