"""Whole processes, from a raw file to a picture file: start-up, reading, computing, encoding and writing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.commands import darktable, dcraw, ours, rawtherapee, script
from isp.bench.race import Entrant, compared
from isp.bench.table import AGAINST_OURS, SECONDS, TURNS, WORK, Table, number, text

NOTE = (
    "Warm file cache, compiled code cached. JPEG is quality 92, 4:2:0. Ratios to isp convert, turn by turn. "
    "Peak is the process's largest resident memory."
)
PEAK = number("peak MiB", "peak", ".0f", 2.0**-20)
COLUMNS = (
    text("what", "name"), *SECONDS, number("CPU s", "cpu", ".2f"), PEAK, *AGAINST_OURS, TURNS, *WORK,
)  # fmt: skip


def tables(bench: Bench) -> Iterator[Table]:
    """Yield a table per size, input and kind of picture."""
    for megapixels in bench.middle:
        for lossless in (False, True):
            source = bench.input(megapixels, lossless=lossless)
            kinds = (("JPEG", ".jpg", 8), ("PNG", ".png", 8), ("PNG", ".png", 16), ("TIFF", ".tiff", 16))
            for kind, suffix, bits in kinds[: 1 if lossless else None]:
                title = (
                    f"{'Lossless-JPEG' if lossless else 'Uncompressed'} DNG of {megapixels:g} MP to {kind}, {bits} bits"
                )
                entrants = [ours(bench, source, suffix, bits), *peers(bench, source, suffix, bits, heavy=not lossless)]
                yield Table(title, NOTE, COLUMNS, compared(bench.race(title, entrants)))


def peers(bench: Bench, source: Path, suffix: str, bits: int, *, heavy: bool = False) -> list[Entrant]:
    """Return the other converters that are installed and can write this kind of picture."""
    entrants = []
    if (suffix, bits) != (".png", 16):  # imageio cannot
        entrants.append(script(bench, source, suffix, bits))
    if shutil.which("dcraw_emu") and suffix != ".png":
        entrants.append(dcraw(bench, source, 0, ".ppm" if suffix == ".jpg" else suffix, bits))
    if suffix == ".jpg":
        entrants.append(script(bench, source, suffix, bits, "AHD"))
        if shutil.which("dcraw_emu"):
            entrants.append(dcraw(bench, source, 3, ".ppm", bits))
        if heavy and shutil.which("darktable-cli"):
            entrants.append(darktable(bench, source, suffix))
        if heavy and shutil.which("rawtherapee-cli"):
            entrants.append(rawtherapee(bench, source, suffix))
    return entrants
