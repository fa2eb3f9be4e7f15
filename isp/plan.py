"""Which raw files to convert, and under which names: decided before the first one is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from isp.atomic import printable
from isp.convert import Settings
from isp.errors import ParameterError, RawError, StorageError

RAW_SUFFIXES = frozenset(
    ".3fr .ari .arw .bay .cr2 .cr3 .crw .cap .data .dcs .dcr .dng .drf .eip .erf .fff .gpr .iiq .k25 .kdc .mdc .mef "
    ".mos .mrw .nef .nrw .orf .pef .ptx .pxn .r3d .raf .raw .rw2 .rwl .rwz .sr2 .srf .srw .x3f".split()
)


class Job(NamedTuple):
    """One file to convert."""

    source: Path
    target: Path


def plan(
    sources: Iterable[Path], settings: Settings, *, file: Path | None = None, folder: Path | None = None
) -> list[Job]:
    """Return what to convert and under which names.

    A folder stands for the raw files directly in it, by name. Pictures go to `file`, into `folder` (made if it is not
    there), or beside their raw file. Two raw files that would make the same picture get their own suffix into its name
    (a.NEF and a.CR2 become a.NEF.jpg and a.CR2.jpg).

    Raises
    ------
    ParameterError
        If `file` is given for more than one raw file or together with `folder`, or nothing is found.
    StorageError
        If the folder cannot be made.
    """
    found = [raw for source in sources for raw in raw_files(source, headerless=settings.headerless is not None)]
    if not found:
        raise ParameterError(f"no raw files in {', '.join(map(printable, sources))}; name files, or another folder")
    if file is not None:
        if folder is not None or len(found) > 1:
            raise ParameterError(f"-o {printable(file)} is for one raw file; give -d DIR for {len(found)} files")
        return [Job(found[0], file)]
    if folder is not None:
        make_folder(folder)
    suffix = {None: ".jpg", "jpeg": ".jpg", "png": ".png", "tiff": ".tif"}[settings.output.file_format]
    targets = [(folder or raw.parent) / (raw.stem + suffix) for raw in found]
    seen = Counter(os.path.normcase(target).casefold() for target in targets)
    return [
        Job(raw, target if seen[os.path.normcase(target).casefold()] == 1 else target.with_name(raw.name + suffix))
        for raw, target in zip(found, targets, strict=True)
    ]


def raw_files(source: Path, *, headerless: bool) -> list[Path]:
    """Return the raw files directly in a folder, by their suffix, sorted; anything else stands for itself.

    Files without a header (``.raw``, ``.bin``) count if their layout is known, from `headerless` or a sidecar.
    """
    if not source.is_dir():
        return [source]
    try:
        files = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise RawError(f"{printable(source)}: the folder cannot be read: {error.strerror}") from error
    return [path for path in files if path.suffix.lower() in RAW_SUFFIXES or (headerless and path.suffix == ".bin")]


def make_folder(folder: Path) -> None:
    """Make a folder for pictures, or say why not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{printable(folder)}: the folder cannot be made: {error.strerror}; choose another"
        ) from error
