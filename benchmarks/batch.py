"""Whole folders: the batch beside one file after the other, beside a script, beside RawTherapee, and its memory.

``python -m benchmarks.batch FOLDER`` prints the tables. The real raws below FOLDER are repeated under many names.
"""

from __future__ import annotations

import itertools
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from benchmarks.commands import with_bytecode
from isp.bench.race import Entrant, Sample, compared, race
from isp.bench.table import AGAINST_OURS, SECONDS, TURNS, WORK, Table, number, text
from isp.errors import IspError
from isp.isolation import read_isolated
from isp.plan import raw_files
from isp.threads import processors

OURS = "isp batch"
SERIAL = """
import sys, isp.convert, isp.image
settings = isp.convert.Settings(output=isp.image.Output("jpeg"))
for line in open(sys.argv[1]):
    source, target = line.rstrip("\\n").split("\\t")
    isp.convert.convert_file(source, target, settings)
"""
IN_PROCESS = """
import sys, hashlib, time
import isp.batch, isp.batch.process
from isp.batch.process import read_isolated
from isp.isolation import Reading
from isp.raw import read_raw

def read_here(source, *, crop, max_pixels, **_others):
    start = time.perf_counter()
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Reading(read_raw(source, crop=crop, max_pixels=max_pixels), digest, (), (), time.perf_counter() - start)

isp.batch.process.read_isolated = read_here
assert all(result.status == "done" for result in isp.batch.run([sys.argv[1]], sys.argv[2]))
"""
SPAWN = """
import sys, multiprocessing, rawpy, imageio.v3

def convert(pair):
    with rawpy.imread(pair[0]) as raw:
        picture = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR, use_camera_wb=True, no_auto_bright=True,
            adjust_maximum_thr=0.0, gamma=(2.4, 12.92),
        )
    imageio.v3.imwrite(pair[1], picture, quality=92)

if __name__ == "__main__":
    pairs = [line.rstrip("\\n").split("\\t") for line in open(sys.argv[1])]
    with multiprocessing.get_context("spawn").Pool() as pool:
        for _ in pool.imap_unordered(convert, pairs):
            pass
"""
SIDE_BY_SIDE = 'python=$1 code=$2; shift 2; for pairs; do "$python" -c "$code" "$pairs" & done; wait'
NOTE = (
    "Real raws, each under many names, to JPEG of quality 92. Isolation: a child decodes every file. "
    "Times of whole processes, turn by turn; ratios to isp batch. Side by side, one thread for every processor, and "
    "nothing isolated, hashed or kept: no batch can be faster on this machine."
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--files", type=click.IntRange(1), default=200, show_default=True)
@click.option("--turns", type=click.IntRange(1), default=3, show_default=True)
@click.option("--small", type=click.IntRange(10), default=5000, show_default=True, help="Files of the test of memory.")
def main(folder: Path, files: int, turns: int, small: int) -> None:
    """Print how fast folders of real raws are converted, and whether memory stays flat."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_good(path)]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        raws = copies(found, scratch / "raws", files)
        megabytes = sum(path.stat().st_size for path in raws) / 1e6
        click.echo(f"{files} files ({len(found)} different, {megabytes:.0f} MB), {processors()} processors\n")
        click.echo(speed(raws, scratch, turns).markdown())
        if shutil.which("rawtherapee-cli"):
            click.echo(beside_rawtherapee(found, scratch).markdown())
        click.echo(memory(min(found, key=lambda path: path.stat().st_size), scratch, small).markdown())


def _is_good(path: Path) -> bool:
    """Whether a file is a mosaic that everybody converts; in a process of its own, for some files kill LibRaw."""
    try:
        known = path in raw_files(path.parent, headerless=False) and not path.with_name(path.name + ".toml").exists()
        return known and not read_isolated(path).frame.meta.demosaiced
    except IspError:
        return False


def copies(found: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """Return links to files, under as many names as asked for."""
    folder.mkdir()
    made = []
    for number_, source in zip(range(count), itertools.cycle(found), strict=False):
        copy = folder / f"{number_:05d}{source.suffix}"
        shutil.copyfile(source, copy)
        made.append(copy)
    return made


def speed(raws: Sequence[Path], scratch: Path, turns: int) -> Table:
    """Return the table of a race."""
    out = scratch / "out"
    pairs = scratch / "pairs"
    pairs.write_text("".join(f"{raw}\t{out / raw.stem}.jpg\n" for raw in raws))
    lines, shares = pairs.read_text().splitlines(keepends=True), []
    for number_ in range(processors()):
        shares.append(scratch / f"pairs{number_}")
        shares[-1].write_text("".join(lines[number_ :: processors()]))
    (scratch / "spawn.py").write_text(SPAWN)
    python, source = sys.executable, str(raws[0].parent)
    alone = ["env", "ISP_NUM_THREADS=1"]

    def entrant(name: str, words: list[str], against: str | None = OURS) -> Entrant:
        return Entrant(name, whole(words, out, len(raws)), against)

    entrants = [
        entrant(OURS, [python, "-m", "isp_cli.main", "batch", source, "-o", str(out), "-q"], None),
        entrant("isp batch without isolation", [python, "-c", IN_PROCESS, source, str(out)]),
        entrant("isp.convert_file, one after the other", [python, "-c", SERIAL, str(pairs)]),
        entrant("the same with one thread", [*alone, python, "-c", SERIAL, str(pairs)]),
        entrant("that side by side", [*alone, "sh", "-c", SIDE_BY_SIDE, "sh", python, SERIAL, *map(str, shares)]),
        entrant("rawpy LINEAR + imageio, spawned pool", [python, str(scratch / "spawn.py"), str(pairs)]),
    ]
    rows = compared(race(entrants, turns))
    for row in rows:
        if "s" in row:
            row["files/s"] = len(raws) / row["s"]
    columns = (
        text("what", "name"), *SECONDS, number("CPU s", "cpu", ".2f"), number("files/s", "files/s", ".1f"),
        *AGAINST_OURS, TURNS,
    )  # fmt: skip
    return Table(f"{len(raws)} files", NOTE, columns, rows)


def beside_rawtherapee(found: Sequence[Path], scratch: Path) -> Table:
    """Return the table of a race with RawTherapee, on one copy of every file that it reads."""
    out, tried, known = scratch / "out", scratch / "tried", scratch / "known"
    shutil.rmtree(out)
    out.mkdir()

    def words(folder: Path) -> list[str]:
        return ["rawtherapee-cli", "-q", "-Y", "-j92", "-o", str(out), "-c", str(folder)]

    tries = copies(found, tried, len(found))
    subprocess.run(words(tried), check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    made = {path.stem for path in out.iterdir()}
    raws = copies([path for path in tries if path.stem in made], known, len(made))
    ours = [sys.executable, "-m", "isp_cli.main", "batch", str(known), "-o", str(out), "-q"]
    theirs = Entrant("rawtherapee-cli", whole(words(known), out, len(raws)), OURS, "unequal: its own, heavier chain")
    rows = compared(race([Entrant(OURS, whole(ours, out, len(raws))), theirs], 1))
    columns = (text("what", "name"), *SECONDS, *AGAINST_OURS, TURNS, *WORK)
    return Table(f"RawTherapee, {len(raws)} files", NOTE, columns, rows)


def whole(words: list[str], out: Path, count: int) -> Callable[[], Sample]:
    """Return a run of a command that must fill a folder with so many pictures."""

    def run() -> Sample:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        nowhere = subprocess.DEVNULL
        subprocess.run(words, check=False, env=with_bytecode(), stdout=nowhere, stderr=nowhere)  # the count tells
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        made = sum(path.is_file() for path in out.iterdir())
        if made != count:
            raise RuntimeError(f"{words[0]} wrote {made} pictures of {count}")
        return Sample(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    return run


def memory(source: Path, scratch: Path, count: int) -> Table:
    """Return how the resident memory of a batch of small files grows."""
    raws, out = scratch / "small", scratch / "small-out"
    raws.mkdir()
    first = raws / f"00000{source.suffix}"
    shutil.copyfile(source, first)
    for number_ in range(1, count):
        shutil.copyfile(first, raws / f"{number_:05d}{source.suffix}")
    words = [sys.executable, "-c", MEMORY, str(raws), str(out)]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [{"name": name, "mib": float(value)} for name, value in (line.split("\t") for line in lines)]
    least = float(str(rows[0]["mib"]))
    rows = [row | {"over": float(str(row["mib"])) / least - 1} for row in rows]
    columns = (text("after", "name"), number("resident MiB", "mib", ".1f"), number("over the first", "over", "+.1%"))
    return Table(
        f"Memory, {count} files of {source.stat().st_size / 1e3:.0f} kB", "The batch's own process.", columns, rows
    )


MEMORY = """
import sys, isp.batch
from isp.batch import Choice, Options

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))

for number, result in enumerate(isp.batch.run([sys.argv[1]], sys.argv[2]), 1):
    assert result.status == "done", result
    if number in (10, 100, 500, 1000, 2000, 5000):
        print(f"{number} files\\t{resident():.1f}", flush=True)
"""

if __name__ == "__main__":
    main()
