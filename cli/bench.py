"""`isp bench`: how fast this machine converts."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .errors import clear_line, on_terminal, one_line_errors
from .paths import FilePath


@click.command()
@click.argument("source", type=FilePath(), required=False, metavar="[FILE]")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=20.0,
    metavar="S",
    help="How long it may take, compiling left out (default 20).",
)
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads to work with; default as isp convert.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable: seconds, ratios, every turn.")
@click.option("--headerless", metavar="WxH:CFA:DTYPE[:BLACK[:WHITE]]", help="Layout of a headerless file.")
@one_line_errors
def bench(source: Path | None, seconds: float, threads: int | None, as_json: bool, headerless: str | None) -> None:
    """Measure how fast this machine converts a raw file.

    Reading, the default chain to 8 and 16 bits, every stage, writing pictures and whole conversions, turn by turn with
    LibRaw's linear path and, where it is installed, OpenCV. Without FILE a mosaic of 12 megapixels is made up.
    """
    from isp.bench.machine import describe, facts
    from isp.bench.quick import measure
    from isp.headerless import parse_layout
    from isp.threads import VARIABLE

    if threads is not None:
        os.environ[VARIABLE] = str(threads)
    machine = facts()
    layout = None if headerless is None else parse_layout(headerless)
    if on_terminal():
        click.echo(f"{clear_line()}measuring for up to {seconds:g} s ...", err=True, nl=False)
    tables = measure(source, headerless=layout, seconds=seconds)
    click.echo(clear_line(), err=True, nl=False)
    if as_json:
        import json

        click.echo(
            json.dumps({"machine": machine, "tables": [table.plain() for table in tables]}, indent=2, allow_nan=False)
        )
        return
    click.echo("\n".join((describe(machine), *(table.markdown() for table in tables))))
