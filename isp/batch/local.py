"""The engine of one machine: threads, each of which sees an item through from raw file to receipt.

Decoding happens in other processes, and computing, encoding and hashing leave Python to the other threads, so these
overlap for different files. Items are begun only as memory allows.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator

from isp import isolation
from isp.batch.item import Item, Result
from isp.batch.process import Order, process_item
from isp.memory import free_memory
from isp.threads import thread_count

GRACE = 5.0  # seconds that items at work have to end when the run is stopped
_SHARE = 0.7  # of the free memory
_BYTES_EACH = 150 << 20  # of an item whatever its size: libraries in the child, buffers
_BYTES_PER_BYTE = 16  # of a raw file: its content, its mosaic, its picture, and what LibRaw takes


class Local:
    """Threads on this machine.

    Parameters
    ----------
    jobs : int, optional
        Items at a time; by default as many as there are processors for this process.
    memory : int, optional
        Bytes for all of them; by default seven tenths of what is free. An item that needs more runs alone.
    """

    def __init__(self, jobs: int | None = None, memory: int | None = None) -> None:
        self.jobs = jobs or thread_count()
        self._budget = _Budget(memory or int(_SHARE * free_memory()))
        self._over = threading.Event()

    def run(self, items: Iterable[Item], order: Order) -> Iterator[Result]:
        """Yield results as they finish; closed, it begins nothing new, and ends what runs after five seconds."""
        waiting = _Shared(items)
        ended: queue.SimpleQueue[Result | BaseException | None] = queue.SimpleQueue()
        workers = [
            threading.Thread(target=self._work, args=(waiting, order, ended), name=f"isp-batch-{n}", daemon=True)
            for n in range(self.jobs)
        ]
        for worker in workers:
            worker.start()
        try:
            running = len(workers)
            while running:
                result = ended.get()
                if isinstance(result, BaseException):
                    raise result
                if result is None:
                    running -= 1
                else:
                    yield result
        finally:
            self._stop(workers)

    def _work(
        self, waiting: _Shared, order: Order, ended: queue.SimpleQueue[Result | BaseException | None]
    ) -> None:  # fmt: skip
        try:
            for item in waiting:
                with self._budget.taken(_cost(item)):
                    if self._over.is_set():
                        return
                    ended.put(process_item(item, order))
        except BaseException as error:  # handed to the thread that waits for results
            self._over.set()
            ended.put(error)
        else:
            ended.put(None)

    def _stop(self, workers: list[threading.Thread]) -> None:
        """Begin nothing new; give what runs a little time, then end the children in which it reads."""
        self._over.set()
        self._budget.open()
        until = time.monotonic() + GRACE
        try:
            for worker in workers:
                worker.join(max(0.0, until - time.monotonic()))
        finally:  # a second Ctrl-C does not wait
            if any(worker.is_alive() for worker in workers):
                isolation.stop()


class _Shared:
    """An iterator that several threads draw from."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items, self._lock = iter(items), threading.Lock()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        with self._lock:
            return next(self._items)


def _cost(item: Item) -> int:
    try:
        return _BYTES_EACH + _BYTES_PER_BYTE * os.stat(item.source).st_size
    except (OSError, ValueError):
        return _BYTES_EACH


class _Budget:
    """Bytes that are shared; what is larger than all waits until it is alone."""

    def __init__(self, size: int) -> None:
        self._size, self._used, self._open = size, 0, False
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, cost: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._open or not self._used or self._used + cost <= self._size)
            self._used += cost
        try:
            yield
        finally:
            with self._changed:
                self._used -= cost
                self._changed.notify_all()

    def open(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._open = True
            self._changed.notify_all()
