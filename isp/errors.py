"""What can go wrong for a user: one short line each, and the exit code that the command line gives it."""

from __future__ import annotations

import os
import traceback


class IspError(Exception):
    """Base of every error that is the user's or the file's, not a bug; its text is one complete line."""

    exit_code = 1


class RawError(IspError):
    """A raw file cannot be read: says the file, what is wrong with it and what to do."""


class DamagedError(RawError):
    """A raw file is damaged, as far as that can be known: says what shows it."""


class ChildError(RawError):
    """The process that read a raw file gave no answer.

    Attributes
    ----------
    kind : {"crash", "timeout", "memory", "stopped"}
        It crashed, took longer or needed more memory than any good file, or was stopped by the caller.
    """

    def __init__(self, text: str, kind: str = "crash") -> None:
        super().__init__(text)
        self.kind = kind


class ParameterError(IspError, ValueError):
    """A parameter is out of its range: says where, the name, the value and what is allowed."""

    exit_code = 2


class PipelineError(IspError):
    """The stages do not fit together, or a recipe names what does not exist."""

    exit_code = 2


class StageError(IspError):
    """A stage cannot work on this frame (no unclipped site to measure, say)."""


class TrainingError(IspError):
    """A training cannot begin or go on: no data, no such device, a checkpoint of another training."""


class MissingPackageError(IspError):
    """A package that an extra brings is not installed: says which command installs it."""

    exit_code = 3


class DenoiserError(StageError):
    """A denoiser breaks its contract or cannot be loaded: says which and what it did."""


class WriteError(IspError):
    """A picture cannot be written as asked: unknown suffix, target exists, depth that the format lacks."""


class StorageError(WriteError):
    """The disk says no: full, read-only, or a folder that cannot be written."""

    exit_code = 3


class LockedError(IspError):
    """Another run is at work on a folder: says which."""

    exit_code = 3


class ClusterError(IspError):
    """A cluster cannot be reached, is lost, or its workers would make other pictures than this machine."""

    exit_code = 3


def require(condition: bool, where: str, parameter: str, value: object, allowed: str) -> None:
    """Raise `ParameterError` with the house's one-line wording unless `condition` holds.

    Parameters
    ----------
    condition : bool
        What must be true.
    where : str
        The stage or function that owns the parameter.
    parameter : str
        Its name, as the user spelled it.
    value : object
        What the user gave.
    allowed : str
        The permitted values with their unit.
    """
    if not condition:
        raise ParameterError(f"{where}: {parameter} = {value!r} is not allowed; give {allowed}")


def require_choice(where: str, parameter: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise `ParameterError` unless `value` is one of `choices`."""
    require(value in choices, where, parameter, value, "one of " + ", ".join(choices))


def printable(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    r"""Return a path as text that any terminal and log takes: what is not UTF-8 or not printable becomes ``\x..``."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def bug_line(error: Exception) -> str:
    """Say in one line what is needed to find a bug of ours."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return f"a bug in isp, please report it: {type(error).__name__}: {text} ({place.filename}:{place.lineno})"
