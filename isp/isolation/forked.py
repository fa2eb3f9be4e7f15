"""The caller's side of the server: one for each process that reads, started when it is first needed."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.frame import dtype_of
from isp.isolation import shared
from isp.isolation.child import longest
from isp.isolation.messages import Answer, Ended, Request, Stopped, anonymous_file, fill, receive, send
from isp.isolation.start import command, environment

_PATIENCE = 15.0  # seconds beyond the child's own limit, which the kernel keeps
_LAST_WORDS = 1.0  # seconds to end in


class ServerGone(Exception):
    """The server ended before it answered; its text is what it said last."""


class _Server:
    def __init__(self) -> None:
        self.stopped = False
        self.lock = threading.Lock()
        self.errors = anonymous_file()
        self.control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                command("isp.isolation.server"),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self.errors.fileno(),
                env=environment(),
                cwd="/",
                start_new_session=True,
            )

    def ask(self, request: Request, descriptor: int) -> tuple[Answer | Ended, NDArray[Any] | None]:
        """Have a new child read the file."""
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(longest(request.size) + _PATIENCE)
            try:
                with theirs, self.lock:
                    if self.control.fileno() < 0:
                        raise EOFError
                    socket.send_fds(self.control, [b"."], [theirs.fileno()])
                return (_shared if shared.POSSIBLE else _streamed)(ours, request, descriptor)
            except (EOFError, ConnectionError) as error:
                raise Stopped if self.stopped else ServerGone(self._last_words()) from error

    def close(self) -> None:
        """End it, and with it its children."""
        with self.lock:
            self.control.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.leave()

    def leave(self) -> None:
        """Close what is open of it here."""
        with self.lock:
            self.control.close()
            self.errors.close()

    def _last_words(self) -> str:
        with self.lock:
            if self.errors.closed:
                return ""
            self.errors.seek(0)
            lines = self.errors.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _shared(
    connection: socket.socket, request: Request, descriptor: int
) -> tuple[Answer | Ended, NDArray[Any] | None]:  # fmt: skip
    """Have a child answer that writes the pixels into memory which both have."""
    memory = shared.take()
    try:
        send(connection, request, [descriptor, memory.descriptor()])
        message, _ = receive(connection)
        outline = message.outline if isinstance(message, Answer) else None
        pixels = None if outline is None else memory.pixels(outline.shape, dtype_of(outline.space))
    except BaseException:
        memory.clear()  # the child may write into it still
        shared.give_back(memory)
        raise
    if pixels is None:
        shared.give_back(memory)
    return message, pixels


def _streamed(
    connection: socket.socket, request: Request, descriptor: int
) -> tuple[Answer | Ended, NDArray[Any] | None]:  # fmt: skip
    """Have a child answer that sends the pixels behind it."""
    send(connection, request, [descriptor])
    message, _ = receive(connection)
    outline = message.outline if isinstance(message, Answer) else None
    if outline is None:
        return message, None
    pixels = np.empty(outline.shape, dtype_of(outline.space))
    fill(pixels, connection.recv_into)
    return message, pixels


_lock = threading.Lock()
_server: _Server | None = None


def ask(request: Request, descriptor: int) -> tuple[Answer | Ended, NDArray[Any] | None]:
    """Have a child read the file that is open as `descriptor`.

    A server that was killed is replaced, and what it was asked is asked once more: no file can do it any harm.

    Returns
    -------
    Answer or Ended
        How it went.
    ndarray or None
        The pixels; read-only where the child wrote them into memory that both have.

    Raises
    ------
    ServerGone
        If the second one ends too, or cannot be started.
    Stopped
        If `stop` was called meanwhile.
    TimeoutError
        If there is no answer for longer than any child lives.
    OSError
        If this process may not open any more files.
    """
    server = _running()
    try:
        return server.ask(request, descriptor)
    except ServerGone:
        return _running(instead_of=server).ask(request, descriptor)


def _running(instead_of: _Server | None = None) -> _Server:
    """Return the server of this process; the first who finds it dead replaces it."""
    global _server
    with _lock:
        if _server is not None and (_server is instead_of or _server.process.poll() is not None):
            _server.close()
            _server = None
        if _server is None:
            _server = _Server()
        return _server


def stop() -> None:
    """End the server and its children; what they were reading is `Stopped`."""
    global _server
    with _lock:
        if _server is not None:
            _server.stopped = True
            _server.close()
            _server = None


def _forget() -> None:
    """Leave the server to the process that this one is a forked copy of."""
    global _server, _lock
    _lock = threading.Lock()
    if _server is not None:
        _server.lock = threading.Lock()
        _server.leave()
        _server = None


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
