"""Who does the work: something that is handed items and yields their results as they finish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from isp.batch.item import Item, Result
from isp.batch.process import Order


class Engine(Protocol):
    """Does `process_item` for items, in any order, on this machine or elsewhere."""

    def run(self, items: Iterable[Item], order: Order) -> Iterator[Result]:
        """Yield results as they finish; when the iterator is closed, nothing new is begun and what runs is ended.

        Raises
        ------
        StorageError
            If the disk is full or read-only.
        """
        ...
