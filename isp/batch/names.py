"""The names of all pictures, decided before the first file is opened: no two the same on any file system."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from isp.atomic import NAME_BYTES
from isp.batch.item import Item
from isp.batch.sources import Found


def name_pictures(found: Sequence[Found], out: Path, suffix: str) -> list[Item]:
    """Return what is to be made of raw files, in a tree like theirs.

    ``a/b.NEF`` becomes ``a/b.jpg``. Where two would have the same name, also for file systems that take ``B`` for ``b``
    or one form of an accent for the other, all of them are named ``a/b.NEF.jpg``, and so is what would have the name of
    a folder; where that does not help either, with the first digits of the hash of their place:
    ``a/b.NEF-1f0c2d3e.jpg``. So no name depends on the order.

    Parameters
    ----------
    found : sequence of Found
        The raw files.
    out : Path
        The folder for the pictures.
    suffix : str
        ``.jpg`` or another.
    """
    folders = {_key(folder) for folder in {raw.below.parent for raw in found} for folder in (folder, *folder.parents)}
    names = [_name(raw, suffix, 0) for raw in found]
    clashes = [0] * len(found)
    while True:
        keys = [_key(name) for name in names]
        taken = Counter(keys)
        clashing = [number for number, key in enumerate(keys) if taken[key] > 1 or key in folders]
        if not clashing:
            return [Item(raw.path, out / name, os.fspath(name)) for raw, name in zip(found, names, strict=True)]
        for number in clashing:
            clashes[number] += 1
            names[number] = _name(found[number], suffix, clashes[number])


def _name(raw: Found, suffix: str, clashes: int) -> Path:
    """Return a name that file systems take, after so many that clashed."""
    below = raw.below
    salt = b"\0" * (clashes - 2)  # another hash each time
    digits = hashlib.sha256(os.fsencode(os.path.abspath(raw.path)) + salt).hexdigest()[:8]
    if clashes < 2:
        name = below.with_name((below.name if clashes else below.stem) + suffix)
    else:
        name = below.with_name(f"{below.name}-{digits}{suffix}")
    if len(os.fsencode(name.name)) <= NAME_BYTES:
        return name
    stem, tail = name.stem, f"-{digits}{suffix}"
    while len(os.fsencode(stem + tail)) > NAME_BYTES:
        stem = stem[:-1]
    return name.with_name(stem + tail)


def _key(name: Path) -> str:
    """Return what is equal for two names that a file system may take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", os.fspath(name)).casefold())
