"""The engine of several machines: dask's workers do what threads do on one, and dask looks after the workers.

An item may be done twice, when a worker is lost with its answer. It is safe for the same reason that a batch can be
resumed: all that it leaves behind are whole pictures and receipts.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import logging
import math
import os
import queue
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any, TypeAlias, cast

import isp
from isp.atomic import atomic_file
from isp.batch.item import Item, Result
from isp.batch.process import Order
from isp.batch.receipts import make_folder
from isp.batch.remote import MARK, Job, differs, is_at_work, process
from isp.errors import ClusterError, IspError, MissingPackageError, ParameterError, StorageError, WriteError, printable

logger = logging.getLogger(__name__)

GRACE = 5.0  # seconds that items at work have to end when the run is stopped
_PATIENCE = 10.0  # seconds to reach a scheduler
_LOOK_EVERY = 1.0  # seconds: workers come and go
_LEAST = 4  # items handed over even if there is no worker: they are what an adaptive cluster grows for
_IN_VAIN = 5  # looks without finding one, until it is said
_KEPT = "what was done is kept, and the same command goes on from there"

Client: TypeAlias = Any  # dask's, of which nothing is known where it is not installed
Future: TypeAlias = Any


class Cluster:
    """Workers of a dask cluster, of which each thread works on one item at a time.

    Parameters
    ----------
    scheduler : str, optional
        Address, as ``tcp://host:8786``.
    scheduler_file : Path, optional
        The file in which a scheduler tells its address; instead of `scheduler`.
    roots : tuple of (str, str)
        Folders as they are called here and on the workers, where that is not the same.

    Raises
    ------
    ParameterError
        If not exactly one of `scheduler` and `scheduler_file` is given.
    """

    def __init__(
        self, scheduler: str | None = None, scheduler_file: Path | None = None, roots: tuple[tuple[str, str], ...] = ()
    ) -> None:
        if (scheduler is None) == (scheduler_file is None):
            raise ParameterError("a cluster needs one of --scheduler ADDRESS and --scheduler-file FILE; give one")
        self._scheduler, self._file = scheduler, scheduler_file
        self._roots = tuple(sorted(roots, key=lambda root: -len(root[0])))

    def run(self, items: Iterable[Item], order: Order) -> Iterator[Result]:
        """Yield results as they finish; closed, it begins nothing new, and waits five seconds for what runs.

        Raises
        ------
        ClusterError
            If the scheduler cannot be reached or is lost, or a worker would make other pictures than this machine.
        MissingPackageError
            If dask is not installed.
        StorageError
            If a worker's disk is full or read-only.
        """
        job = Job(secrets.token_hex(8), order, _mark(order.out), os.getcwd(), self._roots)
        with _connected(self._address()) as client:
            _require_same(client, job)
            handed = _Handed(client, job)
            try:
                yield from handed.results(iter(items))
            finally:
                handed.withdraw()

    def _address(self) -> str:
        if self._file is None:
            return str(self._scheduler)
        try:
            return str(json.loads(self._file.read_bytes())["address"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "strerror", None) or "it tells no address"
            raise ClusterError(
                f"--scheduler-file {printable(self._file)}: cannot be read: {reason}; "
                "`dask scheduler --scheduler-file FILE` writes one"
            ) from error


def parse_root(text: str) -> tuple[str, str]:
    """Return what ``LOCAL=REMOTE`` says: a folder as it is called here, and as it is called on the workers.

    Parameters
    ----------
    text : str
        As the user wrote it.

    Returns
    -------
    tuple of (str, str)
        For `Cluster`.

    Raises
    ------
    ParameterError
        If it is not two folders, the second with its full path.

    Examples
    --------
    >>> parse_root("/home/me/photos=/mnt/photos")
    ('/home/me/photos', '/mnt/photos')
    """
    here, _, there = text.partition("=")
    if not here or not PurePath(there).is_absolute():
        raise ParameterError(f"--map-root {text!r} is not allowed; give LOCAL=REMOTE, as /home/me/photos=/mnt/photos")
    return os.path.abspath(here), there


def _mark(out: Path) -> bytes:
    """Return by what a worker knows the folder for the pictures, whatever it is called there."""
    path = out / MARK
    make_folder(path.parent)
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    try:
        with atomic_file(path) as file:
            file.write(secrets.token_hex(16).encode())
    except StorageError:
        raise
    except WriteError:  # another run was faster
        pass
    return path.read_bytes()


def _dask() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise MissingPackageError("clusters need dask, which is not installed; pip install 'isp[cluster]'") from error


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Client]:
    """Connect with a scheduler, and say in one line if that does not succeed or does not last."""
    distributed = _dask()
    with _quiet():
        try:
            client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False, name="isp")
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"no scheduler answers at {address}; check the address, or start one with `dask scheduler`"
            ) from error
        try:
            yield client
        except (OSError, distributed.CancelledError) as error:
            if not _is_lost(client):
                raise
            raise ClusterError(f"the scheduler at {address} is gone; {_KEPT}") from error
        finally:
            with contextlib.suppress(OSError):
                client.close(_PATIENCE)


def _is_lost(client: Client) -> bool:
    """Whether a client has lost its scheduler, which a call may know before the client does."""
    until = time.monotonic() + _LOOK_EVERY
    while client.status == "running" and time.monotonic() < until:
        time.sleep(0.01)
    return bool(client.status != "running")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let dask keep to itself what we say in one line."""
    logs = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _require_same(client: Client, job: Job) -> None:
    """Raise `ClusterError` if a worker would make other pictures than this machine: each that is there now is asked."""
    workers = defaultdict(list)
    for address, answer in client.run(differs, job, on_error="return").items():
        if isinstance(answer, OSError):  # it is gone
            continue
        if answer:
            workers[_cannot_run(answer) if isinstance(answer, Exception) else answer].append(address)
    if workers:
        raise ClusterError("; ".join(f"worker {', '.join(sorted(who))}: {what}" for what, who in workers.items()))


