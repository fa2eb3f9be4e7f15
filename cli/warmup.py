"""`isp warmup`: compile before the first picture waits for it."""

from __future__ import annotations

import time

import click

from .errors import one_line_errors


@click.command()
@one_line_errors
def warmup() -> None:
    """Compile what conversions need, once per machine and version.

    For an installer or a container image: the first isp convert is then as fast as the next. Exit code 3 if the
    compiled code cannot be kept.
    """
    from isp.errors import printable
    from isp.warmup import warm_up

    start = time.perf_counter()
    folder = warm_up()
    click.echo(f"ready after {time.perf_counter() - start:.1f} s; compiled code is in {printable(folder)}")
