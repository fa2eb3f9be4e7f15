"""What the HTML page of a batch shows, and in which order: what went wrong first, then the time, then the pictures."""

from __future__ import annotations

import base64
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import resources
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup, escape

from isp.batch.item import Result
from isp.batch.report import Run
from isp.batch.units import duration, size
from isp.errors import printable

THUMBNAILS = 2000  # up to 30 MB of page, which opens in a second; the other pictures are a list
SLOWEST, SHOWN = 10, 20
MANY = 200  # pictures of a page that lays out only what is seen
STEPS = ("read", "compute", "write")
_TROUBLES = {
    "failed": ("Failed", "No picture was made."),
    "failed before": ("Failed before", "Nothing has changed since: not tried again.", "--retry-failed", "does."),
    "damaged": ("Damaged", "Readable, but known to be damaged: not written.", "--accept-damaged", "writes them."),
    "damaged before": ("Damaged before", "Nothing has changed since.", "--accept-damaged", "writes them."),
    "blocked": ("Blocked", "A file is in the way that the batch did not make; it was left as it is."),
    "warnings": ("Warnings", "These pictures were made; look at them."),
}


class Entry(NamedTuple):
    """A file in a list: its folder, its name, and what is to be said of it."""

    folder: str
    name: str
    note: str
    link: str = ""


class Section(NamedTuple):
    """A kind of trouble: its colour, what it is called, and an option that would do otherwise."""

    tone: str
    title: str
    text: tuple[str, ...]
    files: int
    groups: list[Group]


class Group(NamedTuple):
    """Files of which the same is said."""

    title: str
    advice: str
    entries: list[Entry]


class Bar(NamedTuple):
    """Seconds by step, and where each ends in per cent of the bar's full width."""

    ends: tuple[float, ...]
    text: str
    total: str


class Card(NamedTuple):
    """A picture."""

    entry: Entry
    thumbnail: str
    megapixels: str
    bar: Bar
    warnings: str


def render(results: list[Result], run: Run, folder: str, *, mark: str) -> Iterator[str]:
    """Return the page in pieces.

    Parameters
    ----------
    results : list of Result
        In the order in which the pictures are to be shown.
    run : Run
        The batch as a whole.
    folder : str
        Where the page will lie: its links to the pictures lead from there.
    mark : str
        What the page is to begin with.

    Returns
    -------
    iterator of str
        HTML.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"printable": printable, "duration": duration, "breakable": _breakable}
    template = environment.from_string(resources.files("isp.batch").joinpath("report.html.jinja").read_text("utf-8"))
    done = [result for result in results if result.status == "done"]
    there = [*done, *(result for result in results if result.status == "skipped")]  # if not all are shown, the new ones
    pictures = sorted([result for result in there if result.thumbnail][:THUMBNAILS], key=_folder_first)
    shown = {id(result) for result in pictures}
    stream = template.stream(
        mark=mark,
        run=run,
        **_headline(results, run),
        sections=_sections(results),
        slowest=_slowest(done),
        steps=_steps(done),
        full=duration(_full(done)),
        pictures=_cards(pictures, folder, _full(done)),
        pictures_count=len(pictures),
        earlier=any(not result.attempts for result in pictures),
        unseen=[_entry(result, folder=folder) for result in there if id(result) not in shown],
        limit=SHOWN,
        thumbnails=THUMBNAILS,
        many=len(pictures) > MANY,
    )
    stream.enable_buffering(100)
    return iter(stream)


def _status(result: Result) -> str:
    """Return the status, where those that an earlier run could not do count for themselves."""
    earlier = not result.attempts and result.status in ("failed", "damaged")
    return f"{result.status} before" if earlier else result.status


def _folder_first(result: Result) -> tuple[bytes, bytes]:
    folder, name = os.path.split(os.fsencode(result.item.relative))
    return folder, name


def _headline(results: list[Result], run: Run) -> dict[str, Any]:
    counts = Counter(map(_status, results))
    left = run.total - len(results)
    there = counts["done"] + counts["skipped"]
    done = [result for result in results if result.status == "done"]
    megapixels, written = sum(r.megapixels for r in done), sum(r.bytes_written for r in done)
    numbers = [("made", f"{counts['done']:,}", "done")]
    numbers += [("done before", f"{counts['skipped']:,}", "skipped")] if counts["skipped"] else []
    troubles = ("failed", "failed before", "damaged", "damaged before", "blocked")
    numbers += [(trouble, f"{counts[trouble]:,}", trouble.split()[0]) for trouble in troubles if counts[trouble]]
    numbers += [("left", f"{left:,}", "left")] if left else []
    doubtful = sum(bool(result.warnings) for result in results)
    numbers += [("with warnings", f"{doubtful:,}", "warnings")] if doubtful else []
    facts = [duration(run.seconds)]
    if done:
        speed = megapixels / max(run.seconds, 1e-3)
        facts += [f"{speed:,.1f} megapixels per second", f"{size(written)} written"]
    shares = {**counts, "left": left}
    order = ("done", "skipped", "left", "blocked", "damaged before", "damaged", "failed before", "failed")
    return {
        "title": _title(there, run.total),
        "facts": ", ".join(facts),
        "numbers": numbers,
        "shares": [(name.split()[0], 100 * shares[name] / run.total, name) for name in order if shares.get(name)],
    }


def _title(there: int, total: int) -> str:
    if total == 0:
        return "There was nothing to do."
    if there == total:
        return f"All {total:,} pictures are there." if total > 1 else "The picture is there."
    return f"{there:,} of {total:,} pictures are there."


def _sections(results: list[Result]) -> list[Section]:
    """Return what went wrong."""
    said: dict[str, list[tuple[Result, str]]] = {name: [] for name in _TROUBLES}
    for result in results:
        if _status(result) in said:
            said[_status(result)].append((result, _reason(result)))
        said["warnings"] += [(result, warning) for warning in result.warnings]
    return [
        Section(
            name.split()[0],
            _TROUBLES[name][0],
            _TROUBLES[name][1:],
            len({id(result) for result, _ in pairs}),
            _groups(pairs),
        )
        for name, pairs in said.items()
        if pairs
    ]


def _reason(result: Result) -> str:
    """Return why, without the ``(failed before; ..)`` behind it that the section says."""
    return result.reason.rpartition(" (")[0] if _status(result).endswith(" before") else result.reason


def _groups(pairs: list[tuple[Result, str]]) -> list[Group]:
    """Put those together that differ by their names and numbers only; the largest group first."""

    def kind(pair: tuple[Result, str]) -> str:
        return re.sub(r"\d+([.,]\d+)*", "…", _without_name(*pair).partition(";")[0])

    groups = []
    for general, same in groupby(sorted(pairs, key=kind), key=kind):
        members = [(result, _without_name(result, text)) for result, text in same]
        texts = {text.partition(";")[0] for _, text in members}
        title = texts.pop() if len(texts) == 1 else general
        entries = [
            _entry(result, note="" if text.partition(";")[0] == title else text.partition(";")[0])
            for result, text in members
        ]
        groups.append(Group(title, members[0][1].partition(";")[2].strip(), entries))
    return sorted(groups, key=lambda group: -len(group.entries))


def _without_name(result: Result, text: str) -> str:
    """Return what is said of a file without its name, or its picture's, before it: the list shows the name anyway."""
    line = printable(text)
    for path in (result.item.source, result.item.target, result.item.source.name):
        line = line.removeprefix(f"{printable(path)}: ")
    return line or "no reason given"


