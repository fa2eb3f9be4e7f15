"""`isp batch`: folders of raw files to pictures."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .errors import one_line_errors
from .options import picture_options, print_recipe, settings_of
from .paths import FilePath

if TYPE_CHECKING:
    from isp.batch import Options, Survey
    from isp.batch.engine import Engine
    from isp.batch.item import Result

EPILOG = """
\b
Examples:
  isp batch photos/ -o pictures
  isp batch photos/ -o pictures                      again: only what is new
  isp batch photos/ -o pictures --exposure +0.5      the recipe changed: all
  isp batch photos/ -o pictures --dry-run            what would be done, why
  isp batch "card/**/*.NEF" -o pictures --format tiff --report report.html
  find . -name "*.CR2" -print0 | isp batch --from-file - -o pictures
  isp batch photos/ -o pictures --retry-failed --accept-damaged
  isp batch photos/ -o pictures --scheduler tcp://host:8786

A picture is done if its receipt, in pictures/.isp/receipts, tells of the same
raw file, recipe, format and versions, and the picture is there. So a batch that
was stopped, by whatever, goes on when the same command is given again.

Exit codes: 0 all done, 1 some files failed, are damaged or blocked, 2 wrong
usage, 3 environment (disk full, read-only, folder in use), 130 and 143 stopped.
"""

Command = TypeVar("Command", bound=Callable[..., Any])

_path = FilePath()
_MEGABYTE = 1 << 20
_TIME = "%Y-%m-%d %H:%M:%S"
_TROUBLES = ("failed", "damaged", "blocked")

_OPTIONS = (
    click.option("-o", "--output", type=_path, required=True, metavar="DIR", help="Folder for the pictures."),
    picture_options,
    click.option("--include", multiple=True, metavar="PATTERN", help="Only such files of folders, as *.NEF or 2024/*."),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="Not such files or folders."),
    click.option("--follow", is_flag=True, help="Follow symbolic links, each once."),
    click.option("--overwrite", is_flag=True, help="Replace files that the batch did not make."),
    click.option("--retry-failed", is_flag=True, help="Try again what failed or was damaged."),
    click.option("--verify", is_flag=True, help="Compare the hashes of pictures that are there, not only their sizes."),
    click.option("--checksum", is_flag=True, help="Compare the hashes of raw files, whatever their times say."),
    click.option(
        "--keep-version", is_flag=True, help="Leave pictures that another version of isp, LibRaw or an encoder made."
    ),
    click.option(
        "-j", "--jobs", type=click.IntRange(1), metavar="N",
        help="Files at a time; default ISP_NUM_THREADS, else the processors that this process may use. Fewer where "
        "memory does not allow more.",
    ),
    click.option(
        "--memory", type=click.IntRange(1), metavar="MB", help="For all files at a time; default 70 % of what is free."
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Work on a dask cluster, as tcp://host:8786 (isp[cluster])."),
    click.option("--scheduler-file", type=_path, metavar="FILE", help="The same, by the file that it wrote."),
    click.option(
        "--map-root", "roots", multiple=True, metavar="LOCAL=REMOTE",
        help="A folder as it is called here and on the workers, if that is not the same; repeatable.",
    ),
    click.option("--join", is_flag=True, help="Work along with another isp batch on the same folder."),
    click.option("-q", "--quiet", is_flag=True, help="Print failures alone."),
)  # fmt: skip


def batch_options(command: Command) -> Command:
    """Give a command the options that `run_batch` reads (decorator)."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(epilog=EPILOG)
@click.argument("sources", nargs=-1, type=_path, metavar="SRC...")
@batch_options
@click.option(
    "--from-file", type=_path, metavar="LIST", help="Paths, one per line or ended by NUL; - reads them from stdin."
)
@click.option(
    "--report", "reports", type=_path, multiple=True, metavar="FILE",
    help="Write what was done to FILE.json or, to look at, FILE.html; may be given twice.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be done and why; write nothing.")
@click.option("--print-recipe", is_flag=True, help="Print the resulting recipe and convert nothing.")
@one_line_errors
def batch(sources: tuple[Path, ...], from_file: Path | None, dry_run: bool, **options: Any) -> None:
    """Convert folders, with all folders below them, into a like tree of pictures.

    Sources are folders, raw files, or quoted patterns. What was done before is not done again unless the raw file, the
    recipe, the format or a version changed. Every file is decoded in a process of its own, so that none can stop the
    others; one that fails is named, and tried again when it changes or with --retry-failed. Nothing that the batch did
    not make is replaced without --overwrite.
    """
    from isp.batch.sources import listed

    if options["print_recipe"]:
        print_recipe(settings_of(options))
        return
    if from_file is not None:
        sources = (*sources, *listed(from_file))
    if not sources:
        raise click.UsageError("give a folder, raw files or --from-file; isp batch --help shows examples")
    sys.exit(run_batch(sources, options, dry_run=dry_run))


