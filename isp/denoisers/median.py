"""The median of a square window."""

from __future__ import annotations

import numpy as np

from isp.arithmetic import greater, lesser
from isp.denoisers.nine import Nine, Shortcut, nine
from isp.jit import kernel
from isp.loops import before
from isp.rows import Scratch, Window, place


@kernel
def middle_of_three(a, b, c):  # type: ignore[no-untyped-def]
    """Return the median of three values."""
    return max(min(a, b), min(max(a, b), c))


@kernel
def _sorted_columns(a, b, c, d):  # type: ignore[no-untyped-def]
    """Return a, b, c in order, and b, c, d: both from b and c in order."""
    low, high = min(b, c), max(b, c)
    upper, lower = max(low, a), max(low, d)
    return (min(low, a), min(upper, high), max(upper, high)), (min(low, d), min(lower, high), max(lower, high))


@kernel
def _middle_of_nine(first, second, third):  # type: ignore[no-untyped-def]
    """Return the median of three columns in order: of greatest low, middle middle, least high the middle.

    What neighbours share, of the first and the second, is compared first.
    """
    lowest, highest = max(max(first[0], second[0]), third[0]), min(min(first[2], second[2]), third[2])
    return middle_of_three(lowest, middle_of_three(first[1], second[1], third[1]), highest)


@kernel
def _bits(value):  # type: ignore[no-untyped-def]
    return np.float32(value).view(np.uint32)


@kernel
def _float(bits):  # type: ignore[no-untyped-def]
    return np.uint32(bits).view(np.float32)


@kernel
def _sorted_columns_of_bits(a, b, c, d):  # type: ignore[no-untyped-def]
    return _sorted_columns(_bits(a), _bits(b), _bits(c), _bits(d))


@kernel
def _middle_of_numbers(a, b, c):  # type: ignore[no-untyped-def]
    return greater(lesser(a, b), lesser(greater(a, b), c))


@kernel
def _middle_of_nine_bits(first, second, third):  # type: ignore[no-untyped-def]
    """Do as `_middle_of_nine` does, half with whole numbers and half with floats.

    Processors compare twice as many of both as of floats alone.
    """
    lowest, highest = max(max(first[0], second[0]), third[0]), min(min(first[2], second[2]), third[2])
    middle = _middle_of_numbers(_float(first[1]), _float(second[1]), _float(third[1]))
    return _middle_of_numbers(_float(lowest), middle, _float(highest))


@kernel
def _greatest(column):  # type: ignore[no-untyped-def]
    return column[2]


_INFINITY = np.float32(np.inf).view(np.uint32)  # what is negative, -0 or not a number has greater bits
_USUAL = Nine(_sorted_columns, _middle_of_nine)
_SHORTCUT = Shortcut(Nine(_sorted_columns_of_bits, _middle_of_nine_bits, _greatest), _INFINITY)


@kernel
def copy(source, target):  # type: ignore[no-untyped-def]
    """Copy a row; an assignment of arrays would make one, see `jit`."""
    for x in range(target.size):
        target[x] = source[x]


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
def _rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
    window, height, padded, values = parameters
    margin, width, kept = window // 2, source.shape[2], len(values)
    for y in range(first, last):
        for plane in range(source.shape[1]):
            for line in range(window):
                row = source[place(min(max(y + line - margin, 0), height - 1), source_top, source)][plane]
                padded[line, :margin], padded[line, margin + width :] = row[0], row[width - 1]
                for x in range(width):
                    padded[line, margin + x] = row[x]
            count = kept
            for number in range(window * window):
                neighbour = padded[number // window, number % window : number % window + width]
                if number < kept:
                    copy(neighbour, values[number])
                else:
                    extremes_outward(values, count)
                    copy(neighbour, values[0])
                    count -= 1
            extremes_outward(values, 3)
            copy(values[1], target[place(y, target_top, target)][plane])


def median(window: int, height: int, width: int) -> Window:
    """Return the median over window x window pixels, per plane; the border is replicated.

    By comparisons without branches, which LLVM vectorises. Of more than nine values, half and two are held at a time;
    the least and the greatest of those cannot be the median, so both go and one more comes, until three are left.
    """
    if window == 3:
        return nine(_USUAL, height, width, _SHORTCUT)
    padded, values = Scratch((window, width + window - 1)), Scratch((window * window // 2 + 2, width))
    return Window(before(_rows), (window, height, padded, values), halo=window // 2)
