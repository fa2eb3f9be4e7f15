"""`isp denoisers`: what `--denoise` can name."""

from __future__ import annotations

import click

from .errors import one_line_errors


@click.command()
@click.argument("name", required=False)
@one_line_errors
def denoisers(name: str | None) -> None:
    """List the denoisers, ours and those of plugins that are installed.

    Where each works (the mosaic, or the demosaiced rgb image), on how many pixels around a pixel its result depends,
    and who brings it. With NAME, print what that one says of itself.
    """
    from isp.denoisers import find, known, load
    from isp.denoisers.slot import card
    from isp.denoisers.window import WindowFilter
    from isp.errors import DenoiserError

    if name is not None:
        click.echo(f"{name}, {find(name).origin}\n\n{card(load(name))}".rstrip())
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
