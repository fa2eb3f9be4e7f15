"""What a batch remembers: one small file per item, written after its picture, and no other state.

Below the pictures' folder lie ``.isp/receipts/<ab>/<key>.json``, and for as long as a picture is being put in its place
``.isp/intents/<key>.json``: what will lie there. So a picture whose writer died before the receipt is known as ours.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from isp.atomic import atomic_file
from isp.batch.item import Item
from isp.batch.recipe import Wanted
from isp.errors import StorageError, printable

FOLDER = ".isp"
_VERSION = 1


class Input(NamedTuple):
    """A raw file as it was read: SHA-256 of its bytes, and by what one sees at a glance that it is still the same."""

    sha256: str
    size: int
    mtime_ns: int
    inode: int


class Picture(NamedTuple):
    """A picture as it was written."""

    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was done with an item, and from what.

    Attributes
    ----------
    source : str
        The raw file.
    input : Input or None
        None if it could not be read to its end.
    wanted : Wanted
        How the picture was to be made.
    status : {"done", "failed", "damaged"}
        What came of it.
    reason : str
        Of a failure.
    picture : Picture or None
        What was written.
    warnings, seconds, megapixels, thumbnail, attempts
        As of `Result`.
    """

    source: str
    input: Input | None
    wanted: Wanted
    status: str
    reason: str = ""
    picture: Picture | None = None
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    megapixels: float = 0.0
    thumbnail: bytes = b""
    attempts: int = 1


def look(path: Path) -> Input:
    """Return what one sees of a file without reading it; the hash is empty."""
    status = path.stat()
    return Input("", status.st_size, status.st_mtime_ns, status.st_ino)


def sha256(path: Path) -> str:
    """Return the hash of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Receipts:
    """The receipts below an output folder.

    Parameters
    ----------
    out : Path
        The folder for the pictures.
    """

    def __init__(self, out: Path) -> None:
        self._receipts = out / FOLDER / "receipts"
        self._intents = out / FOLDER / "intents"

    def read(self, item: Item) -> Receipt | None:
        """Return an item's receipt; None without one, or if it is damaged, which is as good as none."""
        return _receipt(_load(self._path(item)))

    def write(self, item: Item, receipt: Receipt) -> None:
        """Keep a receipt; what was intended is fulfilled."""
        table = dataclasses.asdict(receipt) | {"version": _VERSION, "item": item.relative}
        table["input"] = receipt.input and receipt.input._asdict()
        table["wanted"] = receipt.wanted._asdict()
        table["picture"] = receipt.picture and receipt.picture._asdict()
        table["thumbnail"] = base64.b64encode(receipt.thumbnail).decode()
        _store(self._path(item), table)
        self.forget_intent(item)

    def intend(self, item: Item, receipt: Receipt) -> None:
        """Say what will lie under an item's name, just before it does."""
        assert receipt.picture is not None
        _store(self._intent(item), receipt.picture._asdict())

    def intended(self, item: Item) -> Picture | None:
        """Return what was about to be put in place when a writer died."""
        table = _load(self._intent(item))
        with contextlib.suppress(TypeError):
            return None if table is None else Picture(**table)
        return None

    def forget_intent(self, item: Item) -> None:
        """Remove what was intended."""
        with contextlib.suppress(OSError):
            self._intent(item).unlink()

    def keys(self) -> set[str]:
        """Return the keys of all items that have a receipt."""
        return {path.stem for path in self._receipts.glob("??/*.json")}

    def name(self, key: str) -> str | None:
        """Return the picture's path, as the receipt of a key tells it."""
        table = _load(self._receipts / key[:2] / f"{key}.json")
        name = table.get("item") if table else None
        return name if isinstance(name, str) else None

    def _path(self, item: Item) -> Path:
        return self._receipts / item.key[:2] / f"{item.key}.json"

    def _intent(self, item: Item) -> Path:
        return self._intents / f"{item.key}.json"


def _load(path: Path) -> dict[str, Any] | None:
    try:
        table = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def _receipt(table: dict[str, Any] | None) -> Receipt | None:
    if table is None or table.pop("version", None) != _VERSION:
        return None
    table.pop("item", None)
    try:
        table["input"] = Input(**table["input"]) if table["input"] else None
        table["wanted"] = Wanted(**table["wanted"])
        table["picture"] = Picture(**table["picture"]) if table["picture"] else None
        table["thumbnail"] = base64.b64decode(table["thumbnail"])
        table["warnings"] = tuple(table["warnings"])
        return Receipt(**table)
    except (KeyError, TypeError, ValueError):
        return None


def _store(path: Path, table: dict[str, Any]) -> None:
    content = json.dumps(table, indent=1).encode("ascii")  # names that are not UTF-8 come as \udc..
    make_folder(path.parent)
    with atomic_file(path, overwrite=True) as file:
        file.write(content)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises
    ------
    StorageError
        If the disk does not let us.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{printable(folder)}: the folder cannot be made: {error.strerror}") from error
