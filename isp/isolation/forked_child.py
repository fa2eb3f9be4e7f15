"""From the server's fork to the end of the child: it takes one request from its connection and answers it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Iterable
from typing import NoReturn

from isp.isolation import child
from isp.isolation.messages import receive, send, write_all

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_FIRST_TO_GO = b"800"  # when the machine has no memory left


def main(connection: socket.socket, server: int, others: Iterable[socket.socket]) -> NoReturn:
    """Be the child that the server has just forked.

    Parameters
    ----------
    connection : socket
        Where the request comes from and the answer goes.
    server : int
        The server's process id.
    others : iterable of socket
        What the server has open besides.
    """
    code = 1
    try:
        _settle(server, others)
        _serve(connection)
        code = 0
    except (BrokenPipeError, ConnectionResetError, EOFError):  # nobody waits for the answer any more
        pass
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _settle(server: int, others: Iterable[socket.socket]) -> None:
    """Keep nothing of the server's, and do not outlive it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    for other in others:
        other.close()
    os.open(os.devnull, os.O_RDWR)  # as file descriptor 0, which is free now
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
            file.write(_FIRST_TO_GO)
    if os.getppid() != server:
        os._exit(1)


def _serve(connection: socket.socket) -> None:
    request, descriptors = receive(connection)
    child.settle(request)
    signal.setitimer(signal.ITIMER_REAL, child.longest(request.size))  # the kernel ends this process then
    file, *memory = descriptors
    with open(request.name, "rb", opener=lambda *_: file) as stream:  # tifffile asks a file for its name
        answer, pixels = child.answer(request, stream)
    if pixels is not None and memory:
        with open(memory[0], "r+b", buffering=0) as shared:
            shared.seek(0)  # others have written there
            write_all(shared, pixels.data.cast("B"))
    send(connection, answer)
    if pixels is not None and not memory:
        connection.sendall(pixels.data.cast("B"))
