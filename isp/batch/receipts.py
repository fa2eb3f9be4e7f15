"""What a batch remembers: one small file per item, written after its picture, and no other state.

Below the pictures' folder lie ``.isp/receipts/<ab>/<key>.json``. A receipt is written before the picture takes its
name, as an intent in ``.isp/intents``, and moved to its place after that: so a picture whose writer died between the
two is known as ours, and as done.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import stat
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from isp.atomic import atomic_file, temporary_name
from isp.batch.item import Item
from isp.batch.wanted import Wanted
from isp.errors import StorageError, printable

FOLDER, INTENT = ".isp", "intent"
_VERSION = 1
_STATUSES = ("done", "failed", "damaged")

Kind = TypeVar("Kind")


class Input(NamedTuple):
    """A raw file as it was read: SHA-256 of its bytes, and by what one sees at a glance that it is still the same.

    And the SHA-256 of the sidecar that tells what a headerless file does not say; empty if there is none.
    """

    sha256: str
    size: int
    mtime_ns: int
    inode: int
    sidecar: str = ""


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
        What was written; of a failure, what was written before, which still lies there.
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
    """Return what one sees of a file without reading it; the hash is empty.

    Raises
    ------
    OSError, ValueError
        If there is no such file.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # to hash a pipe or a device could take for ever
        raise ValueError(f"{printable(path)} is not a file")
    sidecar = path.with_name(path.name + ".toml")
    told = sha256(sidecar) if os.path.isfile(sidecar) else ""
    return Input("", status.st_size, status.st_mtime_ns, status.st_ino, told)


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
        """Keep a receipt."""
        _store(self._path(item), _table(item, receipt))

    @contextlib.contextmanager
    def intended(self, item: Item, receipt: Receipt) -> Iterator[None]:
        """Keep a receipt for what happens in the block: should this process end meanwhile, it can be found."""
        intent = self._intents / temporary_name(item.key, INTENT)
        _store(intent, _table(item, receipt))
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                intent.unlink()
            raise
        try:
            self.adopt(item, intent)
        except FileNotFoundError:  # somebody took this process for dead
            self.write(item, receipt)

    def intents(self, item: Item) -> list[Receipt]:
        """Return the receipts of writers that have not kept them yet, or have died before they could."""
        found = (_receipt(_load(path)) for path in self._intents.glob(f".{item.key}.*.{INTENT}"))
        return [receipt for receipt in found if receipt is not None]

    def all_intents(self) -> list[tuple[Path, str | None, Receipt | None]]:
        """Return the files of all intents, for which picture each is, and its receipt; None where that is damaged."""
        tables = [(path, _load(path)) for path in self._intents.glob(f".*.{INTENT}")]
        return [(path, _name(table), _receipt(table)) for path, table in tables]

    def adopt(self, item: Item, intent: Path) -> None:
        """Keep as a receipt what was intended and has been done.

        Raises
        ------
        FileNotFoundError
            If the intent is not there.
        StorageError
            If the disk does not let us.
        """
        make_folder(self._path(item).parent)
        try:
            os.replace(intent, self._path(item))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f"cannot write {printable(self._path(item))}: {error.strerror}") from error

    def keys(self) -> set[str]:
        """Return the keys of all items that have a receipt."""
        return {path.stem for path in self._receipts.glob("??/*.json")}

    def name(self, key: str) -> str | None:
        """Return the picture's path, as the receipt of a key tells it; None if it tells of no picture."""
        table = _load(self._receipts / key[:2] / f"{key}.json")
        return _name(table) if table and table.get("picture") else None

    def _path(self, item: Item) -> Path:
        return self._receipts / item.key[:2] / f"{item.key}.json"


def _table(item: Item, receipt: Receipt) -> dict[str, Any]:
    table = dataclasses.asdict(receipt) | {"version": _VERSION, "item": item.relative}
    table["input"] = receipt.input and receipt.input._asdict()
    table["wanted"] = receipt.wanted._asdict()
    table["picture"] = receipt.picture and receipt.picture._asdict()
    table["thumbnail"] = base64.b64encode(receipt.thumbnail).decode()
    return table


def _name(table: dict[str, Any] | None) -> str | None:
    name = table.get("item") if table else None
    return name if isinstance(name, str) and "\0" not in name and not os.path.isabs(name) else None


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
        table["input"] = _checked(Input, table["input"]) if table["input"] else None
        table["wanted"] = _checked(Wanted, table["wanted"])
        table["picture"] = _checked(Picture, table["picture"]) if table["picture"] else None
        table["thumbnail"] = base64.b64decode(table["thumbnail"])
        table["warnings"] = tuple(table["warnings"])
        receipt = _checked(Receipt, table)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    words = (*receipt.warnings, *receipt.wanted.versions.values())
    sound = receipt.status in _STATUSES and all(isinstance(word, str) for word in words)
    sound &= all(isinstance(seconds, float) for seconds in receipt.seconds.values())
    whole = receipt.status != "done" or (receipt.picture is not None and receipt.input is not None)
    return receipt if sound and whole else None


def _checked(kind: type[Kind], table: dict[str, Any]) -> Kind:
    """Return a class made of a table, whose values must be of the types that the class tells."""
    hints = _HINTS[kind]
    for name, value in table.items():
        if not isinstance(value, hints[name]):
            raise TypeError(name)
    return kind(**table)


def _hints(kind: type) -> dict[str, Any]:
    """Return by name what `isinstance` takes."""
    hints = typing.get_type_hints(kind)
    plain = {name: typing.get_origin(hint) or hint for name, hint in hints.items()}
    return {name: hints[name] if origin is types.UnionType else origin for name, origin in plain.items()}


_HINTS: dict[type, dict[str, Any]] = {kind: _hints(kind) for kind in (Input, Picture, Receipt, Wanted)}


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
