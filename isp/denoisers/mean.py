"""The mean of a square window."""

from __future__ import annotations

import numpy as np

from isp.denoisers.columns import BLOCK, COLUMNS, repeat_border, three_rows
from isp.jit import kernel
from isp.loops import before
from isp.rows import Scratch, Window


@kernel
def _rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
    window, height, sums, totals = parameters
    margin, width = window // 2, source.shape[2]
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


@kernel
def _nine_rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
    (height, width, sums), half = parameters, source.shape[3]
    for y in range(first, last):
        for plane in range(source.shape[1]):
            for start in range(0, half, BLOCK):
                stop = min(start + BLOCK, half)
                least, count = max(start - 1, 0), min(stop + 1, half) - max(start - 1, 0)
                for parity in range(2):
                    above, here, below = three_rows(source, source_top, y, height, plane, parity)
                    above, here, below = above[least:], here[least:], below[least:]
                    of_columns = sums[parity][least - start + 1 :]
                    for x in range(count):
                        of_columns[x] = np.float64(above[x]) + np.float64(here[x]) + np.float64(below[x])
                repeat_border(sums, start, stop, width)
                for parity in range(2):
                    out, of_columns = target[y - target_top, plane, parity][start:], sums[parity][1:]
                    beside = sums[1 - parity][parity:]
                    for x in range(stop - start):
                        out[x] = np.float32((beside[x] + of_columns[x] + beside[x + 1]) * (1 / 9))


def mean(window: int, height: int, width: int) -> Window:
    """Return the mean over window x window pixels, per plane; the border is replicated.

    Summed in float64, columns first, and rounded once to float32.
    """
    if window == 3:
        parameters = (height, width, Scratch(COLUMNS, np.float64))
        return Window(before(_nine_rows, by_parity=True), parameters, halo=1, by_parity=True)
    sums, totals = Scratch((width + window - 1,), np.float64), Scratch((width,), np.float64)
    return Window(before(_rows), (window, height, sums, totals), halo=window // 2)
