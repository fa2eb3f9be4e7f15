"""Denoisers by name: functions from planes (H, W, C) and a window to denoised planes of the same shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.mean import mean
from isp.denoisers.median import median

Planes = NDArray[np.float32]

METHODS: dict[str, Callable[[Planes, int], Planes]] = {"mean": mean, "median": median}

__all__ = ["METHODS", "mean", "median"]
