"""The report of a batch: as JSON for programs, as one HTML page for people.

The JSON has ``"format": "isp-batch-report"`` and a ``"version"``, which changes when a reader of the old one would go
wrong. ``"run"`` says what was asked for (`Run`), ``"counts"`` how many items have which status, ``"items"`` holds one
object per item, one per line, by name: ``key``, ``name``, ``source``, ``target``, ``status``, ``reason``, ``warnings``,
``seconds`` (by step), ``megapixels``, ``bytes_written`` and ``attempts``, as in `isp.batch.item.Result`. A path is an
object: ``text`` can be shown; ``base64``, which is there only if the text is not the path itself, holds its bytes.
"""

from __future__ import annotations

import base64
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from isp.atomic import atomic_file, check_target
from isp.batch.item import STATUSES, Result
from isp.errors import WriteError, printable

FORMAT, VERSION = "isp-batch-report", 1
_JSON, _HTML = (".json",), (".html", ".htm")
_MARKS = {"json": f'{{\n "format": "{FORMAT}"', "html": f"<!doctype html>\n<!-- {FORMAT} {VERSION} -->\n"}


class Run(NamedTuple):
    """What a report says of the batch as a whole.

    Attributes
    ----------
    sources : tuple of Path
        Files and folders that were given.
    out : Path
        Folder of the pictures.
    recipe : str
        The resolved recipe, TOML.
    settings : mapping
        What else decides what is written, by name: format, quality, crop, ..
    versions : mapping
        Of isp, LibRaw, .., by name.
    started, ended : str
        Date and time, as they are to be read.
    seconds : float
        From the one to the other.
    total : int
        Items planned; those that no result came of are counted as left.
    stopped : str
        Why it ended early ("interrupted", "the disk is full"); empty if it did not.
    """

    sources: tuple[Path, ...]
    out: Path
    recipe: str
    settings: Mapping[str, str]
    versions: Mapping[str, str]
    started: str
    ended: str
    seconds: float
    total: int
    stopped: str = ""


def check_report(path: str | os.PathLike[str]) -> None:
    """Refuse a path that no report can be written to; call it before the batch, not after.

    Parameters
    ----------
    path : str or path
        Of the report; ``.json``, ``.html`` or ``.htm``.

    Raises
    ------
    WriteError
        If it has another suffix, or a file is there that is neither empty nor such a report.
    """
    mark = _MARKS[_kind(path)].encode()
    check_target(path, overwrite=True)
    try:
        with open(path, "rb") as file:
            begin = file.read(len(mark))
    except OSError:  # absent, or a reason that writing will name
        return
    if begin and begin != mark:
        raise WriteError(f"{printable(path)} exists and is not a report of isp batch; choose another name")


def write_report(results: Iterable[Result], run: Run, path: str | os.PathLike[str]) -> None:
    """Write a report of the kind that its suffix says; an older report is replaced.

    Parameters
    ----------
    results : iterable of Result
        What came of the items, in any order.
    run : Run
        The batch as a whole.
    path : str or path
        ``.json``, ``.html`` or ``.htm``.

    Raises
    ------
    WriteError
        If the suffix is another, or a file is there that is no report.
    StorageError
        If it cannot be written.
    """
    ordered = sorted(results, key=name_of)
    if _kind(path) == "json":
        _write(path, _json(ordered, run))
        return
    from isp.batch.page import render

    _write(path, render(ordered, run, os.path.dirname(os.path.abspath(path)), mark=_MARKS["html"]))


def name_of(result: Result) -> bytes:
    """Return what results are sorted by."""
    return os.fsencode(result.item.relative)


def _kind(path: str | os.PathLike[str]) -> str:
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in _JSON + _HTML:
        raise WriteError(f"{printable(path)}: a report is .json or .html; give it one of these suffixes")
    return "json" if suffix in _JSON else "html"


def _write(path: str | os.PathLike[str], parts: Iterable[str]) -> None:
    """Write text whole or not at all."""
    check_report(path)
    with atomic_file(path, overwrite=True) as file:
        for part in parts:
            file.write(part.encode("utf-8", "backslashreplace"))


def _json(results: list[Result], run: Run) -> Iterable[str]:
    counts = Counter(result.status for result in results)
    paths = {"sources": [_path(source) for source in run.sources], "out": _path(run.out)}
    recipe = run.recipe.encode("utf-8", "backslashreplace").decode()  # a path in it may hold any bytes
    head = {
        "run": run._asdict() | paths | {"recipe": recipe},
        "counts": {status: counts[status] for status in STATUSES} | {"left": run.total - len(results)},
    }
    text = json.dumps(head, indent=1, ensure_ascii=False, default=dict)
    yield f'{_MARKS["json"]},\n "version": {VERSION},{text[1:-2]},\n "items": ['
    for number, result in enumerate(results):
        yield f"{',' if number else ''}\n  {json.dumps(_item(result), ensure_ascii=False)}"
    yield "\n ]\n}\n"


def _item(result: Result) -> dict[str, Any]:
    return {
        "key": result.item.key,
        "name": _path(result.item.relative),
        "source": _path(result.item.source),
        "target": _path(result.item.target),
        "status": result.status,
        "reason": printable(result.reason),
        "warnings": [printable(warning) for warning in result.warnings],
        "seconds": result.seconds,
        "megapixels": result.megapixels,
        "bytes_written": result.bytes_written,
        "attempts": result.attempts,
    }


def _path(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return a path as JSON can hold it, whatever its bytes."""
    text = printable(path)
    if text == os.fspath(path):
        return {"text": text}
    return {"text": text, "base64": base64.b64encode(os.fsencode(path)).decode()}
