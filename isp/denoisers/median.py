"""The median of a square window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isp.jit import kernel
from isp.threads import over_rows


@kernel
def middle(values):  # type: ignore[no-untyped-def]
    """Return the middle value of an odd number of values, which it reorders (Hoare's selection)."""
    low, high, wanted = 0, values.size - 1, values.size // 2
    while low < high:
        pivot = values[wanted]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while pivot < values[right]:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if right < wanted:
            low = left
        if wanted < left:
            high = right
    return values[wanted]


@kernel
def _median_rows(first, last, padded, window, out):  # type: ignore[no-untyped-def]
    values = np.empty(window * window, np.float32)
    for y in range(first, last):
        for x in range(out.shape[1]):
            for plane in range(out.shape[2]):
                index = 0
                for source_y in range(y, y + window):
                    for source_x in range(x, x + window):
                        values[index] = padded[source_y, source_x, plane]
                        index += 1
                out[y, x, plane] = middle(values)


def median(planes: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Return the median over window x window pixels, per plane; the border is replicated."""
    margin = window // 2
    padded = np.pad(planes, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    out = np.empty(planes.shape, np.float32)
    over_rows(_median_rows, len(out), padded, window, out)
    return out
