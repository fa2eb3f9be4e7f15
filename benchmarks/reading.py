"""Time `isp.read_raw` turn by turn with LibRaw through rawpy, and say how much memory each takes.

    python -m benchmarks.reading sample_raws/g2_0304.CRW photo.dng

LibRaw's part is what rawpy users write: open, unpack, copy the mosaic. Medians of wall milliseconds in one process,
and of processor milliseconds, imports left out; peaks of a process each, in MiB above one that only imports.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import rawpy

import isp

TURNS = 9
OURS = "import isp, sys; kept = isp.read_raw(sys.argv[1], crop='full')"
THEIRS = """
import rawpy, sys
with open(sys.argv[1], "rb") as file, rawpy.imread(file) as raw:
    kept = raw.raw_image.copy()
"""
PEAK = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"


def ours(path: str) -> None:
    """Read everything that the file stores."""
    isp.read_raw(path, crop="full")


def theirs(path: str) -> None:
    """Read it as rawpy's documentation shows."""
    with open(path, "rb") as file, rawpy.imread(file) as raw:
        raw.raw_image.copy()


def measure(task: Callable[[str], None], path: str) -> tuple[float, float]:
    """Return wall and processor milliseconds."""
    wall, processor = time.perf_counter(), time.process_time()
    task(path)
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor)


def peak(program: str, path: str) -> float:
    """Return the largest resident size of a program, in MiB."""
    command = [sys.executable, "-c", program + PEAK, path]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(paths: list[str]) -> None:
    """Print a line per file."""
    bases = peak("import isp", ""), peak("import rawpy", "")
    peaks = [(peak(OURS, path) - bases[0], peak(THEIRS, path) - bases[1]) for path in paths]  # a child inherits ours
    for path, memory in zip(paths, peaks, strict=True):
        ours(path)
        turns = [(measure(ours, path), measure(theirs, path)) for _ in range(TURNS)]
        (wall, processor), (their_wall, their_processor) = (
            tuple(map(statistics.median, zip(*(turn[who] for turn in turns), strict=True))) for who in (0, 1)
        )
        print(
            f"{path}: isp {wall:.1f} ms ({processor:.1f} cpu, {memory[0]:.0f} MiB), LibRaw {their_wall:.1f} ms "
            f"({their_processor:.1f} cpu, {memory[1]:.0f} MiB), ratio {wall / their_wall:.2f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
