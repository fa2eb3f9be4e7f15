"""`isp convert`: raw files to picture files."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import clear_line, on_terminal, one_line_errors
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
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["jpeg", "png", "tiff", "webp"]),
    help="Default jpeg, linear tiff.",
)
@click.option(
    "--white-balance",
    metavar="WHAT",
    help="as_shot (default), daylight, gray_world, white_world[:PERCENTILE], tungsten, fluorescent, cloudy, shade, "
    "flash, gains R,G,B, a temperature as 5200K, or box:X,Y,W,H: a neutral patch in pixels of the picture.",
)
@click.option(
    "--demosaic", type=click.Choice(["bilinear", "half"]), help="How colours are filled in (default bilinear)."
)
@click.option("--half", is_flag=True, help="Half size: one pixel per cell of the colour filter array.")
@click.option(
    "--denoise",
    metavar="METHOD[:..]",
    help="none (default), mean or median[:WINDOW[:mosaic]] with a window of 3, 5 or 7 pixels, or another that isp "
    "denoisers lists, as cnn or, at a strength from 0 to 1, cnn:0.7.",
)
@click.option(
    "--noise",
    metavar="SHOT,READ",
    help="Variance shot x + read on the 0..1 scale, for --denoise; default from the file, else from the image.",
)
@click.option(
    "--vignetting",
    metavar="WHAT",
    multiple=True,
    help="file (default), none, radial:K0,K1,.., natural:angle=DEG, natural:focal_length=MM,sensor_size=WxH, "
    "mechanical:onset=R,loss=SHARE, pixel:angle=DEG,exponent=N, flat:FILE. Several multiply.",
)
@click.option(
    "--exposure", type=float, metavar="STOPS", help="Brighter or darker, -20..20 stops; +1 doubles (default 0)."
)
@click.option("--auto-bright", is_flag=True, help="Scale so that 1 % of the pixels are white, as LibRaw does.")
@click.option("--tone", type=click.Choice(["camera", "none"]), help="Contrast curve (default camera).")
@click.option("--gamma", metavar="CURVE", help="srgb (default), bt709, linear, a power as 2.2, or POWER,SLOPE.")
@click.option(
    "--bit-depth", type=click.Choice(["8", "16", "32"]), help="Bits per channel: JPEG, WebP 8, PNG 8/16, TIFF 8/16/32."
)
@click.option("--linear", is_flag=True, help="No tone, linear gamma: 32-bit float TIFF (or --bit-depth 16).")
@click.option(
    "--quality", type=click.IntRange(1, 100), default=92, metavar="N", help="JPEG and WebP quality (default 92)."
)
@click.option(
    "--subsampling",
    type=click.Choice(["4:4:4", "4:2:2", "4:2:0"]),
    default="4:2:0",
    help="JPEG colour resolution (default 4:2:0).",
)
@click.option(
    "--tiff-compression",
    type=click.Choice(["none", "zstd", "deflate"]),
    default="none",
    help="Lossless compression of TIFF (default none); not every program reads zstd.",
)
@click.option(
    "--crop",
    type=click.Choice(["camera", "active", "full"]),
    default="camera",
    help="The camera's own picture (default), all that light reaches, or the masked border too.",
)
@click.option(
    "--threads", type=click.IntRange(1), metavar="N",
    help="Threads to work with; default ISP_NUM_THREADS, else the processors this process may use.",
)  # fmt: skip
@click.option("--max-pixels", type=click.IntRange(1), metavar="N", help="Refuse larger raw files (default 400000000).")
@click.option("--accept-damaged", is_flag=True, help="Convert what can be read of damaged raw files too.")
@click.option("--overwrite", is_flag=True, help="Replace pictures that exist.")
@click.option("-p", "--recipe", type=_path, metavar="TOML", help="Recipe to start from; options change its stages.")
@click.option("--set", "settings", multiple=True, metavar="STAGE.PARAM=VALUE", help="Any parameter; see isp stages.")
@click.option("--print-recipe", is_flag=True, help="Print the resulting recipe and convert nothing.")
@click.option(
    "--headerless", metavar="WxH:CFA:DTYPE[:BLACK[:WHITE]]",
    help="Layout of headerless files, e.g. 1920x1080:RGGB:uint10. A file NAME.toml beside NAME says the same.",
)  # fmt: skip
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
    settings = _settings(options)
    if options["print_recipe"]:
        _print_recipe(settings)
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


def _settings(options: dict[str, Any]) -> Settings:
    """Hand the options that were given to the library."""
    from isp.convert import Settings
    from isp.headerless import parse_layout
    from isp.image import Output
    from isp.raw import MAX_PIXELS
    from isp.recipe import build_pipeline

    layout, depth, noise = options["headerless"], options["bit_depth"], options["noise"]
    settings = (*((f"denoise.noise=[{noise}]",) if noise is not None else ()), *options["settings"])
    return Settings(
        build_pipeline(options["recipe"], _knobs(options), settings),
        options["crop"],
        None if layout is None else parse_layout(layout),
        Output(
            options["file_format"],
            None if depth is None else int(depth),
            options["quality"],
            options["subsampling"],
            options["overwrite"],
            tiff_compression=options["tiff_compression"],
        ),
        options["max_pixels"] or MAX_PIXELS,
        options["accept_damaged"],
    )


def _knobs(options: dict[str, Any]) -> dict[str, Any]:
    """Return the knobs of `default_pipeline` that were given; --half and --linear are short for others."""
    short = {"demosaic": ("half", options["half"])}
    short |= {"tone": ("none", options["linear"]), "gamma": ("linear", options["linear"])}
    knobs = {
        "white_balance": options["white_balance"],
        "demosaic": options["demosaic"],
        "denoise": options["denoise"],
        "vignetting": options["vignetting"] or None,
        "exposure": options["exposure"],
        "auto_bright": options["auto_bright"] or None,
        "tone": options["tone"],
        "gamma": options["gamma"],
    }
    for name, (value, given) in short.items():
        if given and knobs[name] not in (None, value):
            flag = "--half" if name == "demosaic" else "--linear"
            raise click.UsageError(f"{flag} means --{name} {value}; it does not go with --{name} {knobs[name]}")
        knobs[name] = value if given else knobs[name]
    return {name: value for name, value in knobs.items() if value is not None}


def _print_recipe(settings: Settings) -> None:
    """Write the recipe as UTF-8, which TOML is whatever the terminal speaks."""
    try:
        click.echo(settings.pipeline.to_toml().encode(), nl=False)
    except UnicodeEncodeError:
        raise click.UsageError("a path in the recipe is not UTF-8, which TOML cannot hold; rename the file") from None


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
    from isp.errors import IspError, StorageError, printable

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
        failure = f"{printable(job.source)}: {_bug(error)}"
    else:
        seconds = time.perf_counter() - start
        line = f"{printable(job.source)} -> {printable(job.target)} ({seconds:.2f} s)"
        click.echo(f"{clear_line()}{count}{line}", err=True)
        return True
    click.echo(f"{clear_line()}error: {count}{failure}", err=True)
    return False


def _bug(error: Exception) -> str:
    """Say in one line what is needed to find a bug of ours."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return f"a bug in isp, please report it: {type(error).__name__}: {text} ({place.filename}:{place.lineno})"
