"""The mean of a square window."""

from __future__ import annotations

import numpy as np

from isp.jit import allocating_kernel
from isp.rows import Rows


@allocating_kernel
def _rows(first, last, source, source_top, target, target_top, window, height):  # type: ignore[no-untyped-def]
    margin, width = window // 2, source.shape[2]
    sums = np.empty(width + 2 * margin, np.float64)
    totals = np.empty(width, np.float64)
    count = np.float64(window * window)
    for y in range(first, last):
        for plane in range(source.shape[1]):
            sums[:] = 0
            for other in range(y - margin, y + margin + 1):
                row = source[min(max(other, 0), height - 1) - source_top, plane]
                for x in range(width):
                    sums[margin + x] += np.float64(row[x])
            sums[:margin], sums[margin + width :] = sums[margin], sums[margin + width - 1]
            totals[:] = 0
            for shift in range(window):
                for x in range(width):
                    totals[x] += sums[shift + x]
            out = target[y - target_top, plane]
            for x in range(width):
                out[x] = np.float32(totals[x] / count)


def mean(window: int, height: int) -> Rows:
    """Return the mean over window x window pixels, per plane; the border is replicated.

    Summed in float64, columns first, and rounded once to float32.
    """
    return Rows(_rows, (window, height), halo=window // 2)
