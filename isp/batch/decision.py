"""What is to be done with an item, and why: from its receipt, its raw file and what lies under its name."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from isp.batch.item import Item, Status
from isp.batch.receipts import Input, Picture, Receipt, Receipts, look, sha256
from isp.batch.wanted import Wanted

_AGAIN = "--retry-failed tries again"
_LOOKS = 10  # at an item that others work on too


class Rules(NamedTuple):
    """What the user allows and asks for.

    Attributes
    ----------
    overwrite : bool
        Replace pictures that the batch did not make.
    retry_failed : bool
        Try again what failed or was damaged.
    verify : bool
        Compare the hashes of pictures, not only their sizes.
    checksum : bool
        Compare the hashes of raw files, even if size, time and place are the same.
    keep_version : bool
        Leave pictures that another version of isp, LibRaw or an encoder made.
    accept_damaged : bool
        Write pictures of raw files that are known to be damaged.
    """

    overwrite: bool = False
    retry_failed: bool = False
    verify: bool = False
    checksum: bool = False
    keep_version: bool = False
    accept_damaged: bool = False


class Decision(NamedTuple):
    """What is to be done with an item.

    Attributes
    ----------
    status : {"todo", "skipped", "blocked"}
        Whether it is done now, need not be, or must not be.
    reason : str
        Why: "new", "recipe changed", "done before", ..
    replaces : bool
        Whether what lies under the picture's name may be replaced.
    receipt : Receipt or None
        Of what was done before.
    """

    status: str
    reason: str
    replaces: bool = False
    receipt: Receipt | None = None

    @property
    def outcome(self) -> Status:
        """The status of a result without any work."""
        if self.status == "blocked":
            return "blocked"
        before = self.receipt.status if self.receipt else "done"
        return "skipped" if before == "done" else "failed" if before == "failed" else "damaged"


def decide(item: Item, wanted: Wanted, receipts: Receipts, rules: Rules) -> Decision:
    """Return what is to be done with an item.

    Done means: the receipt tells of the same raw file, the same recipe, output and versions, and the picture is there
    with the size that the receipt tells. A picture that is not as a receipt tells is not ours, and is only replaced if
    the rules say so.
    """
    for _ in range(_LOOKS):
        receipt = _latest(item, receipts)
        decision = _decide(item, wanted, receipt, rules)
        if decision.status != "blocked" or _latest(item, receipts) == receipt:
            break  # else another run put its picture there between two looks, and it is ours
    return decision


def _decide(item: Item, wanted: Wanted, receipt: Receipt | None, rules: Rules) -> Decision:
    why = _why(item, wanted, receipt, rules)
    present = os.path.lexists(item.target)
    if present and (trouble := _in_the_way(item)):
        return Decision("blocked", trouble, receipt=receipt)
    if receipt is not None and why is None and receipt.status != "done":
        if not rules.retry_failed and not (receipt.status == "damaged" and rules.accept_damaged):
            return Decision("skipped", f"{receipt.reason} ({receipt.status} before; {_AGAIN})", receipt=receipt)
        why = f"{receipt.status} before"
    if why is None:
        assert receipt is not None and receipt.picture is not None
        if not present:
            why = "picture missing"
        elif _is(item, receipt.picture, rules.verify):
            return Decision("skipped", "done before", receipt=receipt)
        elif not rules.overwrite:
            return Decision("blocked", "the picture was changed since the batch wrote it; --overwrite makes it again")
        else:
            why = "picture changed"
    if not present or rules.overwrite:
        return Decision("todo", why, present, receipt)
    picture = receipt.picture if receipt else None
    if picture is not None and _is(item, picture, _differs(item, picture)):
        return Decision("todo", why, True, receipt)
    return Decision("blocked", "a file that the batch did not make has its name; --overwrite replaces it")


def _latest(item: Item, receipts: Receipts) -> Receipt | None:
    """Return an item's receipt: that of the picture which is there, even if its writer died before it kept it."""
    receipt, intents = receipts.read(item), receipts.intents(item)
    if not intents or (receipt is not None and is_in_place(item, receipt)):
        return receipt
    return next((intent for intent in intents if is_in_place(item, intent)), receipt)


def is_in_place(item: Item, receipt: Receipt) -> bool:
    """Whether the picture is there, byte by byte, that a receipt tells of."""
    return receipt.picture is not None and _is(item, receipt.picture, True)


def _in_the_way(item: Item) -> str | None:
    """Return what lies under the picture's name if no picture may ever replace it."""
    try:
        if not stat.S_ISREG(os.stat(item.target).st_mode):
            return "a folder or a device has its name; choose another folder for the pictures"
    except (OSError, ValueError):
        pass
    return None


def _why(item: Item, wanted: Wanted, receipt: Receipt | None, rules: Rules) -> str | None:
    """Return what has changed since a receipt; None if nothing has."""
    if receipt is None:
        return "new"
    if receipt.wanted.recipe != wanted.recipe:
        return "recipe changed"
    if receipt.wanted.output != wanted.output:
        return "output changed"
    if receipt.wanted.versions != wanted.versions and not rules.keep_version:
        return "version changed"
    if not _is_same(item, receipt.input, rules):
        return "raw file changed"
    return None


def _is_same(item: Item, known: Input | None, rules: Rules) -> bool:
    """Whether the raw file is still that of a receipt."""
    try:
        now = look(item.source)
        if known is None:
            return False
        if (now.size, now.sidecar) != (known.size, known.sidecar):
            return False
        if now[1:] == known[1:] and not rules.checksum:
            return True
        return sha256(item.source) == known.sha256
    except (OSError, ValueError):  # missing, unreadable: no change, and it fails again where it is read
        return known is None


def _differs(item: Item, picture: Picture) -> bool:
    """Whether a picture's time is not that of a receipt, so that its content must tell."""
    try:
        return os.stat(item.target).st_mtime_ns != picture.mtime_ns
    except OSError:
        return True


def _is(item: Item, picture: Picture, by_content: bool) -> bool:
    try:
        if os.stat(item.target).st_size != picture.size:
            return False
        return not by_content or sha256(item.target) == picture.sha256
    except OSError:
        return False
