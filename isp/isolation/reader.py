"""`read_isolated`: what `read_raw` returns, from a process that may die of it."""

from __future__ import annotations

import io
import os
import sys
import time
from typing import Any, BinaryIO, NamedTuple

from numpy.typing import NDArray

from isp.errors import ChildError, RawError, require, require_choice
from isp.frame import Frame
from isp.headerless import Layout, find_sidecar
from isp.isolation import forked, spawned
from isp.isolation.messages import Answer, Ended, Request, Stopped, anonymous_file, write_all
from isp.raw import CROPS, MAX_PIXELS
from isp.source import FilePath, Source, reading

_KILL, _ALARM = 9, 14  # the signals, which not every system has
FORKS = hasattr(os, "fork") and sys.platform != "darwin"  # whose libraries may not be forked


class Reading(NamedTuple):
    """A raw file, read.

    Attributes
    ----------
    frame : Frame
        As `isp.read_raw` returns it.
    sha256 : str
        Of the file's bytes, in hexadecimal.
    warnings : tuple of str
        What was logged.
    damage : tuple of str
        What shows that the file is damaged, one line each; empty for a good file.
    seconds : float
        How long it took.
    """

    frame: Frame
    sha256: str
    warnings: tuple[str, ...]
    damage: tuple[str, ...]
    seconds: float


def read_isolated(
    source: FilePath | BinaryIO,
    *,
    crop: str = "camera",
    max_pixels: int = MAX_PIXELS,
    headerless: Layout | None = None,
    threads: int = 1,
    accept_damaged: bool = False,
) -> Reading:
    """Read a raw file in a child process, which has a limit of time and memory and never read a file before.

    May be called by many threads at once: each has a child of its own. Warnings are returned, not logged; those of a
    file that cannot be read are the notes of the error.

    Parameters
    ----------
    source : path or binary file object
        The file.
    crop, max_pixels, accept_damaged
        As of `isp.read_raw`.
    headerless : Layout, optional
        What a headerless file does not say; by default what its sidecar says, if there is one.
    threads : int
        That decode, where they can.

    Returns
    -------
    Reading
        The frame, and what was learnt on the way.

    Raises
    ------
    RawError
        As `isp.read_raw`.
    DamagedError
        If something shows that the file is damaged; libjpeg's complaints count too, which only a child can hear.
    ChildError
        If the child crashed, took too long or needed too much memory.
    """
    start = time.perf_counter()
    require_choice("read_raw", "crop", crop, CROPS)
    require(max_pixels >= 1, "read_raw", "max_pixels", max_pixels, "1 or more pixels")
    layout = find_sidecar(source) if headerless is None else headerless
    with reading(source, max_pixels) as file:
        answer, pixels = _ask(file, Request(file.name, file.size, crop, max_pixels, layout, threads, accept_damaged))
    if answer.error is not None:
        for warning in answer.warnings:
            answer.error.add_note(warning)
        raise answer.error
    assert answer.outline is not None and pixels is not None
    frame = answer.outline.filled(pixels)
    return Reading(frame, answer.sha256, answer.warnings, frame.meta.damage, time.perf_counter() - start)


def stop() -> None:
    """End at once what is being read and the process that serves it; the next reading starts another."""
    forked.stop() if FORKS else spawned.stop()


def _ask(file: Source, request: Request) -> tuple[Answer, NDArray[Any] | None]:
    """Have the file read by whatever this system has."""
    try:
        message, pixels = _forked(file, request) if FORKS else _spawned(file, request)
    except TimeoutError:
        message, pixels = Ended(-_ALARM), None
    except OSError as error:
        raise RawError(f"{request.name}: cannot be read ({error.strerror}); close files, or raise the limit") from error
    except Stopped:
        raise ChildError(f"{request.name}: was not read to the end, for it was stopped", "stopped") from None
    except forked.ServerGone as error:
        text = f"{request.name}: cannot be read: the process that reads raw files ends twice ({error or 'killed'})"
        raise ChildError(text) from None
    if isinstance(message, Ended):
        raise _ended(request.name, message.code)
    return message, pixels


def _forked(file: Source, request: Request) -> tuple[Answer | Ended, NDArray[Any] | None]:
    """Hand over the open file, or one with the content of a file object."""
    if not isinstance(file.stream, io.BytesIO):
        return forked.ask(request, file.stream.fileno())
    with anonymous_file() as copy:
        write_all(copy, file.stream.getbuffer())
        return forked.ask(request, copy.fileno())


def _spawned(file: Source, request: Request) -> tuple[Answer | Ended, NDArray[Any] | None]:
    """Say where the file is, or hand over its content."""
    if isinstance(file.stream, io.BytesIO):
        return spawned.ask(request, file.stream.getbuffer())
    return spawned.ask(request._replace(path=os.path.abspath(file.stream.name)))


def _ended(name: str, code: int) -> ChildError:
    """Return the error that says how a child ended that did not answer."""
    if code == -_ALARM:
        what, kind = "takes too long to decode; the file is damaged", "timeout"
    elif code == -_KILL:
        what, kind = "its reader was killed (signal 9), as the system does when memory runs out", "memory"
    else:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        what, kind = f"LibRaw crashed ({how}); the file is damaged", "crash"
    return ChildError(f"{name}: {what}, copy it from the card again", kind)
