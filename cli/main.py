"""The `isp` command."""

from __future__ import annotations

import importlib.metadata
import logging
import sys

import click

from .convert import convert
from .info import info
from .stages import stages


class _ToStderr(logging.Handler):
    """Print the library's warnings as one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"{record.levelname.lower()}: {record.getMessage()}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(importlib.metadata.version("isp"), prog_name="isp")
def cli() -> None:
    r"""Turn camera raw files into pictures, and look at every step on the way.

    \b
    isp convert IMG_0001.NEF                      IMG_0001.jpg beside it
    isp convert photos/ -d out --format tiff      a folder, 16-bit TIFF
    isp info IMG_0001.NEF                         what the file says, and every doubt
    isp stages                                    the steps and their parameters

    Exit codes: 0 done, 1 some file failed, 2 wrong usage, 3 environment (disk full, read-only), 130 interrupted.
    """
    logger = logging.getLogger("isp")
    logger.handlers = [_ToStderr(logging.WARNING)]
    logger.propagate = False


cli.add_command(convert)
cli.add_command(info)
cli.add_command(stages)


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        cli.main(standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
