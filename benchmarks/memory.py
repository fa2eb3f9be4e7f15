"""What a conversion of the largest input needs beyond the mosaic."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.commands import dcraw, ours, script
from benchmarks.process import PEAK
from isp.bench.race import Entrant
from isp.bench.scene import size_of
from isp.bench.table import Row, Table, number, text

TINY = 0.1  # MP: what it needs is start-up
MOSAIC = 2  # bytes per pixel
NOTE = (
    "Largest resident memory of the whole process. Beyond the mosaic: less two bytes per pixel; in the last column "
    f"also less what the same conversion of {TINY} MP needs, which is Python, libraries and compiled code."
)
COLUMNS = (
    text("what", "name"), number("s", "s", ".2f"), PEAK, number("beyond the mosaic, bytes per pixel", "beyond", ".2f"),
    number("and start-up", "beyond_start", ".2f"),
)  # fmt: skip


def tables(bench: Bench) -> Iterator[Table]:
    """Yield one table for the largest size."""
    converters: list[tuple[str, partial[Entrant]]] = [
        ("isp convert to JPEG", partial(ours, bench, suffix=".jpg", bits=8)),
        ("isp convert to PNG 8", partial(ours, bench, suffix=".png", bits=8)),
        ("isp convert to PNG 16", partial(ours, bench, suffix=".png", bits=16)),
        ("isp convert to TIFF 16", partial(ours, bench, suffix=".tif", bits=16)),
        ("rawpy LINEAR + imageio to JPEG", partial(script, bench, suffix=".jpg", bits=8)),
    ]
    if shutil.which("dcraw_emu"):
        converters.append(("dcraw_emu -q 0 to PPM", partial(dcraw, bench, quality=0, suffix=".ppm", bits=8)))
    rows = []
    for lossless in (False, True):
        large, tiny = (bench.input(size, lossless=lossless) for size in (bench.sizes[-1], TINY))
        kind = "lossless-JPEG" if lossless else "uncompressed"
        rows += [_row(bench, f"{name}, {kind}", make(source=large), make(source=tiny)) for name, make in converters]
    yield Table(f"Memory at {bench.sizes[-1]:g} MP", NOTE, COLUMNS, rows)


def _row(bench: Bench, name: str, large: Entrant, tiny: Entrant) -> Row:
    """Return the peak of one converter, less what is not the picture's."""
    height, width = size_of(bench.sizes[-1])
    row, start = (result.row() for result in bench.race(name, [large, tiny]))
    row["name"] = name
    if row.get("peak") is not None and start.get("peak") is not None:
        row["beyond"] = row["peak"] / (height * width) - MOSAIC
        row["beyond_start"] = (row["peak"] - start["peak"]) / (height * width) - MOSAIC
    return row
