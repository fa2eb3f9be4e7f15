"""The median of a square window."""

from __future__ import annotations

import numpy as np

from isp.jit import allocating_kernel, kernel
from isp.rows import Rows


@kernel
def sorted_three(a, b, c):  # type: ignore[no-untyped-def]
    """Return three values in order."""
    low, high = min(a, b), max(a, b)
    middle = min(high, c)
    return min(low, middle), max(low, middle), max(high, c)


@kernel
def middle_of_nine(a, b, c, d, e, f, g, h, i):  # type: ignore[no-untyped-def]
    """Return the median of nine values: the middle of the greatest low, the middle middle and the least high column."""
    a, b, c = sorted_three(a, b, c)
    d, e, f = sorted_three(d, e, f)
    g, h, i = sorted_three(g, h, i)
    _, middle, _ = sorted_three(b, e, h)
    _, result, _ = sorted_three(max(a, max(d, g)), middle, min(c, min(f, i)))
    return result


@kernel
def exchange(a, b):  # type: ignore[no-untyped-def]
    """Put the smaller of two values into the first array and the greater into the second, everywhere."""
    for x in range(a.size):
        low, high = min(a[x], b[x]), max(a[x], b[x])
        a[x], b[x] = low, high


@kernel
def extremes_outward(values, count):  # type: ignore[no-untyped-def]
    """Bring the least of the first `count` rows of values to row 0 and the greatest to the last, everywhere."""
    last = count - 1
    for low in range(count // 2):
        exchange(values[low], values[last - low])
    for low in range(1, (count + 1) // 2):
        exchange(values[0], values[low])
    for high in range(count // 2, last):
        exchange(values[high], values[last])


@kernel
def _nine_rows(first, last, source, source_top, target, target_top, height):  # type: ignore[no-untyped-def]
    width = source.shape[2]
    for y in range(first, last):
        for plane in range(source.shape[1]):
            above = source[max(y - 1, 0) - source_top, plane]
            here = source[y - source_top, plane]
            below = source[min(y + 1, height - 1) - source_top, plane]
            out = target[y - target_top, plane]
            for x in range(1, width - 1):
                out[x] = middle_of_nine(
                    above[x - 1], here[x - 1], below[x - 1], above[x], here[x], below[x],
                    above[x + 1], here[x + 1], below[x + 1],
                )  # fmt: skip
            for x in (0, width - 1):
                left, right = max(x - 1, 0), min(x + 1, width - 1)
                out[x] = middle_of_nine(
                    above[left], here[left], below[left], above[x], here[x], below[x],
                    above[right], here[right], below[right],
                )  # fmt: skip


@allocating_kernel
def _rows(first, last, source, source_top, target, target_top, window, height):  # type: ignore[no-untyped-def]
    margin, width = window // 2, source.shape[2]
    kept = window * window // 2 + 2
    padded = np.empty((window, width + 2 * margin), np.float32)
    values = np.empty((kept, width), np.float32)
    for y in range(first, last):
        for plane in range(source.shape[1]):
            for line in range(window):
                row = source[min(max(y + line - margin, 0), height - 1) - source_top, plane]
                padded[line, :margin], padded[line, margin + width :] = row[0], row[width - 1]
                for x in range(width):
                    padded[line, margin + x] = row[x]
            count = kept
            for number in range(window * window):
                neighbour = padded[number // window, number % window : number % window + width]
                if number < kept:
                    values[number] = neighbour
                else:
                    extremes_outward(values, count)
                    values[0] = neighbour
                    count -= 1
            extremes_outward(values, 3)
            target[y - target_top, plane] = values[1]


def median(window: int, height: int) -> Rows:
    """Return the median over window x window pixels, per plane; the border is replicated.

    By comparisons without branches, which LLVM vectorises. Of more than nine values, half and two are held at a time;
    the least and the greatest of those cannot be the median, so both go and one more comes, until three are left.
    """
    if window == 3:
        return Rows(_nine_rows, (height,), halo=1)
    return Rows(_rows, (window, height), halo=window // 2)
