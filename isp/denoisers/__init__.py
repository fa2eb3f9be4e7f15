"""Denoisers by name: functions from a window and the image's height to how rows are made of rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.mean import mean
from isp.denoisers.median import median
from isp.rows import Rows, by_rows
from isp.threads import over_rows

METHODS: dict[str, Callable[[int, int], Rows]] = {"mean": mean, "median": median}


def filtered(planes: NDArray[np.float32], method: str, window: int) -> NDArray[np.float32]:
    """Return (H, W, C) planes through a denoiser, each by itself."""
    out = np.empty(planes.shape, np.float32)
    rows = METHODS[method](window, len(planes))
    over_rows(rows.kernel, len(out), by_rows(planes), 0, by_rows(out), 0, *rows.parameters)
    return out


__all__ = ["METHODS", "filtered", "mean", "median"]
