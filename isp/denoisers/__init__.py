"""Denoisers by name: functions from a window and the image's height to how rows are made of rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.mean import mean
from isp.denoisers.median import median
from isp.bands import run
from isp.rows import Window

METHODS: dict[str, Callable[[int, int], Window]] = {"mean": mean, "median": median}


def filtered(planes: NDArray[np.float32], method: str, window: int) -> NDArray[np.float32]:
    """Return (H, W, C) planes through a denoiser, each by itself."""
    return run(planes, [METHODS[method](window, len(planes))], [planes.shape], np.float32)


__all__ = ["METHODS", "filtered", "mean", "median"]
