"""One item from raw file to receipt: the same function here, on a resumed run and on another machine."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from isp.atomic import atomic_file
from isp.batch.decision import Decision, Rules, decide
from isp.batch.item import Item, Result, Status
from isp.batch.receipts import Input, Picture, Receipt, Receipts, look, make_folder, sha256
from isp.batch.thumbnail import thumbnail
from isp.batch.wanted import Wanted
from isp.collected import collected_warnings
from isp.convert import Settings, picture
from isp.errors import ChildError, DamagedError, IspError, RawError, StorageError, WriteError, bug_line, printable
from isp.image import picture_encoder
from isp.isolation import read_isolated
from isp.threads import one_thread

TRIES = 2  # of what crashed, hung or did not fit: bad luck may pass
_PASSING = {errno.EIO, getattr(errno, "ESTALE", errno.EIO)}  # a network file system that hiccups
_PAUSES = (0.2, 1.0, 5.0)  # seconds
_ITS_OWN = {  # what is wrong with one name or one folder, while others can be written
    errno.EACCES, errno.EPERM, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EFBIG,
}  # fmt: skip


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
    threads : int
        Per item.
    """

    out: Path
    settings: Settings
    file_format: str
    wanted: Wanted
    rules: Rules = field(default_factory=Rules)
    threads: int = 1


class _Task(NamedTuple):
    """An item that is to be done, and the raw file as it was when that was decided."""

    item: Item
    order: Order
    receipts: Receipts
    decision: Decision
    seen: Input | None


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
    task = _Task(item, order, receipts, decision, _look(item.source))
    for attempt in range(1, TRIES + 1):
        try:
            return _patiently(functools.partial(_make, task, attempt))
        except StorageError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _ITS_OWN:
                raise
            return Result(item, "failed", str(error), attempts=attempt)  # not for long: it shall be tried again
        except DamagedError as error:
            return _fail(task, "damaged", str(error), attempt)
        except (ChildError, MemoryError) as error:
            if isinstance(error, ChildError) and error.kind == "stopped":  # we are to end, the file is not to blame
                raise
            failure = str(error) or f"{printable(item.source)}: does not fit into memory; use a larger machine"
        except WriteError as error:
            now = decide(item, order.wanted, receipts, order.rules)
            if now.status != "todo":  # another run was faster
                return resulting(item, now)
            return _fail(task, "failed", str(error), attempt)
        except IspError as error:
            return _fail(task, "failed", str(error), attempt)
        except Exception as error:  # a bug, of ours or of a plugin; the other files shall not suffer from it
            return _fail(task, "failed", f"{printable(item.source)}: {bug_line(error)}", attempt)
    return _fail(task, "failed", failure, TRIES)


def resulting(item: Item, decision: Decision) -> Result:
    """Return the result of an item with which nothing is done."""
    reason = f"{printable(item.target)}: {decision.reason}" if decision.outcome == "blocked" else decision.reason
    if decision.receipt is None:
        return Result(item, decision.outcome, reason, attempts=0)
    return replace(_told(item, decision.receipt), status=decision.outcome, reason=reason, attempts=0, seconds={})


def _told(item: Item, receipt: Receipt) -> Result:
    """Return a result with what a receipt tells of the picture."""
    size = receipt.picture.size if receipt.picture else 0
    return Result(
        item, "done", "", receipt.warnings, receipt.seconds, receipt.megapixels, size, receipt.thumbnail,
        receipt.attempts,
    )  # fmt: skip


def _patiently(make: Callable[[], Result]) -> Result:
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


def _make(task: _Task, attempt: int) -> Result:
    """Read, compute, encode, put in place, keep the receipt."""
    item, order, receipts, decision, _ = task
    settings = order.settings
    before = _look(item.source)
    reading = read_isolated(
        item.source, crop=settings.crop, max_pixels=settings.max_pixels, headerless=settings.headerless,
        threads=order.threads, accept_damaged=order.rules.accept_damaged,
    )  # fmt: skip
    make_folder(item.target.parent)
    encoder = picture_encoder(reading.frame.meta, settings.pipeline.encoding, item.target, settings.output)
    start = time.perf_counter()
    with one_thread(order.threads == 1), collected_warnings() as warnings:
        pixels = picture(settings.pipeline, reading.frame, encoder.depth)
    computed = time.perf_counter()
    seconds = {"read": reading.seconds, "compute": computed - start}
    known = (before or Input("", 0, 0, 0))._replace(sha256=reading.sha256)
    with contextlib.ExitStack() as promise, one_thread(order.threads == 1):
        with atomic_file(item.target, overwrite=decision.replaces) as file:
            encoder.write(pixels, file)
            written = _written(file)
            seconds["write"] = time.perf_counter() - computed
            receipt = Receipt(
                os.fspath(item.source), known, order.wanted, "done", "", written,
                (*reading.warnings, *reading.damage, *warnings), seconds,
                pixels.shape[0] * pixels.shape[1] / 1e6, thumbnail(pixels), attempt,
            )  # fmt: skip
            promise.enter_context(receipts.intended(item, receipt))
    return replace(_told(item, receipt), status="done", reason=decision.reason)


def _look(source: Path) -> Input | None:
    try:
        return look(source)
    except (OSError, ValueError):  # what is wrong with it, reading it will tell
        return None


def _written(file: BinaryIO) -> Picture:
    """Return what was written into a file that is still open."""
    file.flush()
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    status = os.fstat(file.fileno())
    return Picture(digest, status.st_size, status.st_mtime_ns)


def _fail(task: _Task, status: Status, reason: str, attempt: int) -> Result:
    """Keep that an item failed, unless its raw file is not there or still grows: another time it may not fail."""
    item, order, receipts, decision, seen = task
    result = Result(item, status, reason, attempts=attempt)
    try:
        known = look(item.source)._replace(sha256=sha256(item.source))
        if seen != _look(item.source) or seen != known._replace(sha256=""):
            return result
    except (OSError, ValueError):
        return result
    before = decision.receipt.picture if decision.receipt else None  # it lies there still, and is ours
    receipts.write(
        item, Receipt(os.fspath(item.source), known, order.wanted, status, reason, before, attempts=attempt)
    )  # fmt: skip
    return result
