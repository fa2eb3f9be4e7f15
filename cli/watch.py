"""`isp watch`: converts what arrives in folders."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .batch import batch_options, engine_of, options_of
from .errors import one_line_errors
from .options import settings_of
from .paths import FilePath
from .progress import Progress

if TYPE_CHECKING:
    from isp.batch import Options, Survey
    from isp.convert import Settings

EPILOG = """
\b
Examples:
  isp watch card/ -o pictures
  isp watch /mnt/studio -o pictures --settle 10 --denoise cnn
  isp batch card/ -o pictures --report report.html   what came of all of them

It is an isp batch that does not end: what one has done, the other does not
do again. Ctrl-C ends it.
"""


@click.command(epilog=EPILOG)
@click.argument("folders", nargs=-1, required=True, type=FilePath(), metavar="DIR...")
@batch_options
@click.option(
    "--interval", type=click.FloatRange(0.1), default=2.0, metavar="S", help="Seconds between two looks (default 2)."
)
@click.option(
    "--settle", type=click.FloatRange(0), default=2.0, metavar="S",
    help="Seconds that a file must not have changed before it is taken (default 2).",
)  # fmt: skip
@one_line_errors
def watch(folders: tuple[Path, ...], interval: float, settle: float, **options: Any) -> None:
    """Convert the raw files in folders, and in all folders below them, and go on with those that arrive.

    A file is taken when it has stopped growing, and again when it changes. The folders are looked at again and again,
    which works for those of other machines too.
    """
    from isp.batch.sources import find
    from isp.batch.watch import settled
    from isp.errors import printable

    for folder in folders:
        if not folder.is_dir():
            raise click.UsageError(f"{printable(folder)} is not a folder that can be watched")
    settings, rest, out = settings_of(options), options_of(options), options["output"]
    choice = rest.choice._replace(headerless=settings.headerless is not None)

    def files() -> list[Path]:
        return [found.path for found in find(folders, choice, out=out)]

    with Progress(None, quiet=options["quiet"]) as progress:
        for ready in settled(files, interval=interval, settle=settle):
            surveyed = _survey(folders, out, settings, rest, interval)
            _convert(surveyed, set(ready), options, progress)


def _survey(folders: tuple[Path, ...], out: Path, settings: Settings, options: Options, interval: float) -> Survey:
    """Plan the names of all files, those that still grow too; wait while a folder cannot be read."""
    from isp.batch import survey
    from isp.errors import RawError

    while True:
        try:
            return survey(folders, out, settings, options)
        except RawError:
            time.sleep(interval)


def _convert(surveyed: Survey, ready: set[Path], options: dict[str, Any], progress: Progress) -> None:
    """Convert those of a survey that are ready."""
    from isp.batch.run import work

    decisions = {item: decision for item, decision in surveyed.decisions.items() if item.source in ready}
    narrowed = dataclasses.replace(surveyed, decisions=decisions, strays=())
    for result in work(narrowed, join=options["join"], engine=engine_of(options)):
        progress.add(result)