def _cannot_run(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"cannot run isp ({type(error).__name__}: {text}); install isp {isp.__version__} with scheduler and workers"


class _Handed:
    """The items that the workers have, and what comes back."""

    def __init__(self, client: Client, job: Job) -> None:
        self._client, self._job = client, job
        self._pending: dict[str, tuple[Item, Future]] = {}
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._looks_in_vain = 0

    def results(self, waiting: Iterator[Item]) -> Iterator[Result]:
        """Keep all workers busy, but hand over no more than that takes, and yield results as they finish."""
        window, looked = 0, -math.inf
        while True:
            if time.monotonic() - looked > _LOOK_EVERY:
                window, looked = self._window(), time.monotonic()
            for item in itertools.islice(waiting, max(0, window - len(self._pending))):
                self._hand_over(item)
            if not self._pending:
                return
            try:
                ended = self._ended.get(timeout=_LOOK_EVERY)
            except queue.Empty:
                continue
            yield self._result(*self._pending.pop(ended.key))

    def withdraw(self) -> None:
        """Let nothing more be begun, and give what runs a little time."""
        if not self._pending or self._client.status != "running":
            return
        with contextlib.suppress(OSError):
            self._client.cancel([future for _, future in self._pending.values()])
            until = time.monotonic() + GRACE
            while time.monotonic() < until and self._is_at_work():
                time.sleep(0.1)

    def _is_at_work(self) -> bool:
        return any(self._client.run(is_at_work, self._job.run, on_error="ignore").values())

    def _window(self) -> int:
        threads: int = sum(self._client.nthreads().values())
        self._looks_in_vain = 0 if threads else self._looks_in_vain + 1
        if self._looks_in_vain == _IN_VAIN:
            logger.warning("the scheduler has no workers; the batch goes on when some come")
        return max(_LEAST, 2 * threads)

    def _hand_over(self, item: Item) -> None:
        # a key of this run alone, or the scheduler would return what it remembers; in ASCII, or it would hang up
        future = self._client.submit(process, item, self._job, key=f"isp-{self._job.run}-{item.key}", retries=0)
        self._pending[future.key] = item, future
        future.add_done_callback(self._ended.put)

    def _result(self, item: Item, future: Future) -> Result:
        distributed, name = _dask(), printable(item.source)
        try:
            return cast(Result, future.result())
        except distributed.KilledWorker as error:
            lost = error.allowed_failures + 1
            return Result(item, "failed", f"{name}: lost {lost} workers that worked on it; give workers more memory")
        except (IspError, OSError, distributed.CancelledError):
            raise
        except Exception as error:  # it could not even be begun
            raise ClusterError(f"{name}: {_cannot_run(error)}") from error
