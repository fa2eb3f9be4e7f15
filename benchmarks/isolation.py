"""Time the reading of a file in a child process turn by turn with reading it in this one, and with clearing nothing.

    python -m benchmarks.isolation sample_raws/dc50_0008.KDC sample_raws/g2_0304.CRW photo.dng

"hashed" reads here and hashes the file, which the child does too: what isolation costs is the child's time over that.
"uncleared" reads here without `isp.fresh_memory`. One thread each; the shortest of many wall milliseconds, for a busy
machine wakes a child late; ratios are medians of those of every turn. Then the memory of this process and of the
server after so many files.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
from collections.abc import Callable
from unittest import mock

import isp
from isp.bench.race import Entrant, clocked, compared, race
from isp.isolation import forked, read_isolated

TURNS, READINGS = 41, (100, 1000)


def hashed(path: str) -> None:
    """Read a file here, and hash it."""
    with open(path, "rb") as file:
        hashlib.file_digest(file, "sha256").hexdigest()
    isp.read_raw(path)


def uncleared(path: str) -> None:
    """Read a file here into memory as it comes."""
    with mock.patch("isp.raw.fresh_memory", contextlib.nullcontext):
        isp.read_raw(path)


def measure(path: str) -> str:
    """Return a line of the table."""

    def entrant(name: str, call: Callable[[str], object], against: str | None = None) -> Entrant:
        return Entrant(name, clocked(lambda: call(path)), against)

    here, uncleaned, with_hash, child = compared(
        race(
            [
                entrant("here", isp.read_raw),
                entrant("uncleared", uncleared, "here"),
                entrant("hashed", hashed, "here"),
                entrant("child", read_isolated, "hashed"),
            ],
            TURNS,
        )
    )
    times = "".join(f"{1e3 * row['low_s']:11.1f}" for row in (here, uncleaned, with_hash, child))
    more = 1e3 * (child["low_s"] - with_hash["low_s"])
    return f"{os.path.basename(path):24}{times}{child['ratio']:15.2f}{more:+11.1f}{1 / uncleaned['ratio']:17.3f}"


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB (Linux)."""
    with open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(paths: list[str]) -> None:
    """Print a line per file, then how the memory grows."""
    logging.getLogger("isp").setLevel(logging.ERROR)
    os.environ["ISP_NUM_THREADS"] = "1"
    print(f"{'ms':24}{'here':>11}{'uncleared':>11}{'hashed':>11}{'child':>11}{'child/hashed':>15}", end="")
    print(f"{'child -':>11}{'here/uncleared':>17}")
    for path in paths:
        print(measure(path), flush=True)
    for reading in range(1, READINGS[-1] + 1):
        read_isolated(paths[0])
        if reading in READINGS:
            mine, server = resident(os.getpid()), resident(forked._running().process.pid)
            print(f"after {reading} files: {mine:.1f} MiB resident here, {server:.1f} MiB in the server")


if __name__ == "__main__":
    main(sys.argv[1:])
