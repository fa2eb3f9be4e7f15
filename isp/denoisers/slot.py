"""What a denoiser is: arrays and a noise model in, an array out; it knows nothing of frames, stages and files."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from isp.errors import DenoiserError
from isp.rows import Window

if TYPE_CHECKING:
    from isp.noise import NoiseModel

Domain = Literal["mosaic", "rgb"]
DOMAINS = ("mosaic", "rgb")


@runtime_checkable
class Denoiser(Protocol):
    """Anything that makes a less noisy array of an array.

    An instance may also have ``card``, the text that ``isp denoisers NAME`` prints (else its docstring), and ``tile``,
    the side in pixels of the tiles that suit it, or their height and width. It is called from several threads at once.
    """

    @property
    def domain(self) -> Domain:
        """What it works on.

        ``mosaic``: the Bayer pattern, RGGB from the corner on, 0 black, 1 white, negatives kept, before vignetting and
        white balance. ``rgb``: the demosaiced image, linear camera RGB, white-balanced.
        """

    @property
    def halo(self) -> int:
        """How many pixels around a pixel, on every side, its result depends on."""

    @property
    def multiple(self) -> int:
        """Tiles start on multiples of this many pixels, and measure multiples of it."""

    def __call__(self, image: NDArray[np.float32], noise: NoiseModel, /) -> NDArray[np.float32]:
        """Return a new array for a tile, which is a read-only C-contiguous float32 array, (h, w) or (h, w, 3).

        The noise of an rgb tile may differ from pixel to pixel, by the gains of vignetting: `shot` and `read` are then
        fields, (h, w) for each colour, as ``noise.variance(tile[:, :, colour], colour)`` takes them.
        """


@runtime_checkable
class RowDenoiser(Protocol):
    """A denoiser that can also say how its rows are made, so that they are made together with other stages' rows."""

    def as_window(self, height: int, width: int) -> Window:
        """Return how the rows of an image of this size are made."""


@runtime_checkable
class Trainable(Protocol):
    """A denoiser that can work with weights other than its own."""

    def with_weights(self, path: str, /) -> Denoiser:
        """Return one with the weights of a file, whose content it checks."""


def check_declaration(denoiser: Any, title: str) -> None:
    """Raise `DenoiserError` unless something declares what a denoiser must."""
    if isinstance(denoiser, type):
        raise DenoiserError(f"{title} is a class, {denoiser.__name__}; give an instance of it")
    missing = [name for name in ("domain", "halo", "multiple") if not hasattr(denoiser, name)]
    missing += [] if callable(denoiser) else ["a call with an image and a noise model"]
    if missing:
        raise DenoiserError(f"{title} is no denoiser: {denoiser!r} lacks {', '.join(missing)}")
    for name, least in (("halo", 0), ("multiple", 1)):
        value = getattr(denoiser, name)
        if not isinstance(value, int) or value < least:
            raise DenoiserError(f"{title} declares {name} = {value!r}; it must be a whole number from {least} up")
    if denoiser.domain not in DOMAINS:
        raise DenoiserError(f"{title} declares domain = {denoiser.domain!r}; it must be one of {', '.join(DOMAINS)}")


def card(denoiser: Denoiser) -> str:
    """Return the text that tells about a denoiser: its card, else its docstring."""
    return str(getattr(denoiser, "card", None) or inspect.getdoc(denoiser) or "")
