"""`isp stages`: the steps of the chain and their parameters."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shutil
import textwrap
from typing import Any

import click

from .errors import one_line_errors

_WIDTHS = (72, 100)  # columns: of what is readable
_KINDS = {
    "bool": "true or false", "int": "whole number", "float": "number", "(float, float)": "2 numbers",
    "(float, float, float)": "3 numbers", "(int, int, int, int)": "4 whole numbers",
    "tuple of float": "list of numbers", "3x3 tuple of float": "3 lists of 3 numbers",
    "path or ndarray": "path", "str": "", "str or Denoiser": "",
    "(float, float) or three of them": "2 numbers, or 3 pairs",
}  # fmt: skip


@click.command()
@click.argument("names", nargs=-1, metavar="[STAGE...]")
@one_line_errors
def stages(names: tuple[str, ...]) -> None:
    """List the stages and their parameters.

    In the order in which they run: what each reads and writes, its parameters with defaults and units. With
    names, show the whole documentation of those stages: formula, range, what it clips, source.
    """
    from isp.stages import STAGES

    for name in names:
        if name not in STAGES:
            raise click.UsageError(f"there is no stage {name!r}; known are {', '.join(STAGES)}")
    if names:
        click.echo("\n\n".join(f"{name}\n{inspect.getdoc(STAGES[name])}" for name in names))
        return
    click.echo("\n".join(_summary(name, stage) for name, stage in STAGES.items()))
    click.echo("Values are as in TOML: --set vignetting.center=[0.5,0.5]. Default -: from the file, or not given.")


def _summary(name: str, stage: type[Any]) -> str:
    width = min(max(shutil.get_terminal_size().columns, _WIDTHS[0]), _WIDTHS[1])
    title = (inspect.getdoc(stage) or "").splitlines()[0].replace("``", "")
    lines = [name, *textwrap.wrap(title, width, initial_indent="  ", subsequent_indent="  ")]
    for field in dataclasses.fields(stage):
        kind, text, choices = describe(stage, field.name)
        entry = f"    {field.name:13} {_value(field.default):11} {f'{kind}: ' if kind else ''}{text}"
        lines += textwrap.wrap(entry, width, subsequent_indent=" " * 30) if text else [entry]
        for choice in choices:
            lines += textwrap.wrap(choice, width, initial_indent=" " * 30, subsequent_indent=" " * 34)
    return "\n".join(lines) + "\n"


def _value(default: Any) -> str:
    """Return a default as --set takes it."""
    if default is None:
        return "-"
    if isinstance(default, tuple):
        return str(list(default))
    return str(default).lower() if isinstance(default, bool) else str(default)


def describe(stage: type[Any], parameter: str) -> tuple[str, str, list[str]]:
    """Return kind, first sentence and the explained choices of a parameter, from the numpydoc docstring."""
    found = re.search(rf"^{parameter} : (.*)\n((?:    .*\n?|\n)+)", inspect.getdoc(stage) or "", re.MULTILINE)
    if not found:
        return "", "", []
    kind = re.sub(r", (default.*|optional)$", "", found[1])
    text, *choices = (" ".join(part.split()) for part in _plain(found[2]).split("\n    * "))
    if choices:
        return "", text or "one of", choices
    kind = kind.strip("{}").replace('"', "").replace(", ", "|") if kind.startswith("{") else _KINDS.get(kind, kind)
    return kind, re.split(r"(?<=[^.]\.)\s", text)[0], []


def _plain(docstring: str) -> str:
    """Return the indented text of a parameter without reST's quotes; what follows a list is left out."""
    return "\n" + re.sub(r"\n\n    \w(.|\n)*", "", docstring.replace("``", "").replace("`", "")).rstrip()
