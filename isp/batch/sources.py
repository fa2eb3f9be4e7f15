"""Which raw files a batch is given: folders with all below them, files, patterns, lists."""

from __future__ import annotations

import glob
import itertools
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from isp.errors import ParameterError, RawError, printable
from isp.plan import HEADERLESS_SUFFIXES, RAW_SUFFIXES

logger = logging.getLogger(__name__)

_WILD = frozenset("*?[")


class Found(NamedTuple):
    """A raw file, and where it lies below the folder that was named."""

    path: Path
    below: Path


class Choice(NamedTuple):
    """Which files of a folder count.

    Attributes
    ----------
    include, exclude : tuple of str
        Patterns (``*.NEF``, ``2024/*``) for the name or the path below the folder. Of files in folders those count that
        match one of `include`, if there are any, and none of `exclude`; a folder that matches `exclude` is not entered.
    follow : bool
        Enter and take what symbolic links lead to, each once.
    headerless : bool
        All files are pixels without a header: their suffixes count, not those of cameras.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow: bool = False
    headerless: bool = False


def find(sources: Iterable[Path], choice: Choice, *, out: Path) -> list[Found]:
    """Return the raw files that sources stand for, each once, in order.

    Parameters
    ----------
    sources : iterable of path
        Folders, with all folders below them; files; patterns as ``photos/**/*.NEF``, where no such file exists. What
        begins with a dot is hidden, and left alone. Of several folders each is a folder among the pictures too, and
        what a pattern stands for lies there as it does below the part of the pattern that is fixed.
    choice : Choice
        Which of them.
    out : Path
        The folder for the pictures; it is not entered.

    Raises
    ------
    RawError
        If a folder that was named cannot be read.
    ParameterError
        If a pattern stands for nothing.
    """
    found: dict[str, Found] = {}  # by their real path: two hard links are two files, each with its picture
    sources = list(sources)
    several = sum(os.path.isdir(source) for source in sources) > 1
    for source in sources:
        for place in _places(source, choice, out, several=several):
            for candidate in _Walk(choice, out).files(place) if os.path.isdir(place.path) else (place,):
                found.setdefault(_real(candidate.path), candidate)
    return list(found.values())


def _places(source: Path, choice: Choice, out: Path, *, several: bool) -> list[Found]:
    """Return the files and folders that a source stands for, and where they lie among the pictures.

    One of several folders keeps its name, so that their files do not mix; below what is fixed of a pattern, all do.
    """
    if os.path.lexists(source) or not _WILD & set(os.fspath(source)):
        if not os.path.isdir(source):
            return [Found(source, Path(source.name))]
        return [Found(source, Path(Path(os.path.abspath(source)).name if several else ""))]
    fixed = Path(*itertools.takewhile(lambda part: not _WILD & set(part), source.parts))
    pictures = os.path.realpath(out)
    places = []
    for path in map(Path, sorted(glob.glob(os.fspath(source), recursive=True))):
        below = path.relative_to(fixed)
        links = any((fixed / part).is_symlink() for part in (below, *below.parents) if part != Path())
        if (choice.follow or not links) and not Path(_real(path)).is_relative_to(pictures):
            places.append(Found(path, below))
    if not places:
        raise ParameterError(f"{printable(source)}: the pattern stands for no file; check it, and quote it")
    return places


def _real(path: Path) -> str:
    return os.path.realpath(path) if "\0" not in os.fspath(path) else os.fspath(path)


class _Walk:
    """The files in a folder and below it, by name, folder by folder."""

    def __init__(self, choice: Choice, out: Path) -> None:
        self.choice = choice
        self.out = os.path.realpath(out)
        self.entered: set[tuple[int, int]] = set()
        self.suffixes = HEADERLESS_SUFFIXES if choice.headerless else RAW_SUFFIXES

    def files(self, root: Found) -> Iterator[Found]:
        try:
            yield from self._folder(*root)
        except OSError as error:
            raise RawError(f"{printable(root.path)}: the folder cannot be read: {error.strerror}") from error

    def _folder(self, folder: Path, below: Path) -> Iterator[Found]:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in self.entered:  # a loop of links
            return
        self.entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            listed = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
        names = {entry.name for entry in listed}
        for entry in listed:
            if self._counts(entry, below / entry.name, names):
                yield Found(folder / entry.name, below / entry.name)
        for entry in listed:
            if self._is_entered(entry, below / entry.name):
                try:
                    yield from self._folder(folder / entry.name, below / entry.name)
                except OSError as error:
                    path = printable(error.filename or entry.path)
                    logger.warning("%s: the folder cannot be read (%s); it is left out", path, error.strerror)

    def _counts(self, entry: os.DirEntry[str], below: Path, names: set[str]) -> bool:
        if not _is(entry.is_file, follow=self.choice.follow):
            return False
        if os.path.splitext(entry.name)[1].lower() not in self.suffixes and entry.name + ".toml" not in names:
            return False
        included = not self.choice.include or _matches(below, self.choice.include)
        return included and not _matches(below, self.choice.exclude)

    def _is_entered(self, entry: os.DirEntry[str], below: Path) -> bool:
        if not _is(entry.is_dir, follow=self.choice.follow) or _matches(below, self.choice.exclude):
            return False
        return os.path.realpath(entry.path) != self.out


def _is(question: object, *, follow: bool) -> bool:
    try:
        return bool(question(follow_symlinks=follow))  # type: ignore[operator]
    except OSError:
        return False


def _matches(below: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(below.name, pattern) or fnmatch(below.as_posix(), pattern) for pattern in patterns)


def listed(path: Path) -> list[Path]:
    """Return the paths that a list names: ended by NUL where it has one, else one per line; relative to this folder.

    ``-`` is standard input.

    Raises
    ------
    ParameterError
        If it cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if os.fspath(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ParameterError(f"--from-file {printable(path)}: cannot be read: {error.strerror}") from error
    parts = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [Path(os.fsdecode(part)) for part in parts if part]
