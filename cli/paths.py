"""Paths on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import click


class FilePath(click.Path):
    """Any path, UTF-8 or not. Not the empty text of an unset shell variable, which `pathlib` takes for this folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)  # not click's to check: it is one file's failure, not all's

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Return the path or fail with a usage error."""
        if not os.fspath(value):
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)
