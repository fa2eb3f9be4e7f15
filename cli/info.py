"""`isp info`: what a raw file says, and every doubt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .errors import one_line_errors
from .paths import FilePath


@click.command()
@click.argument("source", type=FilePath(), metavar="SRC")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--headerless", metavar="WxH:CFA:DTYPE[:BLACK[:WHITE]]", help="Layout of a headerless file.")
@one_line_errors
def info(source: Path, as_json: bool, headerless: str | None) -> None:
    """Show what a raw file says, and every doubt.

    Camera, exposure, sensor layout, levels, colour, and what a careful user would look at twice. Levels
    are in DN (the sensor's numbers), times in seconds, lengths in millimetres or pixels.
    """
    from isp.headerless import parse_layout
    from isp.info import describe

    facts = describe(source, None if headerless is None else parse_layout(headerless))
    if as_json:
        import json

        click.echo(json.dumps(facts, indent=2, allow_nan=False))
        return
    doubts = facts.pop("doubts")
    for name, value in facts.items():
        if value not in (None, [], ()):
            click.echo(f"{name.replace('_', ' '):24} {_text(value)}")
    for doubt in doubts:
        click.echo(f"{'doubt':24} {doubt}")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple):
        return " / ".join(_text(row) for row in value)
    if isinstance(value, list | tuple):
        return " ".join(_text(part) for part in value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)
