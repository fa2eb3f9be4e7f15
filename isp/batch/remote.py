"""What a worker of a cluster does: an item, under the names that files have on its machine, if it can do it right."""

from __future__ import annotations

import dataclasses
import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import isp
from isp.batch.item import Item, Result
from isp.batch.process import Order, process_item
from isp.batch.receipts import FOLDER
from isp.batch.wanted import FILES, contents, wanted
from isp.errors import ClusterError, IspError, printable
from isp.pipeline import Pipeline

MARK = os.path.join(FOLDER, "folder")  # its content is random, and so tells whether two machines see one folder

_at_work: list[str] = []  # the run of each item that this process works on


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker must know besides the item; equal if of the same run.

    Attributes
    ----------
    run : str
        ASCII, and different for each.
    order : Order
        With this machine's paths.
    mark : bytes
        Content of the file `MARK` in the folder for the pictures.
    folder : str
        That relative paths start from.
    roots : tuple of (str, str)
        Folders as they are called here and on the workers, the longest first.
    """

    run: str
    order: Order = field(compare=False)
    mark: bytes = field(compare=False)
    folder: str = field(compare=False)
    roots: tuple[tuple[str, str], ...] = field(compare=False)
    versions: dict[str, str] = field(init=False, compare=False)
    contents: list[str] = field(init=False, compare=False)  # of the files that the recipe names

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", _versions(self.order))
        object.__setattr__(self, "contents", contents(self.order.settings.pipeline))

    def there(self, path: str | os.PathLike[str]) -> Path:
        """Return a path as it is called on the workers."""
        whole = Path(self.folder, path)
        plain = Path(os.path.normpath(whole))
        for here, there in self.roots:
            if plain.is_relative_to(here):
                return Path(there, plain.relative_to(here))
        return whole


def process(item: Item, job: Job) -> Result:
    """Do an item on a worker; the result has the names of the machine that asked.

    Raises
    ------
    ClusterError
        If this worker would make another picture.
    StorageError
        If its disk is full or read-only.
    """
    from distributed import get_worker

    if difference := differs(job):
        raise ClusterError(f"worker {get_worker().address}: {difference}")
    item_there = Item(job.there(item.source), job.there(item.target), item.relative)
    _at_work.append(job.run)
    try:
        result = process_item(item_there, _order_there(job))
    finally:
        _at_work.remove(job.run)

    def back(text: str) -> str:
        for here, there in zip(item[:2], item_there[:2], strict=True):
            text = text.replace(printable(there), printable(here))
        return text

    return dataclasses.replace(
        result, item=item, reason=back(result.reason), warnings=tuple(map(back, result.warnings))
    )


def is_at_work(run: str) -> bool:
    """Whether this process works on an item of a run."""
    return run in _at_work


@functools.lru_cache(maxsize=4)
def differs(job: Job) -> str:
    """Return why this worker would make other pictures than the machine that asks, or elsewhere; empty if it would not.

    Asked for each item, for workers may come at any time; answered once for each run.
    """
    try:
        order = _order_there(job)
        versions = _versions(order)
        same_files = contents(order.settings.pipeline) == job.contents
    except IspError as error:
        return str(error)
    for name in sorted({*versions, *job.versions}):
        if versions.get(name) != job.versions.get(name):
            there, here = versions.get(name, "missing"), job.versions.get(name, "missing")
            return f"{name} is {there} there and {here} here; install the same on both"
    if not same_files:
        return "a file that the recipe names is another one there; copy it, or share its folder"
    try:
        found = Path(order.out, MARK).read_bytes()
    except OSError:
        found = b""
    if found != job.mark:
        return f"{printable(order.out)} is not the output folder there; share it, or say its name with --map-root"
    return ""


@functools.lru_cache(maxsize=4)
def _order_there(job: Job) -> Order:
    """Return the order with the names that files have on this worker; what pictures are made of stays the same."""
    order = job.order
    settings = dataclasses.replace(order.settings, pipeline=_pipeline_there(order.settings.pipeline, job))
    return dataclasses.replace(order, out=job.there(order.out), settings=settings, threads=1)


def _pipeline_there(pipeline: Pipeline, job: Job) -> Pipeline:
    stages = []
    for stage in pipeline.stages:
        names: dict[str, Any] = {name: getattr(stage, name, None) for name in FILES}
        changes = {
            name: os.fspath(job.there(value)) for name, value in names.items() if isinstance(value, str | os.PathLike)
        }
        stages.append(dataclasses.replace(stage, **changes) if changes else stage)  # type: ignore[type-var]
    return dataclasses.replace(pipeline, stages=tuple(stages))


def _versions(order: Order) -> dict[str, str]:
    """Return the versions of all that computes here."""
    return {"isp": isp.__version__, **wanted(order.settings, order.file_format).versions}
