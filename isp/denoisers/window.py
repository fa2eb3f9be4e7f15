"""The window filters, mean and median, in the denoiser slot."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isp.bands import run
from isp.denoisers.slot import Domain, RowDenoiser
from isp.rows import Window

if TYPE_CHECKING:
    from isp.noise import NoiseModel


@dataclass(frozen=True, slots=True)
class WindowFilter:
    """A filter over a square window, of each colour by itself; it asks for no noise model.

    Parameters
    ----------
    rows : callable
        From the window, and an image's height and width, to how its rows are made: `mean` or `median`.
    window : int, default 3
        Side of the window; on the mosaic it counts sites of one colour.
    domain : {"rgb", "mosaic"}, default "rgb"
        What it works on.
    """

    rows: Callable[[int, int, int], Window]
    window: int = 3
    domain: Domain = "rgb"

    @property
    def multiple(self) -> int:
        """The period of what it works on."""
        return 2 if self.domain == "mosaic" else 1

    @property
    def halo(self) -> int:
        """How far the window reaches."""
        return self.multiple * (self.window // 2)

    @property
    def card(self) -> str:
        """What the filter says of itself."""
        return inspect.getdoc(self.rows) or ""

    def as_window(self, height: int, width: int) -> Window:
        """Return how the rows of an image of this size are made; its border is replicated."""
        return self.rows(self.window, height, width)

    def __call__(self, image: NDArray[np.float32], noise: NoiseModel | None = None) -> NDArray[np.float32]:
        """Return the filtered image."""
        if self.domain == "mosaic":
            return by_site(self, image, 2, 2)
        return run(image, [self.as_window(*image.shape[:2])], [image.shape], np.float32)


def by_site(denoiser: RowDenoiser, mosaic: NDArray[np.float32], down: int, across: int) -> NDArray[np.float32]:
    """Return a mosaic through a denoiser, each site of a pattern of so many rows and columns a plane of its own."""
    out = np.empty(mosaic.shape, np.float32)
    for y in range(min(down, len(mosaic))):
        for x in range(min(across, mosaic.shape[1])):
            plane = np.ascontiguousarray(mosaic[y::down, x::across])
            colours = np.broadcast_to(plane[:, :, None], (*plane.shape, 3))
            out[y::down, x::across] = run(colours, [denoiser.as_window(*plane.shape)], [colours.shape], np.float32)[
                ..., 0
            ]
    return out
