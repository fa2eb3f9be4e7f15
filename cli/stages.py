"""`isp stages`: the steps of the chain and their parameters."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from typing import Any

import click


@click.command()
@click.argument("names", nargs=-1, metavar="[STAGE...]")
def stages(names: tuple[str, ...]) -> None:
    """List the stages in order: what each reads and writes, its parameters with defaults and units.

    With names, show the whole documentation of those stages: formula, range, what it clips, source.
    """
    from isp.stages import STAGES

    for name in names:
        if name not in STAGES:
            raise click.UsageError(f"there is no stage {name!r}; known are {', '.join(STAGES)}")
        click.echo(f"{name}\n{inspect.getdoc(STAGES[name])}\n")
    if names:
        return
    for name, stage in STAGES.items():
        summary = (inspect.getdoc(stage) or "").splitlines()[0].replace("``", "")
        click.echo(f"{name}\n    {summary}")
        for field in dataclasses.fields(stage):
            click.echo(f"      {field.name} = {_default(field)}")
            click.echo(textwrap.indent("\n".join(textwrap.wrap(_description(stage, field.name), 96)), " " * 10))
        click.echo()


def _default(field: dataclasses.Field[Any]) -> str:
    return "from the file, or not given" if field.default is None else str(field.default)


def _description(stage: type[Any], parameter: str) -> str:
    """Return type, range and first sentence of a parameter, from the numpydoc docstring."""
    found = re.search(rf"^{parameter} : (.*)\n((?:    .*\n?|\n)+)", inspect.getdoc(stage) or "", re.MULTILINE)
    if not found:
        return ""
    kind = re.sub(r", (default.*|optional)$", "", found[1])
    text = " ".join(found[2].split()).replace("``", "").replace("`", "")
    first = re.split(r"(?<=\.)\s(?!\.)", text)[0]
    return f"{kind}. {first}"
