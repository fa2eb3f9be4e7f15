"""The benchmark's command line; the libraries are imported once the number of threads is known."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from isp.bench.table import Table

SECTIONS = ("chain", "filters", "stages", "scaling", "bandwidth", "accuracy", "process", "real", "memory")
PACKAGES = ("rawpy", "imageio", "opencv-python-headless", "opencv-python", "colour-demosaicing")
QUICK_SIZES, QUICK_TURNS = (4.0,), 3


def megapixels(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[float, ...]:
    """Read sizes with commas between them."""
    try:
        sizes = tuple(sorted({float(word) for word in value.split(",")}))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not understood; give megapixels as 4,12,24") from None
    if not all(0.1 <= size <= 1000 for size in sizes):
        raise click.BadParameter(f"{value!r}: give 0.1 to 1000 megapixels")
    return sizes


_folder = click.Path(file_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--sizes", default="4,12,24,61,150", callback=megapixels, metavar="MP,MP..", show_default=True,
    help="Megapixels of the synthetic inputs. Slow peers take part up to 24, memory is measured at the largest.",
)  # fmt: skip
@click.option("--turns", type=click.IntRange(1), default=7, show_default=True, help="Runs that count, of each entrant.")
@click.option(
    "--limit", type=click.FloatRange(0, min_open=True), default=15.0, show_default=True, metavar="S",
    help="Seconds for one entrant's turns: a slow one gets fewer, but three.",
)  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(1), metavar="N",
    help="For us and every peer that has threads; default the processors this process may use.",
)  # fmt: skip
@click.option("--only", multiple=True, type=click.Choice(SECTIONS), help="One section; may be repeated. Default all.")
@click.option("--quick", is_flag=True, help="4 MP and 3 turns: whether everything runs, not how fast.")
@click.option("--inputs", type=_folder, help="Keep the synthetic inputs here for another run (1 GB for all sizes).")
@click.option("--out", type=_folder, help="Write benchmark.md and benchmark.json into this folder.")
def main(
    sizes: tuple[float, ...],
    turns: int,
    limit: float,
    threads: int | None,
    only: tuple[str, ...],
    quick: bool,
    inputs: Path | None,
    out: Path | None,
) -> None:
    """Measure isp beside every peer that is installed, turn by turn in one run.

    The tables go to stdout as they come, progress to stderr. The inputs are made here: DNGs of a real photograph,
    repeated in mirrors, with the noise of a 14-bit sensor, uncompressed and as lossless-JPEG tiles; the real raws at
    hand are converted too. Compare ratios of one run, never times of two: machines drift.
    """
    if threads is not None:
        os.environ["ISP_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)  # before LibRaw is loaded
    from benchmarks.bench import Bench
    from isp.bench.machine import describe, facts, load
    from isp.threads import thread_count

    os.environ["ISP_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(thread_count())  # for processes of their own
    logging.getLogger("isp").setLevel(logging.ERROR)  # a doubt about a file, at every turn
    with tempfile.TemporaryDirectory() as scratch, _folder_of(inputs) as made:
        bench = Bench(
            QUICK_SIZES if quick else sizes, QUICK_TURNS if quick else turns, limit, thread_count(), made, Path(scratch)
        )
        machine, peers = facts(), _peers()
        lines = [f"# isp beside its peers\n\n{describe(machine)}\n\n{_listed(peers)}\n"]
        click.echo(lines[0])
        tables = []
        for section in only or SECTIONS:
            for table in _tables(section, bench):
                tables.append(table.plain() | {"section": section})
                lines.append(table.markdown())
                click.echo(lines[-1])
        machine["load at the end"] = load()
        lines.append(f"Load average at the end: {machine['load at the end']}.\n")
        click.echo(lines[-1])
    if out is not None:
        _write(out, "\n".join(lines), {"machine": machine, "peers": peers, "tables": tables})


def _tables(section: str, bench: Bench) -> Iterator[Table]:
    """Yield a section's tables; one that fails is a table that says so, for the others shall not be lost."""
    try:
        yield from importlib.import_module(f"benchmarks.{section}").tables(bench)
    except Exception as error:
        from isp.bench.table import Table, text

        reason = f"{type(error).__name__}: {error}"
        yield Table(section, "", (text("what", "name"), text("", "")), [{"name": "all of it", "failed": reason}])


@contextlib.contextmanager
def _folder_of(inputs: Path | None) -> Iterator[Path]:
    """Give a folder that stays, or a temporary one."""
    if inputs is not None:
        inputs.mkdir(parents=True, exist_ok=True)
        yield inputs
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _peers() -> dict[str, str | None]:
    """Return every peer's version; None for one that is missing."""
    from benchmarks.commands import programs
    from isp.bench.machine import installed

    return {name: installed(name) for name in PACKAGES} | programs()


def _listed(peers: dict[str, str | None]) -> str:
    there = ", ".join(f"{name} ({version})" for name, version in peers.items() if version)
    missing = ", ".join(name for name, version in peers.items() if not version)
    return f"Peers: {there}. Not installed: {missing or 'none'}."


def _write(folder: Path, markdown: str, values: dict[str, Any]) -> None:
    """Write both files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("benchmark.md", markdown),
        ("benchmark.json", json.dumps(values, indent=1, allow_nan=False)),
    ):
        part = folder / f"{name}.part"
        part.write_text(content, "utf-8")
        part.replace(folder / name)


if __name__ == "__main__":
    main()
