"""The mean of a square window."""

from __future__ import annotations

import numpy as np

from isp.denoisers.nine import Nine, nine
from isp.jit import kernel
from isp.loops import before
from isp.rows import Scratch, Window, place


@kernel
def _rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
    window, height, sums, totals = parameters
    margin, width = window // 2, source.shape[2]
    count = np.float64(window * window)
    for y in range(first, last):
        for plane in range(source.shape[1]):
            sums[:] = 0
            for other in range(y - margin, y + margin + 1):
                row = source[place(min(max(other, 0), height - 1), source_top, source)][plane]
                for x in range(width):
                    sums[margin + x] += np.float64(row[x])
            sums[:margin], sums[margin + width :] = sums[margin], sums[margin + width - 1]
            totals[:] = 0
            for shift in range(window):
                for x in range(width):
                    totals[x] += sums[shift + x]
            out = target[place(y, target_top, target)][plane]
            for x in range(width):
                out[x] = np.float32(totals[x] / count)


@kernel
def _sums(a, b, c, d):  # type: ignore[no-untyped-def]
    return np.float64(a) + np.float64(b) + np.float64(c), np.float64(b) + np.float64(c) + np.float64(d)


@kernel
def _mean_of_nine(first, second, third):  # type: ignore[no-untyped-def]
    return np.float32((first + second + third) * (1 / 9))


def mean(window: int, height: int, width: int) -> Window:
    """Return the mean over window x window pixels, per plane; the border is replicated.

    Summed in float64, columns first, and rounded once to float32.
    """
    if window == 3:
        return nine(Nine(_sums, _mean_of_nine), height, width)
    sums, totals = Scratch((width + window - 1,), np.float64), Scratch((width,), np.float64)
    return Window(before(_rows), (window, height, sums, totals), halo=window // 2)
