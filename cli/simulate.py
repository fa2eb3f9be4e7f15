"""`isp simulate`: a raw file of a known scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .errors import one_line_errors
from .paths import FilePath

EPILOG = """
\b
Examples:
  isp simulate color_checker -o checker.dng --sensor phone --iso 3200
  isp simulate photo.png -o dim.dng --exposure -2 --truth dim.tif
  isp simulate flat -o flat.dng --vignetting natural:angle=30 --gain-map
  isp simulate text -o text.dng --cfa X-TRANS --illuminant 3200K --seed 7
  isp simulate star_field -o dark.dng --time 30 --temperature 35
  isp simulate --list
"""

_path = FilePath()


def _list(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print the charts and sensors and leave."""
    if not wanted or context.resilient_parsing:
        return
    from isp.charts import CHARTS
    from isp.sensor import PRESETS

    click.echo("Charts")
    for name, chart in CHARTS.items():
        click.echo(f"  {name:15} {(chart.__doc__ or '').splitlines()[0].removeprefix('Return ')}")
    click.echo("\nSensors, at ISO 100")
    for name, sensor in PRESETS.items():
        white, dark = sensor.white_electrons(100), sensor.dark_current
        read = sensor.read_electrons(100)
        click.echo(
            f"  {name:15} {sensor.pitch:g} µm, {sensor.bits} bits, white {white:.0f} e-, {sensor.gain(100):.3f} DN/e-, "
            f"read noise {read:.1f} e-, dark current {dark:g} e-/s"
        )
    context.exit()


@click.command(epilog=EPILOG)
@click.argument("scene", type=_path, metavar="SCENE")
@click.option("-o", "--output", type=_path, metavar="FILE", required=True, help="DNG to write.")
@click.option("--sensor", default="apsc", metavar="NAME", help="phone, apsc (default) or fullframe.")
@click.option("--iso", type=float, default=100.0, metavar="S", help="ISO speed, 100..25600 (default 100).")
@click.option(
    "--exposure", type=float, default=0.0, metavar="STOPS",
    help="-20..20 stops over the exposure at which white just saturates green, 78 / ISO lux seconds (default 0).",
)  # fmt: skip
@click.option(
    "--illuminant", default="D65", metavar="LIGHT",
    help="D65 (default), D50, D55, D75, A, E, or a temperature of 1000K..25000K.",
)  # fmt: skip
@click.option(
    "--vignetting", multiple=True, metavar="WHAT",
    help="What the lens takes, as isp convert would undo it: natural:angle=DEG, mechanical:onset=R,loss=SHARE, "
    "radial:K0,K1,.., pixel:angle=DEG,exponent=N. Several multiply.",
)  # fmt: skip
@click.option("--gain-map", is_flag=True, help="Write what undoes the vignetting as a GainMap into the DNG.")
@click.option("--cfa", metavar="PATTERN", help="RGGB (default), GRBG, GBRG, BGGR, X-TRANS, MONO, or 36 letters.")
@click.option("--temperature", type=float, default=20.0, metavar="C", help="Of the sensor, -100..100 °C (default 20).")
@click.option("--time", type=float, default=0.01, metavar="S", help="Seconds of dark current (default 0.01).")
@click.option("--orientation", type=click.IntRange(1, 8), default=1, metavar="N", help="EXIF orientation to state.")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Of the noise (default 0).")
@click.option("--size", metavar="WxH", help="Pixels of a chart (default 1536x1024); of a picture, its middle.")
@click.option("--truth", type=_path, metavar="FILE", help="TIFF for the scene's linear light, 32 bits.")
@click.option("--lossless", is_flag=True, help="Compress the DNG (lossless JPEG).")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List charts and sensors."
)
@one_line_errors
def simulate(scene: Path, output: Path, **options: Any) -> None:
    """Make a raw file of a known scene: a DNG as a sensor would have taken it, with its noise.

    SCENE is a picture (PNG, JPEG, TIFF; sRGB, or linear if it holds floats) or the name of a chart. The same options
    and seed give the same bytes.
    """
    import dataclasses

    from isp.capture import Shot
    from isp.cfa import parse_cfa
    from isp.sensor import preset
    from isp.simulate import simulate_file
    from isp.stages import Vignetting

    sensor = preset(options["sensor"])
    if options["cfa"] is not None:
        sensor = dataclasses.replace(sensor, cfa=parse_cfa(options["cfa"].upper(), "simulate"))
    shot = Shot(
        options["iso"],
        options["exposure"],
        options["illuminant"],
        tuple(map(Vignetting.parse, options["vignetting"])),
        options["gain_map"],
        options["temperature"],
        options["time"],
        options["orientation"],
        options["seed"],
    )
    simulate_file(
        scene,
        output,
        sensor,
        shot,
        size=_size(options["size"]),
        truth=options["truth"],
        lossless=options["lossless"],
        overwrite=options["overwrite"],
    )


def _size(text: str | None) -> tuple[int, int] | None:
    """Return height and width of ``WxH``."""
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise click.UsageError(f"--size {text!r} is not understood; give WIDTHxHEIGHT in pixels, as 1536x1024")
    return int(height), int(width)
