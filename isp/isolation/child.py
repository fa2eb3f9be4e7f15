"""Inside the process that reads one file: its limits, its ears, and what it answers."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any, BinaryIO

from numpy.typing import NDArray

from isp import damage
from isp.errors import ChildError, IspError, RawError
from isp.frame import Frame
from isp.headerless import read_pixels
from isp.isolation.messages import Answer, Request, anonymous_file
from isp.raw import read_source
from isp.source import BYTES_PER_PIXEL, Source, taking
from isp.threads import VARIABLE

_SECONDS, _SECONDS_PER_BYTE = 10.0, 2e-6  # a slow decoder on a busy machine takes a tenth of it
_MEMORY, _MEMORY_PER_PIXEL = 2 << 30, 24
_COMPLAINTS = ("Corrupt JPEG data", "Premature end of JPEG")  # libjpeg's, which LibRaw does not hear
_MOST_COMPLAINTS = 3
_LOADED_LATE = ("exifread", "tifffile", "imagecodecs", "imagecodecs._jpeg8", "encodings.ascii", "resource")


def load() -> None:
    """Import what reading imports when it needs it."""
    for name in _LOADED_LATE:
        with contextlib.suppress(ImportError):  # who needs it will say so
            importlib.import_module(name)


def longest(size: int) -> float:
    """Return after how many seconds the reading of a file of so many bytes is given up."""
    return _SECONDS + _SECONDS_PER_BYTE * size


def settle(request: Request) -> None:
    """Let this process use as many threads as it is told, and no more memory than the largest picture takes.

    That is the largest that the file can hold.
    """
    os.environ[VARIABLE] = str(request.threads)
    try:
        import resource

        with open("/proc/self/statm", "rb") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not Linux
        return
    pixels = min(request.max_pixels, request.size / BYTES_PER_PIXEL)
    limit = mapped + _MEMORY + int(_MEMORY_PER_PIXEL * pixels)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def answer(request: Request, stream: BinaryIO) -> tuple[Answer, NDArray[Any] | None]:
    """Read a file that is open; return the answer, and the pixels if there are any.

    What C libraries write to file descriptor 2 is caught and, where it tells of damage, told.
    """
    with _listening() as warnings, _hearing_stderr() as errors:
        try:
            frame, digest = _read(request, stream)
            complaints = _complaints(errors)
            damage.settle(request.name, complaints, accept=request.accept_damaged)
        except MemoryError:
            text = f"{request.name}: needs more memory than any good file of its size; copy it from the card again"
            return Answer(warnings=tuple(warnings), error=ChildError(text, "memory")), None
        except Exception as error:
            return Answer(warnings=tuple(warnings), error=_portable(error)), None
    meta = dataclasses.replace(frame.meta, damage=frame.meta.damage + complaints)
    return Answer(frame.outline.replace(meta=meta), digest, tuple(warnings)), frame.data


def _read(request: Request, stream: BinaryIO) -> tuple[Frame, str]:
    with taking(stream, request.name) as file:
        before = _version(stream)
        digest = _digest(file)
        if request.headerless is not None:
            frame = read_pixels(file, request.headerless)
        else:
            frame = read_source(file, request.crop, request.max_pixels, accept_damaged=request.accept_damaged)
        if _version(stream) != before:
            raise RawError(f"{file.name}: was changed while it was read; read it again when it is whole")
    return frame, digest


def _version(stream: BinaryIO) -> tuple[int, int]:
    if isinstance(stream, io.BytesIO):
        return 0, 0
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns


def _digest(file: Source) -> str:
    file.stream.seek(0)
    return hashlib.file_digest(file.stream, "sha256").hexdigest()  # type: ignore[arg-type]


def _portable(error: Exception) -> Exception:
    """Return an error as it can be sent; one that is not the user's takes along where it happened."""
    if isinstance(error, IspError):
        return error
    place = "".join(traceback.format_exception(error)).rstrip()
    return RuntimeError(f"{type(error).__name__}: {error}\n\nin the process that read the file:\n{place}")


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect the warnings that the library logs."""
    ear, logger = _Ear(), logging.getLogger("isp")
    before = logger.propagate
    logger.addHandler(ear)
    logger.propagate = False
    try:
        yield ear.heard
    finally:
        logger.removeHandler(ear)
        logger.propagate = before


@contextlib.contextmanager
def _hearing_stderr() -> Iterator[BinaryIO]:
    """Lead file descriptor 2 into a file."""
    sys.stderr.flush()
    ours = os.dup(2)
    with anonymous_file() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            os.dup2(ours, 2)
            os.close(ours)


def _complaints(errors: BinaryIO) -> tuple[str, ...]:
    errors.seek(0)
    lines = errors.read().decode("ascii", "replace").splitlines()
    found = dict.fromkeys(line.strip() for line in lines if line.startswith(_COMPLAINTS))
    return tuple(f"libjpeg says: {line}" for line in list(found)[:_MOST_COMPLAINTS])
