"""Which raw files to convert, and under which names: decided and checked before the first one is opened."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from isp.convert import Settings
from isp.errors import ParameterError, PipelineError, RawError, StorageError, printable
from isp.frame import Space
from isp.image import FORMATS, SUFFIXES
from isp.pipeline import Pipeline
from isp.stages import Gamma

logger = logging.getLogger(__name__)

RAW_SUFFIXES = frozenset(
    ".3fr .ari .arw .bay .cr2 .cr3 .crw .cap .data .dcs .dcr .dng .drf .eip .erf .fff .gpr .iiq .k25 .kdc .mdc .mef "
    ".mos .mrw .nef .nrw .orf .pef .ptx .pxn .r3d .raf .raw .rw2 .rwl .rwz .sr2 .srf .srw .x3f".split()
)
HEADERLESS_SUFFIXES = frozenset({".raw", ".bin", ".data"})
SUFFIX = {"jpeg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp"}


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
    (a.NEF and a.CR2 become a.NEF.jpg and a.CR2.jpg), and a number where even that is the same. A file that is named
    twice is converted once.

    Raises
    ------
    ParameterError
        If `file` is given for more than one raw file or together with `folder`, nothing is found, the format cannot
        hold what is asked for, or a picture would replace a raw file.
    PipelineError
        If what the pipeline returns is no picture.
    StorageError
        If the folder cannot be made.
    """
    linear = ends_linear(settings.pipeline)
    file_format = check_format(settings, file, linear=linear)
    sources = list(sources)
    found = find(sources, headerless=settings.headerless is not None)
    if not found:
        raise RawError(f"{', '.join(map(printable, sources))}: no raw files there; name files, or another folder")
    if file is not None and folder is not None:
        raise ParameterError("-o FILE and -d DIR exclude each other; give one of them")
    if file is not None and len(found) > 1:
        raise ParameterError(f"-o {printable(file)} is for one raw file; give -d DIR for {len(found)} files")
    jobs = [Job(found[0], file)] if file is not None else name_targets(found, folder, SUFFIX[file_format])
    spare_sources(jobs)
    if folder is not None:
        make_folder(folder)
    return jobs


def ends_linear(pipeline: Pipeline) -> bool:
    """Whether the pictures of a pipeline are linear light; an error if it makes none."""
    last = pipeline.stages[-1] if pipeline.stages else None
    if last is None or last.writes not in (Space.LINEAR, Space.DISPLAY):
        ends = "has no stages" if last is None else f"ends with {last.writes.name}"
        raise PipelineError(
            f"the pipeline {ends}, which is no picture; it must end with color, exposure, tone or gamma"
        )
    return last.writes is Space.LINEAR or (isinstance(last, Gamma) and last.method == "linear")


def check_format(settings: Settings, file: Path | None, *, linear: bool) -> str:
    """Return the format of the pictures, or say at once what `write_image` would refuse at the end."""
    output = settings.output
    usual = "tiff" if linear else "jpeg"
    meant = SUFFIXES.get(file.suffix.lower()) if file else output.file_format or usual
    if file and file.is_dir():  # `convert_file` has the word for that
        return output.file_format or usual
    if file and meant is None and output.file_format is None:
        suffix = f"the suffix {printable(file.suffix)!r}" if file.suffix else "no suffix"
        raise ParameterError(f"-o {printable(file)} has {suffix}; use {', '.join(SUFFIXES)}, or give --format")
    if file and output.file_format not in (None, meant or output.file_format):
        raise ParameterError(f"-o {printable(file)} does not go with --format {output.file_format}; leave one out")
    name = output.file_format or meant or usual
    depths = tuple(depth for depth in FORMATS[name].depths if not linear or (name == "tiff" and depth > 8))
    if not depths:
        raise ParameterError(f"{name} cannot hold linear light; write TIFF (.tif, --format tiff), or give --gamma srgb")
    if output.bit_depth not in (None, *depths):
        light = "linear light as " if linear else ""
        allowed = " or ".join(map(str, depths))
        raise ParameterError(f"{light}{name} cannot hold {output.bit_depth} bits per channel; use {allowed}")
    return name


def find(sources: Iterable[Path], *, headerless: bool) -> list[Path]:
    """Return the raw files that sources stand for, each once, in order."""
    found: dict[str, Path] = {}
    empty = []
    for source in sources:
        files = raw_files(source, headerless=headerless)
        empty += [] if files else [source]
        for file in files:
            found.setdefault(os.path.realpath(file), file)
    for source in empty if found else ():
        logger.warning("%s: no raw files in this folder", printable(source))
    return list(found.values())


def raw_files(source: Path, *, headerless: bool) -> list[Path]:
    """Return the raw files directly in a folder, by their suffix, sorted; anything else stands for itself.

    With `headerless`, a layout for all, only files of pixels without a header count (``.raw``, ``.bin``, ``.data``).
    A file whose layout is known from a sidecar counts whatever its suffix.
    """
    if not source.is_dir():
        return [source]
    try:
        names = {path for path in source.iterdir() if path.is_file() and not path.name.startswith(".")}
    except OSError as error:
        raise RawError(f"{printable(source)}: the folder cannot be read: {error.strerror}") from error
    known = HEADERLESS_SUFFIXES if headerless else RAW_SUFFIXES
    return sorted(
        path for path in names if path.suffix.lower() in known or path.with_name(path.name + ".toml") in names
    )


def name_targets(found: list[Path], folder: Path | None, suffix: str) -> list[Job]:
    """Return a picture's path for every raw file, no two the same on any file system."""
    plain = [(folder or raw.parent) / (raw.stem + suffix) for raw in found]
    wanted = Counter(map(_key, plain))
    taken: set[str] = set()
    jobs = []
    for raw, target in zip(found, plain, strict=True):
        if wanted[_key(target)] > 1:
            target = target.with_name(raw.name + suffix)
        number = 2
        while _key(target) in taken:
            target = target.with_name(f"{raw.name}-{number}{suffix}")
            number += 1
        taken.add(_key(target))
        jobs.append(Job(raw, target))
    return jobs


def _key(path: Path) -> str:
    """Return what is equal for two names of one file, also where a.jpg and A.JPG are one."""
    return os.path.join(os.path.realpath(path.parent), path.name).casefold()


def spare_sources(jobs: list[Job]) -> None:
    """Raise `ParameterError` if a picture would replace a raw file of this run, through a link or under its name."""
    raws = {identity(job.source) for job in jobs} - {None}
    for job in jobs:
        if identity(job.target) in raws:
            raise ParameterError(f"{printable(job.target)} is a raw file; give the picture another name or folder")


def identity(path: Path) -> tuple[int, int] | None:
    """Return what is equal for all names of one file; None if there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def make_folder(folder: Path) -> None:
    """Make a folder for pictures, or say why not."""
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"-d {printable(folder)} is a file; give a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{printable(folder)}: the folder cannot be made: {error.strerror}; choose another"
        ) from error
