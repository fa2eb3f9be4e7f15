"""A file appears whole under its name or not at all: write beside it, flush to the disk, then rename."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import stat
from collections.abc import Iterator
from typing import BinaryIO

from isp.errors import StorageError, WriteError, printable

NAME_BYTES = 255  # the longest name that common file systems take
_TEMPORARY = re.compile(r"\..*\.(?P<machine>[0-9a-f]{8})-(?P<pid>[0-9]+)-[0-9a-f]{12}\.[a-z]+", re.DOTALL)
_HOUR = 3600.0
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
_REASONS = {
    errno.ENOENT: "its folder does not exist; make the folder first",
    errno.ENOTDIR: "a part of its path is not a folder",
    errno.EACCES: "its folder may not be written; change the permissions or choose another folder",
    errno.EPERM: "its folder may not be written; change the permissions or choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your quota on this disk is used up; free some space",
    errno.EFBIG: "the file is larger than the disk or the process limit allows",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
}


def check_target(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Refuse what `atomic_file` would refuse at the end; call it before the work starts.

    Raises
    ------
    WriteError
        If `path` is a folder, a device or a pipe, or exists and `overwrite` is False.
    """
    name = printable(path)
    try:
        mode = os.stat(path).st_mode
    except ValueError:
        raise WriteError(f"{name!r} is not a file name") from None
    except OSError:  # absent, or a reason that writing will name
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise WriteError(f"{name} is a folder; give a file name inside it")
    if mode is not None and not stat.S_ISREG(mode):
        raise WriteError(f"{name} is a device or a pipe, not a file; give a file name")
    if not overwrite and os.path.lexists(path):
        raise _exists(name)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing of which nobody, at any moment, sees a part under its name.

    The bytes go to ``.<name>.<machine>-<pid>-<random>.part`` in the same folder, are flushed to the disk and renamed
    when the block ends. Two writers without `overwrite` cannot both win: the name is taken with a hard link, which
    fails if it exists; where the file system has no hard links, the check and the rename are two steps. Permissions
    follow the umask. An existing symbolic link is kept and the file behind it replaced.

    Parameters
    ----------
    path : str or path
        Target; its folder must exist.
    overwrite : bool
        Replace an existing file.

    Yields
    ------
    binary file
        Empty, to be filled; it can be read too.

    Raises
    ------
    WriteError
        If the target exists (without `overwrite`), or is a folder, a device or a pipe.
    StorageError
        If the folder is missing or cannot be written, or the disk is full or read-only. Whatever is raised, in the
        block too, KeyboardInterrupt included, the folder is left as it was.
    """
    check_target(path, overwrite=overwrite)
    target = os.path.realpath(path) if overwrite else os.fspath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, temporary_name(name))
    try:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a crash soon after the rename could leave it empty
        _take_name(temporary, target, overwrite)
    except FileExistsError:
        raise _exists(printable(path)) from None
    except OSError as error:
        raise _storage(printable(path), error) from error
    finally:  # after a rename there is nothing to remove
        with contextlib.suppress(OSError):
            os.unlink(temporary)


@functools.cache
def machine() -> str:
    """Return a short word for this machine, as one that shares a folder with others.

    Containers that have the same name but not the same processes are different machines.
    """
    try:
        processes = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        processes = ""
    return hashlib.sha256(os.fsencode(platform.node() + processes)).hexdigest()[:8]


def temporary_name(name: str, suffix: str = "part") -> str:
    """Return a hidden name, different each time, that tells who writes: ``.<name>.<machine>-<pid>-<random>.part``."""
    tail = f".{machine()}-{os.getpid()}-{secrets.token_hex(6)}.{suffix}"
    while len(os.fsencode(name)) > NAME_BYTES - len(tail) - 1:
        name = name[:-1]
    return f".{name}{tail}"


def is_left_over(name: str, age: float) -> bool:
    """Whether a file is a temporary one of ours whose writer is dead.

    Parameters
    ----------
    name : str
        The file's.
    age : float
        Seconds since it was changed: nobody writes for an hour, though another process may have the writer's number
        by now.
    """
    found = _TEMPORARY.fullmatch(name)
    if found is None:
        return False
    return age > _HOUR or (found["machine"] == machine() and not is_alive(int(found["pid"])))


def is_alive(pid: int) -> bool:
    """Whether a process of this machine lives, as far as can be known."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _take_name(temporary: str, target: str, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError from error
        os.replace(temporary, target)


def _exists(name: str) -> WriteError:
    return WriteError(f"{name} exists already; give --overwrite")


def _storage(name: str, error: OSError) -> StorageError:
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return StorageError(f"cannot write {name}: {reason}")
