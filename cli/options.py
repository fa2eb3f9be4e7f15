"""Options that say how a raw file becomes a picture: the same for one file and for a folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .paths import FilePath

if TYPE_CHECKING:
    from isp.convert import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_path = FilePath()

_OPTIONS = (
    click.option(
        "--format",
        "file_format",
        type=click.Choice(["jpeg", "png", "tiff", "webp"]),
        help="Default jpeg, linear tiff.",
    ),
    click.option(
        "--white-balance",
        metavar="WHAT",
        help="as_shot (default), daylight, gray_world, white_world[:PERCENTILE], tungsten, fluorescent, cloudy, shade, "
        "flash, gains R,G,B, a temperature as 5200K, or box:X,Y,W,H: a neutral patch in pixels of the picture.",
    ),
    click.option(
        "--demosaic", type=click.Choice(["bilinear", "half"]), help="How colours are filled in (default bilinear)."
    ),
    click.option("--half", is_flag=True, help="Half size: one pixel per cell of the colour filter array."),
    click.option(
        "--denoise",
        metavar="METHOD[:..]",
        help="none (default), mean or median[:WINDOW[:mosaic]] with a window of 3, 5 or 7 pixels, or another that isp "
        "denoisers lists, as cnn or, at a strength from 0 to 1, cnn:0.7.",
    ),
    click.option(
        "--noise",
        metavar="SHOT,READ",
        help="Variance shot x + read on the 0..1 scale, for --denoise; default from the file, else from the image.",
    ),
    click.option(
        "--vignetting",
        metavar="WHAT",
        multiple=True,
        help="file (default), none, radial:K0,K1,.., natural:angle=DEG, natural:focal_length=MM,sensor_size=WxH, "
        "mechanical:onset=R,loss=SHARE, pixel:angle=DEG,exponent=N, flat:FILE. Several multiply.",
    ),
    click.option(
        "--exposure", type=float, metavar="STOPS", help="Brighter or darker, -20..20 stops; +1 doubles (default 0)."
    ),
    click.option("--auto-bright", is_flag=True, help="Scale so that 1 % of the pixels are white, as LibRaw does."),
    click.option("--tone", type=click.Choice(["camera", "none"]), help="Contrast curve (default camera)."),
    click.option("--gamma", metavar="CURVE", help="srgb (default), bt709, linear, a power as 2.2, or POWER,SLOPE."),
    click.option(
        "--bit-depth",
        type=click.Choice(["8", "16", "32"]),
        help="Bits per channel: JPEG, WebP 8, PNG 8/16, TIFF 8/16/32.",
    ),
    click.option("--linear", is_flag=True, help="No tone, linear gamma: 32-bit float TIFF (or --bit-depth 16)."),
    click.option(
        "--quality", type=click.IntRange(1, 100), default=92, metavar="N", help="JPEG and WebP quality (default 92)."
    ),
    click.option(
        "--subsampling",
        type=click.Choice(["4:4:4", "4:2:2", "4:2:0"]),
        default="4:2:0",
        help="JPEG colour resolution (default 4:2:0).",
    ),
    click.option(
        "--tiff-compression",
        type=click.Choice(["none", "zstd", "deflate"]),
        default="none",
        help="Lossless compression of TIFF (default none); not every program reads zstd.",
    ),
    click.option(
        "--crop",
        type=click.Choice(["camera", "active", "full"]),
        default="camera",
        help="The camera's own picture (default), all that light reaches, or the masked border too.",
    ),
    click.option(
        "--max-pixels", type=click.IntRange(1), metavar="N", help="Refuse larger raw files (default 400,000,000)."
    ),
    click.option("--accept-damaged", is_flag=True, help="Convert what can be read of damaged raw files too."),
    click.option("-p", "--recipe", type=_path, metavar="TOML", help="Recipe to start from; options change its stages."),
    click.option(
        "--set", "settings", multiple=True, metavar="STAGE.PARAM=VALUE", help="Any parameter; see isp stages."
    ),
    click.option(
        "--headerless",
        metavar="WxH:CFA:DTYPE[:BLACK[:WHITE]]",
        help="Layout of headerless files, e.g. 1920x1080:RGGB:uint10. A file NAME.toml beside NAME says the same.",
    ),
)


def picture_options(command: Command) -> Command:
    """Give a command the options that `settings_of` reads (decorator)."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def settings_of(options: dict[str, Any]) -> Settings:
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


def print_recipe(settings: Settings) -> None:
    """Write the recipe as UTF-8, which TOML is whatever the terminal speaks."""
    try:
        click.echo(settings.pipeline.to_toml().encode(), nl=False)
    except UnicodeEncodeError:
        raise click.UsageError("a path in the recipe is not UTF-8, which TOML cannot hold; rename the file") from None
