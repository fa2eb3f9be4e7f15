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

from isp.atomic import atomic_file, is_alive
from isp.batch.receipts import FOLDER, make_folder
from isp.errors import LockedError, StorageError, WriteError, printable

_BEAT = 10.0  # seconds between signs of life
_DEAD = 60.0  # without one, for a run on another machine


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
    over = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, over), name="isp-lock", daemon=True)
    beating.start()
    try:
        yield True
    finally:
        over.set()
        with contextlib.suppress(OSError):
            path.unlink()


def _take(path: Path) -> bool:
    content = json.dumps({"machine": platform.node(), "pid": os.getpid()}).encode("ascii")
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
        if held["machine"] == platform.node():
            return not is_alive(int(held["pid"]))
        return time.time() - path.stat().st_mtime > _DEAD
    except (OSError, ValueError, KeyError, TypeError):
        return True


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
