"""What goes between the process that asks for a raw file and the one that reads it, and how it goes."""

from __future__ import annotations

import io
import os
import pickle
import socket
import struct
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from isp.frame import Outline
from isp.headerless import Layout

_LENGTH = struct.Struct("<Q")
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Request(NamedTuple):
    """What to read, but for the open file."""

    name: str
    size: int
    crop: str
    max_pixels: int
    headerless: Layout | None
    threads: int
    accept_damaged: bool
    path: str | bytes | None = None  # where an open file cannot be handed over; none: the content follows


class Answer(NamedTuple):
    """What was read, but for the pixels; or why nothing was."""

    outline: Outline | None = None
    sha256: str = ""
    warnings: tuple[str, ...] = ()
    error: Exception | None = None


class Ended(NamedTuple):
    """The process that read the file has ended: its exit code, or minus the signal that ended it."""

    code: int


class Stopped(Exception):
    """`stop` was called while a file was read."""


Message = Request | Answer | Ended


def pack(message: Message) -> bytes:
    """Return a message with its length before it."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(content)) + content


def unpack(take: Callable[[int], bytes]) -> Any:
    """Return a message; ``take(count)`` returns exactly so many bytes, or fewer where there are no more.

    Raises
    ------
    EOFError
        If it ends too early.
    """
    header = take(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    length = _LENGTH.unpack(header)[0]
    content = take(length)
    if len(content) < length:
        raise EOFError
    return pickle.loads(content)


def send(connection: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send a message and open files over a Unix socket."""
    content = pack(message)
    sent = socket.send_fds(connection, [content], descriptors)
    connection.sendall(content[sent:])


def receive(connection: socket.socket) -> tuple[Any, list[int]]:
    """Return what `send` sent; raises EOFError as `unpack` does."""
    descriptors: list[int] = []

    def take(count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            part, came, _, _ = socket.recv_fds(connection, min(count - len(content), 1 << 20), 2, _CLOSE_ON_EXEC)
            descriptors.extend(came)
            if not part:
                break
            content += part
        return bytes(content)

    try:
        return unpack(take), descriptors
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def fill(pixels: NDArray[Any], read_into: Callable[[memoryview], int]) -> None:
    """Fill an array with the bytes that follow a message; raises EOFError as `unpack` does."""
    rest = pixels.data.cast("B")
    while rest:
        count = read_into(rest)
        if not count:
            raise EOFError
        rest = rest[count:]


def anonymous_file() -> io.FileIO:
    """Return an empty file without a name: in memory on Linux, where it needs no room on any disk."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("isp"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def write_all(file: io.FileIO, content: bytes | memoryview) -> None:
    """Write everything: the system takes 2 GB at a time at most."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
