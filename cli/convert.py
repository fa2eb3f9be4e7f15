"""`isp convert`: raw files to picture files."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import clear_line, on_terminal, one_line_errors
from .options import picture_options, print_recipe, settings_of
from .paths import FilePath

if TYPE_CHECKING:
    from isp.convert import Settings
    from isp.plan import Job

EPILOG = """
\b
Examples:
  isp convert IMG_0001.NEF
  isp convert IMG_0001.NEF -o "my picture.png" --bit-depth 16 --exposure +0.5
  isp convert photos/ -d out --white-balance 5200K --denoise median:3
  isp convert IMG_0001.NEF -o light.tif --linear
  isp convert scene.raw --headerless 768x512:RGGB:uint16:600:15520
  isp convert IMG_0001.NEF --set tone.contrast=1.2 --print-recipe > mine.toml
  isp convert IMG_0001.NEF -p mine.toml
"""

_path = FilePath()


@click.command(epilog=EPILOG)
@click.argument("sources", nargs=-1, type=_path, metavar="SRC...")
@click.option("-o", "--output", type=_path, metavar="FILE", help="Picture to write; its suffix says the format.")
@click.option("-d", "--directory", type=_path, metavar="DIR", help="Folder for the pictures; made if it is not there.")
@picture_options
@click.option(
    "--threads", type=click.IntRange(1), metavar="N",
    help="Threads to work with; default ISP_NUM_THREADS, else the processors this process may use.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace pictures that exist.")
@click.option("--print-recipe", is_flag=True, help="Print the resulting recipe and convert nothing.")
@one_line_errors
def convert(sources: tuple[Path, ...], **options: Any) -> None:
    """Convert raw files to JPEG, PNG, TIFF or WebP. A folder stands for the raw files directly in it, not below it.

    Without -o and -d a picture is written beside its raw file. A file that fails is reported and the others go on; then
    the exit code is 1. Some damaged files crash LibRaw, so each of several is read in a process of its own. Nothing
    that exists is replaced without --overwrite, and a raw file never.
    """
    from isp.plan import plan
    from isp.threads import VARIABLE, thread_count

    if options["threads"] is not None:
        os.environ[VARIABLE] = str(options["threads"])
    settings = settings_of(options)
    if options["print_recipe"]:
        print_recipe(settings)
        return
    if not sources:
        raise click.UsageError("give a raw file or a folder; isp convert --help shows examples")
    thread_count()  # a wrong number in the environment is wrong for all files: say it once
    jobs = plan(sources, settings, file=options["output"], folder=options["directory"])
    if len(jobs) > 1:
        settings = dataclasses.replace(settings, isolate=True)
    failed = _convert_all(jobs, settings)
    if len(jobs) > 1:
        click.echo(f"{len(jobs) - failed} converted, {failed} failed", err=True)
    sys.exit(1 if failed else 0)


def _convert_all(jobs: list[Job], settings: Settings) -> int:
    """Convert one file after the other; return how many failed."""
    from isp.convert import prepare

    prepare(jobs[0].target, settings)
    failed, start = 0, time.perf_counter()
    for done, job in enumerate(jobs):
        count = f"[{done + 1}/{len(jobs)}] " if len(jobs) > 1 else ""
        left = (time.perf_counter() - start) / done * (len(jobs) - done) if done else 0.0
        if on_terminal():
            _show(f"{count}{job.source.name} ...{f' about {left:.0f} s left' if left >= 1 else ''}")
        failed += not _run(job, settings, count)
    return failed


def _show(progress: str) -> None:
    """Put a line on the terminal that the next one wipes; it must not wrap, for only one line is wiped."""
    from isp.errors import printable

    width = shutil.get_terminal_size().columns - 1
    click.echo(f"{clear_line()}{printable(progress)[:width]}", err=True, nl=False)


def _run(job: Job, settings: Settings, count: str) -> bool:
    """Convert one file and say so; a file's own failure is reported, the disk's ends everything."""
    from isp.convert import convert_file
    from isp.errors import IspError, StorageError, bug_line, printable

    start = time.perf_counter()
    try:
        convert_file(job.source, job.target, settings)
    except StorageError:
        raise
    except IspError as error:
        failure = str(error)
    except MemoryError:
        failure = f"{printable(job.source)}: does not fit into memory; close other programs or use a larger machine"
    except Exception as error:  # a bug; the files after this one shall not suffer from it
        failure = f"{printable(job.source)}: {bug_line(error)}"
    else:
        seconds = time.perf_counter() - start
        line = f"{printable(job.source)} -> {printable(job.target)} ({seconds:.2f} s)"
        click.echo(f"{clear_line()}{count}{line}", err=True)
        return True
    click.echo(f"{clear_line()}error: {count}{failure}", err=True)
    return False