def _entry(result: Result, *, note: str = "", folder: str | None = None) -> Entry:
    """Return a file for a list; with `folder`, where the page lies, with a link to its picture."""
    below, name = os.path.split(result.item.relative if folder is not None else result.item.source)
    link = "" if folder is None else _link(os.fspath(result.item.target), folder)
    tries = f"{result.attempts} tries" if result.attempts > 1 else ""
    return Entry(
        printable(below) + "/" if below else "", printable(name), " · ".join(filter(None, (note, tries))), link
    )


def _breakable(name: str) -> Markup:
    """Return a name as HTML that breaks where a reader would break it."""
    return Markup(re.sub(r"([_-])", r"\1<wbr>", str(escape(name))))


def _link(target: str, folder: str) -> str:
    """Return the address of a picture, relative where that is possible, for any bytes in its name."""
    try:
        path = os.path.relpath(target, folder)
    except ValueError:  # another drive
        return ""
    return quote(os.fsencode(path.replace(os.sep, "/")))


def _cards(results: Iterable[Result], folder: str, full: float) -> Iterator[Card]:
    """Yield pictures one by one: their thumbnails need not be in memory twice."""
    for result in results:
        yield Card(
            _entry(result, folder=folder),
            base64.b64encode(result.thumbnail).decode(),
            f"{result.megapixels:.1f} MP",
            _bar(result, full),
            "\n".join(map(printable, result.warnings)),
        )


def _slowest(done: list[Result]) -> list[tuple[Entry, Bar, str]]:
    slowest = sorted(done, key=_total, reverse=True)[:SLOWEST]
    return [(_entry(r), _bar(r, _total(slowest[0])), f"{r.megapixels:.1f} MP") for r in slowest if _total(r) > 0]


def _steps(done: list[Result]) -> list[tuple[str, str, float]]:
    """Return name, time and share in per cent of each step, over all files."""
    sums = {step: sum(result.seconds.get(step, 0.0) for result in done) for step in STEPS}
    total = sum(sums.values())
    return [(step, duration(seconds), 100 * seconds / total) for step, seconds in sums.items() if total > 0]


def _bar(result: Result, full: float) -> Bar:
    times = [result.seconds.get(step, 0.0) for step in STEPS]
    scale = 100 / max(full, sum(times), 1e-9)
    text = ", ".join(f"{step} {duration(time)}" for step, time in zip(STEPS, times, strict=True) if any(times))
    ends = tuple(round(scale * sum(times[: n + 1]), 1) for n in range(len(STEPS)))
    return Bar(ends, text, duration(sum(times)) if text else "before")


def _total(result: Result) -> float:
    return sum(result.seconds.get(step, 0.0) for step in STEPS)


def _full(done: list[Result]) -> float:
    """Return the seconds of a bar of full width: all but the slowest twentieth fit in."""
    times = sorted(map(_total, done))
    return times[len(times) * 19 // 20] if times else 0.0
