"""How much of this machine's memory bandwidth the chain uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

import isp
from benchmarks.bench import Bench
from isp.bench.race import Entrant, clocked
from isp.bench.table import MILLISECONDS, TURNS, Table, number, text

COPIED = 512 * 2**20  # bytes: more than caches hold
TRAFFIC = {8: 2 + 3, 16: 2 + 6}  # bytes per pixel that must be read and written, whatever the program
NOTE = (
    f"The limit is a copy of {COPIED >> 20} MiB by NumPy, one part per thread, counted as bytes read and bytes written "
    "without what the processor reads before it writes. The chain's bytes are the least that it can move: 2 read and 3 "
    "(16 bits: 6) written per pixel, into a new array, as everywhere here."
)


def tables(bench: Bench) -> Iterator[Table]:
    """Yield one table: the copy, and the chain at every size."""
    source, target = np.ones(COPIED, np.uint8), np.ones(COPIED, np.uint8)
    edges = [COPIED * part // bench.threads for part in range(bench.threads + 1)]

    with ThreadPoolExecutor(bench.threads) as pool:

        def copy() -> None:
            parts = [slice(*pair) for pair in itertools.pairwise(edges)]
            list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))

        entrants, moved = [Entrant("copy", clocked(copy))], [2 * COPIED]
        for megapixels in bench.sizes:
            frame = bench.frame(megapixels)
            for depth, traffic in TRAFFIC.items():
                name = f"chain to {depth} bits, {megapixels:g} MP"
                run = clocked(partial(isp.default_pipeline().render, frame, depth))
                entrants.append(Entrant(name, run))
                moved.append(traffic * frame.data.size)
        rows = [result.row() for result in bench.race("bandwidth", entrants)]
    for row, size in zip(rows, moved, strict=True):
        if "s" in row:
            row["bytes_per_s"] = size / row["s"]
            row["of_copy"] = row["bytes_per_s"] / rows[0]["bytes_per_s"]
    columns = (
        text("what", "name"), *MILLISECONDS, number("GB/s", "bytes_per_s", ".2f", 1e-9),
        number("of the copy, %", "of_copy", ".1f", 100), TURNS,
    )  # fmt: skip
    yield Table(f"Memory bandwidth, {bench.threads} threads", NOTE, columns, rows)
