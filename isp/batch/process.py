"""One item from raw file to receipt: the same function here, on a resumed run and on another machine."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from isp.atomic import atomic_file
from isp.batch.decision import Decision, Rules, decide
from isp.batch.item import Item, Result, Status
from isp.batch.receipts import Input, Picture, Receipt, Receipts, look, make_folder, sha256
from isp.batch.recipe import Wanted
from isp.batch.thumbnail import thumbnail
from isp.collected import collected_warnings
from isp.convert import Settings, picture
from isp.errors import ChildError, DamagedError, IspError, RawError, StorageError, bug_line, printable
from isp.image import picture_encoder
from isp.isolation import read_isolated
from isp.threads import one_thread

TRIES = 2  # of what crashed, hung or did not fit: bad luck may pass
_PASSING = {errno.EIO, getattr(errno, "ESTALE", errno.EIO)}  # a network file system that hiccups
_PAUSES = (0.2, 1.0, 5.0)  # seconds

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Order:
    """Everything that an item's worker must know besides the item; it can be sent to another machine.

    Attributes
    ----------
    out : Path
        The folder for the pictures.
    settings : Settings
        How raw files become pictures.
    file_format : str
        Of the pictures.
    wanted : Wanted
        Settings and format, by hashes.
    rules : Rules
        What may be replaced and is to be tried again.
    max_pixels : int
        Of a raw file.
    threads : int
        Per item.
    """

    out: Path
    settings: Settings
    file_format: str
    wanted: Wanted
    rules: Rules = field(default_factory=Rules)
    max_pixels: int = 400_000_000
    threads: int = 1


class _Made(NamedTuple):
    """A picture in its place."""

    input: Input
    picture: Picture
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    megapixels: float
    thumbnail: bytes


def process_item(item: Item, order: Order) -> Result:
    """Make an item's picture and receipt, if they are not there already.

    Nothing is shared with other items, so any number of workers on any number of machines may do this at once, even
    with one item: every picture and every receipt appears whole.

    Raises
    ------
    StorageError
        If the disk is full or read-only: then no other item can be made either.
    """
    receipts = Receipts(order.out)
    decision = decide(item, order.wanted, receipts, order.rules)
    if decision.status != "todo":
        return resulting(item, decision)
    for attempt in range(1, TRIES + 1):
        try:
            made = _patiently(lambda: _make(item, order, decision, receipts))
        except StorageError:
            raise
        except DamagedError as error:
            return _fail(item, order, receipts, "damaged", str(error), attempt)
        except (ChildError, MemoryError) as error:
            failure = str(error) or f"{printable(item.source)}: does not fit into memory; use a larger machine"
        except IspError as error:
            return _fail(item, order, receipts, "failed", str(error), attempt)
        except Exception as error:  # a bug, of ours or of a plugin; the other files shall not suffer from it
            return _fail(item, order, receipts, "failed", f"{printable(item.source)}: {bug_line(error)}", attempt)
        else:
            return _done(item, order, receipts, decision, made, attempt)
    return _fail(item, order, receipts, "failed", failure, TRIES)


def resulting(item: Item, decision: Decision) -> Result:
    """Return the result of an item with which nothing is done."""
    receipt = decision.receipt
    reason = f"{printable(item.target)}: {decision.reason}" if decision.outcome == "blocked" else decision.reason
    result = Result(item, decision.outcome, reason, attempts=0)
    if receipt is None:
        return result
    size = receipt.picture.size if receipt.picture else 0
    return replace(
        result, warnings=receipt.warnings, megapixels=receipt.megapixels, thumbnail=receipt.thumbnail,
        bytes_written=size,
    )  # fmt: skip


def _patiently(make: Callable[[], Made]) -> Made:
    """Call again what a disk or network refuses for a moment."""
    for pause in _PAUSES:
        try:
            return make()
        except (StorageError, RawError) as error:
            cause = error.__cause__
            if not (isinstance(cause, OSError) and cause.errno in _PASSING):
                raise
            time.sleep(pause)
    return make()


def _make(item: Item, order: Order, decision: Decision, receipts: Receipts) -> _Made:
    """Read, compute, encode, put in place."""
    settings = order.settings
    before = _look(item.source)
    reading = read_isolated(
        item.source, crop=settings.crop, max_pixels=order.max_pixels, headerless=settings.headerless,
        threads=order.threads, accept_damaged=order.rules.accept_damaged,
    )  # fmt: skip
    make_folder(item.target.parent)
    encoder = picture_encoder(reading.frame.meta, settings.pipeline.encoding, item.target, settings.output)
    start = time.perf_counter()
    with one_thread(order.threads == 1), collected_warnings() as warnings:
        pixels = picture(settings.pipeline, reading.frame, encoder.depth)
    computed = time.perf_counter()
    known = before._replace(sha256=reading.sha256)
    with atomic_file(item.target, overwrite=decision.replaces) as file:
        encoder.write(pixels, file)
        written = _written(file)
        receipts.intend(item, Receipt(os.fspath(item.source), known, order.wanted, "done", picture=written))
    seconds = {"read": reading.seconds, "compute": computed - start, "write": time.perf_counter() - computed}
    megapixels = pixels.shape[0] * pixels.shape[1] / 1e6
    warnings = [*reading.warnings, *reading.damage, *warnings]
    return _Made(known, written, tuple(warnings), seconds, megapixels, thumbnail(pixels))


def _look(source: Path) -> Input:
    try:
        return look(source)
    except (OSError, ValueError):  # what is wrong with it, reading it will tell
        return Input("", 0, 0, 0)


def _written(file: BinaryIO) -> Picture:
    """Return what was written into a file that is still open."""
    file.flush()
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    status = os.fstat(file.fileno())
    return Picture(digest, status.st_size, status.st_mtime_ns)


def _done(item: Item, order: Order, receipts: Receipts, decision: Decision, made: _Made, attempt: int) -> Result:
    receipts.write(
        item,
        Receipt(
            os.fspath(item.source), made.input, order.wanted, "done", "", made.picture, made.warnings, made.seconds,
            made.megapixels, made.thumbnail, attempt,
        ),
    )  # fmt: skip
    return Result(
        item, "done", decision.reason, made.warnings, made.seconds, made.megapixels, made.picture.size, made.thumbnail,
        attempt,
    )  # fmt: skip


def _fail(item: Item, order: Order, receipts: Receipts, status: Status, reason: str, attempt: int) -> Result:
    """Keep that an item failed, unless its raw file is not there: then there is nothing to remember it by."""
    try:
        known = look(item.source)._replace(sha256=sha256(item.source))
    except (OSError, ValueError):
        return Result(item, status, reason, attempts=attempt)
    receipts.write(
        item, Receipt(os.fspath(item.source), known, order.wanted, status, reason, attempts=attempt)
    )  # fmt: skip
    return Result(item, status, reason, attempts=attempt)
