"""`isp convert`: raw files to picture files."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import one_line_errors

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

_path = click.Path(path_type=Path)


@click.command(epilog=EPILOG)
@click.argument("sources", nargs=-1, type=_path, metavar="SRC...")
@click.option("-o", "--output", type=_path, metavar="FILE", help="Picture to write; its suffix says the format.")
@click.option("-d", "--directory", type=_path, metavar="DIR", help="Folder for the pictures; made if it is not there.")
@click.option("--format", "file_format", type=click.Choice(["jpeg", "png", "tiff"]), help="Format (default jpeg).")
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
    metavar="METHOD[:N[:mosaic]]",
    help="none (default), mean or median; window N = 3, 5 or 7 pixels.",
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
@click.option("--tone", type=click.Choice(["camera", "none"]), help="Contrast curve (default camera); none to measure.")
@click.option("--gamma", metavar="CURVE", help="srgb (default), bt709, linear, a power as 2.2, or POWER,SLOPE.")
@click.option(
    "--bit-depth", type=click.Choice(["8", "16", "32"]), help="Bits per channel: JPEG 8, PNG 8/16, TIFF 8/16/32."
)
@click.option("--linear", is_flag=True, help="Linear light: no tone, no gamma, TIFF float32 (or --bit-depth 16).")
@click.option("--quality", type=click.IntRange(1, 100), default=92, show_default=True, help="JPEG quality, 1..100.")
@click.option(
    "--subsampling",
    type=click.Choice(["4:4:4", "4:2:2", "4:2:0"]),
    default="4:2:0",
    show_default=True,
    help="JPEG colour resolution.",
)
@click.option(
    "--crop",
    type=click.Choice(["camera", "active", "full"]),
    default="camera",
    show_default=True,
    help="The camera's own picture, all that light reaches, or the masked border too.",
)
@click.option("--overwrite", is_flag=True, help="Replace pictures that exist.")
@click.option("-p", "--recipe", type=_path, metavar="TOML", help="Recipe to start from; options change its stages.")
@click.option("--set", "settings", multiple=True, metavar="STAGE.PARAM=VALUE", help="Any parameter of any stage.")
@click.option("--print-recipe", is_flag=True, help="Print the resulting recipe and convert nothing.")
@click.option(
    "--headerless", metavar="WxH:CFA:DTYPE[:BLACK[:WHITE]]",
    help="Layout of headerless files, e.g. 1920x1080:RGGB:uint10. A file NAME.toml beside NAME says the same.",
)  # fmt: skip
@one_line_errors
def convert(sources: tuple[Path, ...], **options: Any) -> None:
    """Convert raw files, or the raw files of folders, to JPEG, PNG or TIFF.

    Without -o and -d a picture is written beside its raw file. A file that fails is reported and the others go on; then
    the exit code is 1. Nothing that exists is replaced without --overwrite.
    """
    from isp.plan import plan

    settings = _settings(options)
    if options["print_recipe"]:
        click.echo(settings.pipeline.to_toml(), nl=False)
        return
    if not sources:
        raise click.UsageError("give a raw file or a folder; isp convert --help shows examples")
    jobs = plan(sources, settings, file=options["output"], folder=options["directory"])
    failed = sum(
        not _run(job, settings, f"[{n}/{len(jobs)}] " if len(jobs) > 1 else "") for n, job in enumerate(jobs, 1)
    )
    if len(jobs) > 1:
        click.echo(f"{len(jobs) - failed} converted, {failed} failed", err=True)
    sys.exit(1 if failed else 0)


def _settings(options: dict[str, Any]) -> Settings:
    """Hand the options that were given to the library."""
    from isp.convert import Output, Settings
    from isp.headerless import parse_layout
    from isp.recipe import build_pipeline

    if options["half"] and options["demosaic"] not in (None, "half"):
        raise click.UsageError("--half is --demosaic half; give one of them")
    knobs = {
        "white_balance": options["white_balance"],
        "demosaic": "half" if options["half"] else options["demosaic"],
        "denoise": options["denoise"],
        "vignetting": options["vignetting"] or None,
        "exposure": options["exposure"],
        "auto_bright": options["auto_bright"] or None,
        "tone": options["tone"] or ("none" if options["linear"] else None),
        "gamma": options["gamma"] or ("linear" if options["linear"] else None),
    }
    given = {name: value for name, value in knobs.items() if value is not None}
    return Settings(
        build_pipeline(options["recipe"], given, options["settings"]),
        options["crop"],
        parse_layout(options["headerless"]) if options["headerless"] else None,
        Output(
            options["file_format"] or ("tiff" if options["linear"] and not options["output"] else None),
            int(options["bit_depth"]) if options["bit_depth"] else None,
            options["quality"],
            options["subsampling"],
            options["overwrite"],
        ),
    )


def _run(job: Job, settings: Settings, progress: str) -> bool:
    """Convert one file and say so; a file's own failure is reported, the disk's ends everything."""
    from isp.convert import convert_file
    from isp.errors import IspError, StorageError

    start = time.perf_counter()
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    if clear:
        click.echo(f"{clear}{progress}{job.source.name} ...", err=True, nl=False)
    try:
        convert_file(job.source, job.target, settings)
    except StorageError:
        raise
    except IspError as error:
        click.echo(f"{clear}error: {progress}{error}", err=True)
        return False
    seconds = time.perf_counter() - start
    click.echo(f"{clear}{progress}{job.source} -> {job.target} ({seconds:.2f} s)", err=True)
    return True
