"""Real raw files to JPEG, as whole processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from benchmarks.bench import Bench, real_files
from benchmarks.commands import dcraw, ours, script
from benchmarks.process import COLUMNS, NOTE
from isp.bench.race import compared
from isp.bench.table import Table


def tables(bench: Bench) -> Iterator[Table]:
    """Yield one table of all files."""
    rows = []
    for path in real_files():
        entrants = [ours(bench, path, ".jpg", 8), script(bench, path, ".jpg", 8)]
        if shutil.which("dcraw_emu"):
            entrants.append(dcraw(bench, path, 0, ".ppm", 8))
        rows += [row | {"name": f"{path.name}: {row['name']}"} for row in compared(bench.race(path.name, entrants))]
    yield Table("Real raw files to JPEG", NOTE, COLUMNS, rows)
