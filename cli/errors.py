"""A user's mistake is one line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def one_line_errors(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn an `IspError` that a command raises into its line and exit code, and Ctrl-C into 130."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        from isp.errors import IspError

        try:
            return command(*args, **kwargs)
        except IspError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)

    return wrapped
