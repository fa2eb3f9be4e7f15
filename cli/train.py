"""`isp train-denoiser`: weights for ``--denoise cnn``, from pictures or from raw files without a clean truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import clear_line, on_terminal, one_line_errors
from .paths import FilePath

if TYPE_CHECKING:
    from isp.training.trainer import Report

EPILOG = """
\b
Examples:
  isp train-denoiser pictures/ --out mine.npz      sharp, clean pictures
  isp train-denoiser --out mine.npz                charts and dead leaves
  isp train-denoiser --noisy raws/ --out mine.npz  goes on from our weights
  isp convert IMG_0001.NEF --denoise cnn --set denoise.weights=mine.npz
"""


@click.command("train-denoiser", epilog=EPILOG)
@click.argument("data", nargs=-1, type=FilePath(), metavar="[FOLDER...]")
@click.option("--out", type=FilePath(), required=True, metavar="FILE.npz", help="Weights to write.")
@click.option("--noisy", is_flag=True, help="FOLDERs hold raw files, noisy as they are, without truth.")
@click.option(
    "--from", "initial", type=FilePath(), metavar="FILE.npz",
    help="Weights to begin with; default with --noisy those in the package, else random ones.",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Updates (default 30000; 2000 with --noisy).")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Decides all that is drawn (default 0).")
@click.option("--learning-rate", type=click.FloatRange(0, 1, min_open=True), metavar="R",
              help="The highest (default 0.002; 0.0001 with --noisy).")  # fmt: skip
@click.option("--device", default="cpu", metavar="NAME", help="cpu (default) or cuda, as torch names it.")
@click.option("--threads", type=click.IntRange(1), metavar="N",
              help="Processors that torch uses; default the processors this process may use.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace weights that exist.")
@one_line_errors
def train_denoiser(data: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Train the small network that removes noise.

    Without --noisy, FOLDERs hold sRGB pictures, which are turned back to linear light, reduced, and given the noise of
    a sensor. An interrupted training goes on when the same command is given again: FILE.npz.checkpoint holds where it
    was. Beside the weights, FILE.md says how they were made. Needs torch: pip install "isp[train]".
    """
    from isp.atomic import check_target
    from isp.errors import require
    from isp.training import require_torch

    require(out.suffix == ".npz", "train-denoiser", "--out", out, "a name that ends in .npz")
    for target in (out, out.with_suffix(".md")):
        check_target(target, overwrite=options["overwrite"])
    require_torch(options["device"], options["threads"])
    from isp.training.denoiser import ADAPTING, TRAINING, adapt_denoiser, train_denoiser

    train, usual = (adapt_denoiser, ADAPTING) if options["noisy"] else (train_denoiser, TRAINING)
    given = {name: options[name] for name in ("steps", "seed", "learning_rate", "device") if options[name] is not None}
    train(data, out, usual._replace(**given), initial=options["initial"], report=_show)
    click.echo(f"{clear_line()}{out}", err=True)


def _show(report: Report) -> None:
    """Say how it goes: a line that the next one wipes, or every validation."""
    left = report.seconds_left
    line = f"step {report.step} of {report.steps}: loss {report.loss:.4f}, about {left / 60:.0f} min left"
    if report.psnr is not None:
        kept = ", the best so far" if report.psnr >= report.best else f", best {report.best:.3f}"
        click.echo(f"{clear_line()}{line}; validation {report.psnr:.3f} dB{kept}", err=True)
    elif on_terminal():
        click.echo(f"{clear_line()}{line}", err=True, nl=False)
