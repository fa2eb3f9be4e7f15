"""The median of a square window."""

from __future__ import annotations

import numpy as np

from isp.jit import kernel
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


@kernel
def _rows(first, last, source, source_top, target, target_top, window, height):  # type: ignore[no-untyped-def]
    margin, width = window // 2, source.shape[2]
    values = np.empty(window * window, np.float32)
    for y in range(first, last):
        for plane in range(source.shape[1]):
            for x in range(width):
                index = 0
                for other in range(y - margin, y + margin + 1):
                    row = min(max(other, 0), height - 1) - source_top
                    for column in range(x - margin, x + margin + 1):
                        values[index] = source[row, plane, min(max(column, 0), width - 1)]
                        index += 1
                target[y - target_top, plane, x] = middle(values)


def median(window: int, height: int) -> Rows:
    """Return the median over window x window pixels, per plane; the border is replicated.

    Nine values by comparisons without branches, which LLVM vectorises; more by selection.
    """
    if window == 3:
        return Rows(_nine_rows, (height,), halo=1)
    return Rows(_rows, (window, height), halo=window // 2)