def run_batch(sources: tuple[Path, ...], options: dict[str, Any], *, dry_run: bool = False) -> int:
    """Do what the options of a batch say; return the exit code."""
    import logging

    from isp.batch import survey
    from isp.batch.report import check_report
    from isp.batch.run import work

    if options["quiet"]:
        logging.getLogger("isp.jit").setLevel(logging.WARNING)  # or it says that it compiles
    for report in options["reports"]:
        check_report(report)
    surveyed = survey(sources, options["output"], settings_of(options), options_of(options))
    if dry_run:
        _tell(surveyed)
        return 0
    engine = engine_of(options)
    return _shown(work(surveyed, join=options["join"], engine=engine), surveyed, sources, options)


def options_of(options: dict[str, Any]) -> Options:
    """Hand the options of a batch to the library."""
    from isp.batch import Choice, Options, Rules

    return Options(
        Choice(options["include"], options["exclude"], options["follow"]),
        Rules(**{name: options[name] for name in Rules._fields}),
        options["join"],
    )


def engine_of(options: dict[str, Any]) -> Engine:
    """Return who is to do the work."""
    if options["scheduler"] or options["scheduler_file"]:
        from isp.batch.cluster import Cluster, parse_root

        if options["jobs"] or options["memory"]:
            raise click.UsageError("--jobs and --memory are for this machine; leave them out")
        return Cluster(options["scheduler"], options["scheduler_file"], tuple(map(parse_root, options["roots"])))
    if options["roots"]:
        raise click.UsageError("--map-root is for clusters; give --scheduler or --scheduler-file")
    from isp.batch.local import Local

    return Local(options["jobs"], options["memory"] and options["memory"] * _MEGABYTE)


def _tell(surveyed: Survey) -> None:
    """Say what would be done, and why: counts first, then every file on which there is work or trouble."""
    from isp.errors import printable

    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in surveyed.reasons().most_common())
    kept = sum(decision.status == "skipped" for decision in surveyed.decisions.values())
    click.echo(f"{len(surveyed.todo):,} to do{f' ({reasons})' if reasons else ''}, {kept:,} done or failed before")
    for item, decision in surveyed.decisions.items():
        if decision.status != "skipped" or decision.outcome != "skipped":
            click.echo(f"{decision.reason}: {printable(item.source)} -> {printable(item.target)}")
    for stray in surveyed.strays:
        click.echo(f"of no raw file any more: {printable(surveyed.order.out / stray)}")


def _shown(results: Generator[Result], surveyed: Survey, sources: tuple[Path, ...], options: dict[str, Any]) -> int:
    """Show results as they come, report them even if the run is stopped, and return the exit code."""
    from isp.errors import printable

    from .progress import Progress

    kept: list[Result] = []  # only for a report: thousands of thumbnails take memory
    began, start, stopped, trouble = time.strftime(_TIME), time.monotonic(), "", False
    try:
        with Progress(len(surveyed.decisions), quiet=options["quiet"]) as progress:
            for result in results:
                progress.add(result)
                trouble |= result.status in _TROUBLES
                if options["reports"]:
                    kept.append(result)
    except BaseException as error:
        stopped = str(error) if isinstance(error, Exception) else "stopped by the user or the system"
        raise
    finally:
        results.close()
        if options["reports"]:
            _report(kept, surveyed, sources, options, (began, time.monotonic() - start, stopped))
    for stray in surveyed.strays if not options["quiet"] else ():
        click.echo(f"warning: {printable(surveyed.order.out / stray)}: no raw file stands for it any more", err=True)
    return int(trouble)


def _report(
    results: list[Result], surveyed: Survey, sources: tuple[Path, ...], options: dict[str, Any],
    times: tuple[str, float, str],
) -> None:  # fmt: skip
    """Write the reports that were asked for."""
    from importlib.metadata import version  # slow, and no other command needs it

    from isp.batch.report import Run, write_report

    order = surveyed.order
    output = order.settings.output._replace(file_format=order.file_format)._asdict()
    del output["overwrite"]  # no picture differs by it
    began, seconds, stopped = times
    run = Run(
        sources, order.out, order.settings.pipeline.to_toml(),
        {name.replace("_", " "): str(value) for name, value in output.items() if value is not None},
        {"isp": version("isp")} | order.wanted.versions, began, time.strftime(_TIME), seconds,
        len(surveyed.decisions), stopped,
    )  # fmt: skip
    for report in options["reports"]:
        write_report(results, run, report)
