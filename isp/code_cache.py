"""Where compiled code is kept, and what of it is run.

A folder is named by a hash of all on which the code depends: numba's own cache does not notice an edit in *another*
file. Code is run only from folders that nobody else can write, and only if its hash is right, as that of a file cut
short is not. The cache is a convenience: whatever is wrong with it, kernels are compiled again. Where the user's own
folder cannot be written, a private one among the temporary files serves.
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
from collections.abc import Iterator
from pathlib import Path

from isp.errors import printable
from isp.machine_code import host

logger = logging.getLogger(__name__)

_HASH = 32  # bytes of SHA-256 before the code
_used: set[Path] = set()
_warned: set[str] = set()


def read(name: str) -> bytes | None:
    """Return what is kept under a name; None if nothing is that may be used."""
    for folder in folders():
        try:
            content = b"" if _distrust(folder) else (folder / name).read_bytes()
        except OSError:
            content = b""
        if content and hashlib.sha256(content[_HASH:]).digest() == content[:_HASH]:
            _used.add(folder)
            return content[_HASH:]
        if content:
            _warn_once("damaged", f"compiled code in {printable(folder)} is damaged; compiling it again")
    return None


def write(name: str, content: bytes) -> None:
    """Keep something under a name in the first folder that takes it; say once if that is not the usual one."""
    troubles: list[str] = []
    for folder in folders():
        trouble = _write(folder, name, hashlib.sha256(content).digest() + content)
        if trouble is None:
            if troubles:
                _warn_once("spare", f"compiled code cannot be kept in {troubles[0]}; it goes to {printable(folder)}")
            _used.add(folder)
            return
        troubles.append(f"{printable(folder)} ({trouble})")
    places = " or ".join(troubles) or "any folder"
    _warn_once("lost", f"compiled code cannot be kept in {places}; every run compiles anew")


def kept_in() -> Path | None:
    """Return the folder that holds the code of this process, the last if several do; None if some is not kept."""
    return None if "lost" in _warned else max(_used, key=list(folders()).index, default=None)


def folders() -> Iterator[Path]:
    """Yield where compiled code may lie, the best place first."""
    usual = usual_folder()
    if usual.is_absolute():  # it begins with ~ where nobody knows the user's home
        yield usual
    user = f"isp-{os.geteuid()}" if hasattr(os, "geteuid") else "isp"
    with contextlib.suppress(OSError):  # no folder for temporary files either
        yield Path(tempfile.gettempdir(), f"{user}-{usual.name}")


@functools.cache
def usual_folder() -> Path:
    """Return where the user's own compiled code lies."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("isp", appauthor=False), f"kernels-{key()}")


def key() -> str:
    """Return a short hash of all on which compiled code depends: every source file, numba, the processor."""
    digest = hashlib.sha256("\0".join(host()).encode() + _numba())
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(os.fsencode(path.relative_to(root)) + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _numba() -> bytes:
    """Return the file that states numba's version; to ask numba itself would import it."""
    found = importlib.util.find_spec("numba")
    assert found is not None and found.origin is not None
    return Path(found.origin).with_name("_version.py").read_bytes()


def _write(folder: Path, name: str, content: bytes) -> str | None:
    """Write a file that no process ever sees a part of; return what went wrong."""
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        trouble = _distrust(folder)
        if trouble is not None:
            return trouble
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            try:
                file.write(content)
                file.close()
                os.replace(file.name, folder / name)
            except OSError:
                os.unlink(file.name)
                raise
    except OSError as error:
        return error.strerror or str(error)
    return None


def _distrust(folder: Path) -> str | None:
    """Return why code in a folder must not be run: somebody but this user and root could have put it there."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if hasattr(os, "geteuid") and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022):
        return "others may write there"
    return None


def _warn_once(trouble: str, message: str) -> None:
    """Log the first trouble of a kind; the other kernels have the same."""
    if trouble not in _warned:
        logger.warning("%s", message)
    _warned.add(trouble)
