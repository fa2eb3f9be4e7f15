"""The names of all pictures, decided before the first file is opened: no two the same on any file system."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from isp.atomic import NAME_BYTES
from isp.batch.item import Item
from isp.batch.sources import Found

_Name = Callable[[Found, str], Path]


def name_pictures(found: Sequence[Found], out: Path, suffix: str) -> list[Item]:
    """Return what is to be made of raw files, in a tree like theirs.

    ``a/b.NEF`` becomes ``a/b.jpg``. Where two would have the same name, also for file systems that take ``B`` for ``b``
    or one form of an accent for the other, all of them are named ``a/b.NEF.jpg``; where that does not help either, with
    the first digits of the hash of their place: ``a/b.NEF-1f0c2d3e.jpg``. So no name depends on the order.

    Parameters
    ----------
    found : sequence of Found
        The raw files.
    out : Path
        The folder for the pictures.
    suffix : str
        ``.jpg`` or another.
    """
    names = {number: _short(_plain(raw, suffix), raw) for number, raw in enumerate(found)}
    for longer in (_with_suffix, _with_hash):
        wanted = Counter(_key(name) for name in names.values())
        names = {
            number: _short(longer(found[number], suffix), found[number]) if wanted[_key(name)] > 1 else name
            for number, name in names.items()
        }
    return [Item(raw.path, out / names[number], os.fspath(names[number])) for number, raw in enumerate(found)]


def _plain(raw: Found, suffix: str) -> Path:
    return raw.below.with_name(raw.below.stem + suffix)


def _with_suffix(raw: Found, suffix: str) -> Path:
    return raw.below.with_name(raw.below.name + suffix)


def _with_hash(raw: Found, suffix: str) -> Path:
    return raw.below.with_name(f"{raw.below.name}-{_hash(raw)}{suffix}")


def _hash(raw: Found) -> str:
    return hashlib.sha256(os.fsencode(os.path.abspath(raw.path))).hexdigest()[:8]


def _short(name: Path, raw: Found) -> Path:
    """Return a name that file systems take; a longer one is cut, and told from others by the hash of its place."""
    if len(os.fsencode(name.name)) <= NAME_BYTES:
        return name
    tail = f"-{_hash(raw)}{name.suffix}"
    stem = name.stem
    while len(os.fsencode(stem + tail)) > NAME_BYTES:
        stem = stem[:-1]
    return name.with_name(stem + tail)


def _key(name: Path) -> str:
    """Return what is equal for two names that a file system may take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", os.fspath(name)).casefold())
