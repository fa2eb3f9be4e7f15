"""A batch from the sources that a user names to the results of all items."""

from __future__ import annotations

import dataclasses
import os
import random
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from isp.batch.decision import Decision, Rules, decide
from isp.batch.engine import Engine
from isp.batch.item import Item, Result
from isp.batch.left_overs import remove_left_overs
from isp.batch.local import Local
from isp.batch.lock import locked
from isp.batch.names import name_pictures
from isp.batch.process import Order, resulting
from isp.batch.receipts import Receipts, make_folder
from isp.batch.sources import Choice, find
from isp.batch.wanted import wanted
from isp.convert import Settings
from isp.errors import ParameterError, RawError, printable
from isp.plan import SUFFIX, check_format, ends_linear, identity

_RAW_IN_THE_WAY = Decision("blocked", "a raw file of this batch has its name; choose another folder for the pictures")


@dataclass(frozen=True, slots=True)
class Options:
    """How a batch goes about its work.

    Attributes
    ----------
    choice : Choice
        Which files of folders count.
    rules : Rules
        What may be replaced and is to be tried again.
    join : bool
        Work along with another run on the same folder.
    """

    choice: Choice = field(default_factory=Choice)
    rules: Rules = field(default_factory=Rules)
    join: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What a batch would do.

    Attributes
    ----------
    order : Order
        What all items have in common.
    decisions : dict of Item to Decision
        For every item, in order.
    strays : tuple of str
        Pictures of an earlier run, by their path in the output folder, that no raw file stands for any more.
    """

    order: Order
    decisions: dict[Item, Decision]
    strays: tuple[str, ...]

    @property
    def todo(self) -> list[Item]:
        """The items on which there is work."""
        return [item for item, decision in self.decisions.items() if decision.status == "todo"]

    def reasons(self) -> Counter[str]:
        """Return how many items are to be done for which reason."""
        return Counter(decision.reason for decision in self.decisions.values() if decision.status == "todo")


def survey(
    sources: Iterable[str | os.PathLike[str]], out: str | os.PathLike[str], settings: Settings | None = None,
    options: Options | None = None,
) -> Survey:  # fmt: skip
    """Find out what `run` would do; nothing is written.

    Parameters
    ----------
    sources : iterable of path
        Folders, with all folders below them; raw files; patterns.
    out : path
        The folder for the pictures, in a tree like that of the sources.
    settings : Settings, optional
        How raw files become pictures; the default pipeline to JPEG if None.
    options : Options, optional
        Which files, what may be replaced.

    Raises
    ------
    RawError
        If there is no raw file.
    ParameterError, PipelineError
        If the settings do not fit together.
    """
    settings, options, out = settings or Settings(), options or Options(), Path(out)
    file_format = check_format(settings, None, linear=ends_linear(settings.pipeline))
    if out.exists() and not out.is_dir():
        raise ParameterError(f"-o {printable(out)} is a file; give a folder")
    named = [Path(source) for source in sources]
    found = find(named, options.choice._replace(headerless=settings.headerless is not None), out=out)
    if not found:
        raise RawError(f"{', '.join(map(printable, named))}: no raw files there; name files, or another folder")
    items = name_pictures(found, out, SUFFIX[file_format])
    rules = options.rules._replace(accept_damaged=options.rules.accept_damaged or settings.accept_damaged)
    order = Order(out, settings, file_format, wanted(settings, file_format), rules)
    receipts = Receipts(out)
    raws = {identity(item.source) for item in items} - {None}
    decisions = {
        item: _RAW_IN_THE_WAY if identity(item.target) in raws else _light(decide(item, order.wanted, receipts, rules))
        for item in items
    }
    unknown = receipts.keys() - {item.key for item in items}
    strays = sorted(name for key in unknown if (name := receipts.name(key)) and os.path.lexists(out / name))
    return Survey(order, decisions, tuple(strays))


def _light(decision: Decision) -> Decision:
    """Return a decision without the thumbnail: thousands of them take memory."""
    receipt = decision.receipt
    return decision if receipt is None else decision._replace(receipt=dataclasses.replace(receipt, thumbnail=b""))


def run(
    sources: Iterable[str | os.PathLike[str]], out: str | os.PathLike[str], settings: Settings | None = None,
    options: Options | None = None, *, engine: Engine | None = None,
) -> Iterator[Result]:  # fmt: skip
    """Convert raw files, and yield what came of each as it finishes.

    What was done before, of the same bytes, with the same recipe, output and versions, is not done again: see
    `isp.batch.decision.decide`. Nothing that the batch did not make is replaced.

    Parameters
    ----------
    sources, out, settings, options
        As for `survey`.
    engine : Engine, optional
        Who does the work; by default threads on this machine.

    Yields
    ------
    Result
        One for each item, those first on which there is no work.

    Raises
    ------
    StorageError
        If the disk is full or read-only; all that was done is kept.
    LockedError
        If another run works on the folder, and the options do not say to join it.

    Examples
    --------
    >>> import tempfile, isp.batch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     results = list(isp.batch.run(["sample_raws/dc50_0008.KDC"], folder))
    >>> [(result.item.relative, result.status, result.reason) for result in results]
    [('dc50_0008.jpg', 'done', 'new')]
    """
    options = options or Options()
    yield from work(survey(sources, out, settings, options), join=options.join, engine=engine)


def work(surveyed: Survey, *, join: bool = False, engine: Engine | None = None) -> Generator[Result]:
    """Do what a survey found, and yield what came of each item; see `run`."""
    order, todo, receipts = surveyed.order, surveyed.todo, Receipts(surveyed.order.out)
    make_folder(order.out)
    with locked(order.out, join=join) as ours:
        remove_left_overs(order.out)
        for item, decision in surveyed.decisions.items():
            if decision.status != "todo":
                yield resulting(item, decision._replace(receipt=decision.receipt and receipts.read(item)))
        if not ours:
            random.shuffle(todo)  # or it would follow the other run, file by file
        if todo:
            yield from (engine or Local()).run(todo, order)
