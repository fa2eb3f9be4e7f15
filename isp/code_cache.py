"""Where compiled code is kept, and what of it may be trusted.

The folder is named by a hash of all on which the code depends, so nothing in it is ever out of date. What is run must
not be anybody else's: the folder must be this user's or root's and closed to others, and each file carries a hash, which
a torn write does not survive. The cache is a convenience: nothing that is wrong with it ends the work. Where the user's
own cannot be written, a private folder among the temporary ones serves until the next restart of the machine.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import logging
import os
import stat
import tempfile
from pathlib import Path

from isp.errors import printable
from isp.machine_code import host

logger = logging.getLogger(__name__)

_DIGEST = 32  # bytes of SHA-256
_warned: set[str] = set()
_used: list[Path] = []


def read(name: str) -> bytes | None:
    """Return what was kept under a name; None if nothing was, or what was cannot be used."""
    for folder in folders():
        if not _why_not(folder):
            with contextlib.suppress(OSError):
                content = (folder / name).read_bytes()
                if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
                    _used.append(folder)
                    return content[_DIGEST:]
                _warn_once("damaged", f"compiled code in {printable(folder)} is damaged; compiling it again")
    return None


def write(name: str, content: bytes) -> None:
    """Keep something under a name, in the first folder that takes it."""
    for folder in folders():
        try:
            folder.mkdir(0o700, parents=True, exist_ok=True)
            trouble = _why_not(folder)
            if not trouble:
                _write_whole(folder / name, hashlib.sha256(content).digest() + content)
                _used.append(folder)
                return
        except OSError as error:
            trouble = error.strerror or str(error)
        _warn_once(f"kept in {folder}", f"compiled code cannot be kept in {printable(folder)} ({trouble}){_instead(folder)}")


def kept_in() -> Path | None:
    """Return the folder that served last in this process; None if something could not be kept at all."""
    return None if f"kept in {folders()[-1]}" in _warned else _used[-1] if _used else None


@functools.cache
def folders() -> tuple[Path, ...]:
    """Return where compiled code may lie, the best place first."""
    import platformdirs

    name = f"kernels-{key()}"
    user = str(os.geteuid()) if hasattr(os, "geteuid") else "kernels"
    usual = Path(platformdirs.user_cache_dir("isp", appauthor=False)) / name
    spare = Path(tempfile.gettempdir()) / f"isp-{user}-{name}"
    return (usual, spare) if usual.is_absolute() else (spare,)  # "~" stays where a user has no home


def key() -> str:
    """Return a short hash of all on which compiled code depends: every source file, numba, the processor."""
    digest = hashlib.sha256("\0".join((_version_of_numba(), *host())).encode())
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(os.fsencode(path.relative_to(root)) + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _version_of_numba() -> str:
    """Return the file that states it: importing numba would take most of the time that the cache saves."""
    found = importlib.util.find_spec("numba")
    assert found is not None and found.origin is not None, "numba is installed with isp"
    return Path(found.origin).with_name("_version.py").read_text("utf-8")


def _why_not(folder: Path) -> str:
    """Return why code in a folder is not to be run; nothing if it is."""
    try:
        status = folder.lstat()
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if hasattr(os, "geteuid") and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022):
        return "others may write there"
    return ""


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that no other process ever sees a part of."""
    number, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with open(number, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _instead(folder: Path) -> str:
    rest = folders()[folders().index(folder) + 1 :]
    return f"; {printable(rest[0])} is used instead" if rest else "; every run compiles anew"


def _warn_once(trouble: str, message: str) -> None:
    """Log the first trouble of a kind; the other kernels have the same."""
    if trouble not in _warned:
        logger.warning("%s", message)
    _warned.add(trouble)
