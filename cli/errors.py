"""A user's mistake is one line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import errno
import functools
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

import click

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

ENVIRONMENT, INTERRUPTED = 3, 130


def one_line_errors(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn what a command raises into one line and its exit code: `IspError`, a full disk below stdout, Ctrl-C."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            from isp.errors import IspError

            try:
                return command(*args, **kwargs)
            except IspError as error:
                leave(f"error: {error}", error.exit_code)
            except MemoryError:
                leave("error: does not fit into memory; close other programs or use a larger machine", ENVIRONMENT)
            except OSError as error:
                if error.errno == errno.EPIPE:  # `isp info x | head -1`; click knows how to leave quietly
                    raise
                leave(f"error: {error.strerror or error}", ENVIRONMENT)
        except KeyboardInterrupt:
            leave("interrupted", INTERRUPTED)

    return wrapped


def leave(line: str, exit_code: int) -> NoReturn:
    """Say why and exit."""
    click.echo(f"{clear_line()}{line}", err=True)
    sys.exit(exit_code)


def on_terminal() -> bool:
    """Whether a person watches stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


def clear_line() -> str:
    """Return what wipes a line of progress that is still on the terminal; nothing elsewhere."""
    return "\r\033[K" if on_terminal() else ""
