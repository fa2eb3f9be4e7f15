"""Says who works on a folder. Advice alone: receipts keep everything right without it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from isp.atomic import atomic_file, is_alive, machine
from isp.batch.receipts import FOLDER, make_folder
from isp.errors import LockedError, StorageError, WriteError, printable

_BEAT = 10.0  # seconds between signs of life
_DEAD = 60.0  # without one: on another machine, or another process has the number now


@contextlib.contextmanager
def locked(out: Path, *, join: bool) -> Iterator[bool]:
    """Hold an output folder's lock; yields whether it is ours.

    Parameters
    ----------
    out : Path
        The folder for the pictures.
    join : bool
        Work along where another run holds the lock.

    Raises
    ------
    LockedError
        If another run holds it, and `join` is False.
    """
    path = out / FOLDER / "lock"
    make_folder(path.parent)
    if not _take(path):
        if not join:
            raise LockedError(f"{printable(out)}: another isp batch is at work there ({_holder(path)}); give --join")
        yield False
        return
    over, content = threading.Event(), _content(path)
    beating = threading.Thread(target=_beat, args=(path, over), name="isp-lock", daemon=True)
    beating.start()
    try:
        yield True
    finally:
        over.set()
        with contextlib.suppress(OSError):
            if _content(path) == content:  # else it was taken from us, as when this machine slept
                path.unlink()


def _take(path: Path) -> bool:
    who = {"machine": platform.node(), "processes": machine(), "pid": os.getpid(), "thread": threading.get_ident()}
    content = json.dumps(who).encode("ascii")
    for _ in range(2):
        try:
            with atomic_file(path) as file:
                file.write(content)
        except StorageError:
            raise
        except WriteError:  # it is there
            if not _is_stale(path):
                return False
            with contextlib.suppress(OSError):
                path.unlink()
        else:
            return True
    return False


def _is_stale(path: Path) -> bool:
    """Whether the run that holds a lock is dead."""
    try:
        held = json.loads(path.read_bytes())
        if held["processes"] == machine() and not is_alive(int(held["pid"])):
            return True
        return time.time() - path.stat().st_mtime > _DEAD
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_bytes())
        return f"process {held['pid']} on {held['machine']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"


def _beat(path: Path, over: threading.Event) -> None:
    while not over.wait(_BEAT):
        with contextlib.suppress(OSError):
            os.utime(path)
