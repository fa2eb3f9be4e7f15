"""Denoisers by name: functions from a window and the image's height and width to how rows are made of rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from isp.bands import run
from isp.denoisers.mean import mean
from isp.denoisers.median import median
from isp.rows import Window

METHODS: dict[str, Callable[[int, int, int], Window]] = {"mean": mean, "median": median}


def filtered(plane: NDArray[np.float32], method: str, window: int) -> NDArray[np.float32]:
    """Return an (H, W) image through a denoiser."""
    colours = np.broadcast_to(plane[:, :, None], (*plane.shape, 3))
    return run(colours, [METHODS[method](window, *plane.shape)], [colours.shape], np.float32)[:, :, 0]


__all__ = ["METHODS", "filtered", "mean", "median"]
