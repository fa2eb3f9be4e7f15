"""The `isp` command."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from types import FrameType

import click

from .batch import batch
from .bench import bench
from .convert import convert
from .denoisers import denoisers
from .errors import ENVIRONMENT, INTERRUPTED, clear_line, leave
from .info import info
from .simulate import simulate
from .stages import stages
from .train import train_denoiser
from .warmup import warmup
from .watch import watch

EPILOG = """
\b
Examples:
  isp convert IMG_0001.NEF                    writes IMG_0001.jpg beside it
  isp convert photos/ -d out --format tiff    a folder, 16-bit TIFF
  isp batch photos/ -o pictures               all below it; resumes
  isp info IMG_0001.NEF                       what the file says, every doubt
  isp simulate color_checker -o chart.dng     a raw file whose truth is known
  isp stages                                  the steps and their parameters
  isp denoisers                               what --denoise can name
  isp watch card/ -o pictures                 converts what arrives
  isp warmup                                  compiles what conversions need
  isp bench IMG_0001.NEF                      how fast this machine is

Exit codes: 0 done, 1 some file failed, 2 wrong usage, 3 environment (disk full, read-only), 130 interrupted.
"""

_COMPILER = "isp.jit"


class _ToStderr(logging.Handler):
    """Print the library's warnings as one line each, and that it compiles, which is a long silence otherwise."""

    def filter(self, record: logging.LogRecord) -> bool:
        return (record.levelno >= logging.WARNING or record.name == _COMPILER) and not self._is_told(record)

    @staticmethod
    def _is_told(record: logging.LogRecord) -> bool:
        from isp.collected import is_collected

        return is_collected(record)

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"{clear_line()}{record.levelname.lower()}: {record.getMessage()}", err=True)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="isp", prog_name="isp")
def cli() -> None:
    """Turn camera raw files into pictures, and look at every step on the way."""
    logger = logging.getLogger("isp")
    logger.handlers = [_ToStderr()]
    logger.propagate = False
    logging.getLogger(_COMPILER).setLevel(logging.INFO)


cli.add_command(batch)
cli.add_command(bench)
cli.add_command(convert)
cli.add_command(denoisers)
cli.add_command(info)
cli.add_command(simulate)
cli.add_command(stages)
cli.add_command(train_denoiser)
cli.add_command(warmup)
cli.add_command(watch)


def main() -> None:
    """Run the command line and leave with its exit code."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show must not end the work
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminate)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # or NumPy starts threads for products of matrices
    _silence_libraries()
    try:
        try:
            cli.main()
        finally:
            sys.stdout.flush()  # here, where it can still be said that the disk is full, not when Python ends
            gc.freeze()  # or Python looks for garbage in all modules, again and again, before the process ends anyway
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # or what is still buffered fails once more
        leave(f"error: {error.strerror or error}", ENVIRONMENT)


def _open_closed_streams() -> None:
    """Let standard streams that the caller closed (``>&-``) lead nowhere.

    Otherwise Python's are None, and the next file opened, a picture, gets the number to which C libraries print.
    """
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # it fills the lowest number that is free
    os.close(spare)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")


def _silence_libraries() -> None:
    """Keep what LibRaw and libjpeg print by themselves off the terminal: our one line says what it means.

    They write to file descriptor 2, so Python's stderr moves to a copy of it.
    """
    sys.stderr.flush()
    ours = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    sys.stderr = os.fdopen(ours, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def _terminate(number: int, _frame: FrameType | None) -> None:
    """Leave by an exception, so that half-written files are removed."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
