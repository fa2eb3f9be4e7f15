"""Denoisers by name: ours, and those of other packages, which are imported only when they are named."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from isp.denoisers.mean import mean
from isp.denoisers.median import median
from isp.denoisers.slot import Denoiser, Trainable, check_declaration
from isp.denoisers.window import WindowFilter
from isp.errors import DenoiserError, ParameterError, require

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "isp.denoisers"
BUILT_IN: dict[str, Callable[[], Any]] = {
    "mean": functools.partial(WindowFilter, mean),
    "median": functools.partial(WindowFilter, median),
    "cnn": lambda: import_module("isp.denoisers.cnn").Cnn(),
}


class Known(NamedTuple):
    """A denoiser that can be named.

    Attributes
    ----------
    name : str
        Its name.
    origin : str
        "built in", or the distribution that brings it and its version.
    make : callable
        Imports it and returns one.
    """

    name: str
    origin: str
    make: Callable[[], Any]

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"denoiser {self.name!r}" + ("" if self.name in BUILT_IN else f" of {self.origin}")

    def load(self) -> Denoiser:
        """Import it and return one.

        Raises
        ------
        DenoiserError
            If that fails, or what comes is no denoiser.
        """
        try:
            denoiser: Denoiser = self.make()
        except Exception as error:
            reason = " ".join(str(error).split())
            raise DenoiserError(f"{self.title} cannot be loaded: {type(error).__name__}: {reason}") from error
        check_declaration(denoiser, self.title)
        return denoiser


def known() -> dict[str, Known]:
    """Return everything that can be named, ours first; nothing is imported."""
    return {name: Known(name, "built in", make) for name, make in BUILT_IN.items()} | _plugins()


@functools.cache
def find(name: str) -> Known:
    """Return a denoiser by its name, without importing it.

    Raises
    ------
    ParameterError
        If there is none: says what there is.
    """
    if name in BUILT_IN:  # without a look at what else is installed, which takes longer than a small picture
        return Known(name, "built in", BUILT_IN[name])
    plugins = _plugins()
    if name not in plugins:
        choices = ", ".join(("none", *BUILT_IN, *plugins))
        raise ParameterError(f"Denoise: method = {name!r} is not allowed; give one of {choices}, or install its plugin")
    return plugins[name]


def load(name: str, weights: str | None = None) -> Denoiser:
    """Return the denoiser of a name, always the same one as long as it has its own weights.

    Parameters
    ----------
    name : str
        One that `known` has.
    weights : str, optional
        A file of the user's own weights, for a denoiser that takes some.
    """
    denoiser = _loaded(name)
    if weights is None:
        return denoiser
    require(isinstance(denoiser, Trainable), "Denoise", "weights", weights, f"none: {name} takes no weights")
    assert isinstance(denoiser, Trainable)
    trained = denoiser.with_weights(weights)
    check_declaration(trained, find(name).title)
    return trained


@functools.cache
def _loaded(name: str) -> Denoiser:
    return find(name).load()


def _plugins() -> dict[str, Known]:
    """Return what other packages bring under names that are not ours; of two with one name, the first by package."""
    from importlib.metadata import entry_points

    found = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, _origin(entry)))
    return {
        entry.name: Known(entry.name, _origin(entry), functools.partial(_made, entry))
        for entry in reversed(found)
        if entry.name not in (*BUILT_IN, "none")
    }


def _made(entry: EntryPoint) -> Any:
    return entry.load()()


def _origin(entry: EntryPoint) -> str:
    distribution = entry.dist
    return f"{distribution.name} {distribution.version}" if distribution else "an unknown package"
