"""The mean of a square window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isp.jit import kernel
from isp.threads import over_rows


@kernel
def _mean_rows(first, last, padded, window, out):  # type: ignore[no-untyped-def]
    count = np.float64(window * window)
    for y in range(first, last):
        for x in range(out.shape[1]):
            for plane in range(out.shape[2]):
                total = 0.0
                for source_y in range(y, y + window):
                    for source_x in range(x, x + window):
                        total += np.float64(padded[source_y, source_x, plane])
                out[y, x, plane] = np.float32(total / count)


def mean(planes: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Return the mean over window x window pixels, per plane; the border is replicated.

    Summed in float64 and rounded once to float32.
    """
    margin = window // 2
    padded = np.pad(planes, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    out = np.empty(planes.shape, np.float32)
    over_rows(_mean_rows, len(out), padded, window, out)
    return out
