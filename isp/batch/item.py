"""What a batch works on, and what comes of it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

Status = Literal["done", "skipped", "failed", "damaged", "blocked"]
STATUSES: tuple[Status, ...] = ("done", "skipped", "failed", "damaged", "blocked")


class Item(NamedTuple):
    """One raw file and the picture it is to become.

    Attributes
    ----------
    source, target : Path
        Raw file and picture.
    relative : str
        The target's path below the output folder: the item's name in messages, and what its identity is made of.
    """

    source: Path
    target: Path
    relative: str

    @property
    def key(self) -> str:
        """The item's identity in 64 ASCII characters, for any name: SHA-256 of the bytes of `relative`."""
        return hashlib.sha256(os.fsencode(self.relative)).hexdigest()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an item.

    Attributes
    ----------
    item : Item
        Which.
    status : {"done", "skipped", "failed", "damaged", "blocked"}
        "skipped": it was done before. "damaged": the raw file can be read but is known to be damaged,
        and nothing was written. "blocked": a file is in the way that the batch did not make.
    reason : str
        What went wrong, in one line, or why the item was to be done ("new", "recipe changed", ..).
    warnings : tuple of str
        Doubts, one line each; a damage that was accepted among them.
    seconds : dict
        By step: "read" (hash and decode), "compute", "write" (encode and store).
    megapixels : float
        Size of the picture.
    bytes_written : int
        Size of the file.
    thumbnail : bytes
        A small JPEG of what was written; empty if nothing was.
    attempts : int
        Tries that it took; 0 if nothing was to be tried.
    """

    item: Item
    status: Status
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    megapixels: float = 0.0
    bytes_written: int = 0
    thumbnail: bytes = b""
    attempts: int = 1
