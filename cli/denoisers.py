"""`isp denoisers`: what `--denoise` can name."""

from __future__ import annotations

from pathlib import Path

import click

from .errors import one_line_errors
from .paths import FilePath

EPILOG = """
\b
Examples:
  isp denoisers cnn                    what its weights were made of
  isp denoisers cnn --export cnn.onnx  the network for other tools;
                                       needs pip install "isp[onnx]"
"""


@click.command(epilog=EPILOG)
@click.argument("name", required=False)
@click.option("--weights", type=FilePath(), help="With NAME cnn: a file of your own weights instead of ours.")
@click.option(
    "--export", type=FilePath(), metavar="FILE.onnx", help="With NAME cnn: write its network for other tools."
)
@one_line_errors
def denoisers(name: str | None, weights: Path | None, export: Path | None) -> None:
    """List the denoisers, ours and those of plugins that are installed.

    Where each works (the mosaic, or the demosaiced rgb image), on how many pixels around a pixel its result depends,
    and who brings it. With NAME, print what that one says of itself.
    """
    from isp.denoisers import find, known, load
    from isp.denoisers.cnn import Cnn
    from isp.denoisers.slot import card
    from isp.denoisers.window import WindowFilter
    from isp.errors import DenoiserError, require

    if name is not None:
        denoiser = load(name, None if weights is None else str(weights))
        if export is None:
            click.echo(f"{name}, {find(name).origin}\n\n{card(denoiser)}".rstrip())
        else:
            require(isinstance(denoiser, Cnn), "denoisers", "--export", name, "it for cnn")
            assert isinstance(denoiser, Cnn)
            denoiser.export(export)
        return
    click.echo(f"{'name':16} {'works on':13} {'halo':>5}  from")
    for each in known().values():
        try:
            denoiser = load(each.name)
        except DenoiserError as error:  # the others are still there
            click.echo(f"{each.name:16} {error}")
            continue
        either = isinstance(denoiser, WindowFilter)
        click.echo(
            f"{each.name:16} {'rgb or mosaic' if either else denoiser.domain:13} {denoiser.halo:5}  {each.origin}"
        )
