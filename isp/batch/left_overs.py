"""What runs that died have left in an output folder, and its removal."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from isp.atomic import is_left_over
from isp.batch.decision import is_in_place
from isp.batch.item import Item
from isp.batch.receipts import FOLDER, Receipts


def remove_left_overs(out: Path) -> None:
    """Remove the temporary files of writers that are dead."""
    _settle_intents(out)
    for folder, below, names in os.walk(out):
        below[:] = [name for name in below if not name.startswith(".") or name == FOLDER]
        for name in names:
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                if name.endswith(".part") and _is_left_over(path):
                    path.unlink()


def _is_left_over(path: Path) -> bool:
    return is_left_over(path.name, time.time() - path.stat().st_mtime)


def _settle_intents(out: Path) -> None:
    """Keep intents of dead writers as the receipts of pictures that are there and have none; remove the others."""
    receipts = Receipts(out)
    for path, name, intended in receipts.all_intents():
        with contextlib.suppress(OSError):
            if not _is_left_over(path):
                continue
            if name is not None and intended is not None:
                item = Item(Path(intended.source), out / name, name)
                kept = receipts.read(item)
                if is_in_place(item, intended) and not (kept and is_in_place(item, kept)):
                    receipts.adopt(item, path)
                    continue
            path.unlink()
