"""The caller's side where a process cannot be forked: a child that is started anew for every file.

One is always started ahead, so that only the first file waits for a Python to load everything.
"""

from __future__ import annotations

import atexit
import contextlib
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.frame import dtype_of
from isp.isolation.child import longest
from isp.isolation.messages import Answer, Ended, Request, Stopped, fill, pack, unpack
from isp.isolation.start import command, environment

_TIMEOUT = -14  # as the kernel's alarm would end it

_lock = threading.Lock()
_ahead: list[subprocess.Popen[bytes]] = []
_at_work: set[subprocess.Popen[bytes]] = set()


def ask(request: Request, content: memoryview | bytes = b"") -> tuple[Answer | Ended, NDArray[Any] | None]:
    """Have a child read the file that the request names, or the content.

    Returns
    -------
    Answer or Ended
        How it went.
    ndarray or None
        The pixels.

    Raises
    ------
    Stopped
        If `stop` was called meanwhile.
    """
    with _child() as process, _alarm(process, longest(request.size)) as rung:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(pack(request))
            process.stdin.write(content)
            process.stdin.close()
            answer = unpack(process.stdout.read)
            if answer.outline is None:
                return answer, None
            pixels = np.empty(answer.outline.shape, dtype_of(answer.outline.space))
            fill(pixels, process.stdout.readinto)  # type: ignore[attr-defined]  # it is a BufferedReader
            return answer, pixels
        except (EOFError, OSError):
            code = process.wait()
            if process not in _at_work:
                raise Stopped from None
            return Ended(_TIMEOUT if rung.is_set() else code), None


@contextlib.contextmanager
def _child() -> Iterator[subprocess.Popen[bytes]]:
    """Give the child that was started ahead, start the next, and end the first."""
    with _lock:
        process = _ahead.pop() if _ahead else _start()
        _at_work.add(process)
        _ahead.append(_start())
    try:
        with process:
            yield process
            process.kill()
    finally:
        _at_work.discard(process)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command("isp.isolation.spawned_child"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )


@contextlib.contextmanager
def _alarm(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """Kill a process that takes too long; the event says that it was."""
    rung = threading.Event()

    def ring() -> None:
        rung.set()
        process.kill()

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield rung
    finally:
        timer.cancel()


def stop() -> None:
    """End all children; what they were reading is `Stopped`."""
    with _lock:
        waiting, working = _ahead[:], list(_at_work)
        _ahead.clear()
        _at_work.clear()
    for process in (*waiting, *working):
        process.kill()
    for process in waiting:
        process.communicate()


atexit.register(stop)
