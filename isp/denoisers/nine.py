"""Windows of three by three pixels: something of every column of three, and the result across three columns.

Even and odd columns lie apart. Two rows and two columns are made at a time: two windows above each other share two
rows, two beside each other two columns, and the next two begin with columns that are already made, which LLVM keeps in
vector registers. That goes block by block, so that all colours of a block are in the nearest cache when the function
that follows wants them.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from isp.jit import Kernel, combination, kernel
from isp.rows import Point, Scratch, Window, place

_BLOCK = 1024  # pairs of columns
_VECTOR = 16  # pairs, at most: a block of whole vectors leaves none for a loop of single ones, which takes long
_TOGETHER = 2  # rows


@kernel
def _unranked(column):  # type: ignore[no-untyped-def]
    return np.uint32(0)


class Nine(NamedTuple):
    """What is made of three columns of three.

    Attributes
    ----------
    columns : Kernel
        ``columns(a, b, c, d)`` returns what is made of the column a, b, c and of the column b, c, d. Neither may depend
        on the fourth value: a row comes once as the upper and once as the lower one.
    across : Kernel
        ``across(inner, inner, outer)`` returns the result of three columns, of which a neighbour shares the inner ones.
    rank : Kernel
        ``rank(column)`` returns a uint32 of what was made of a column.
    """

    columns: Kernel
    across: Kernel
    rank: Kernel = _unranked


class Shortcut(NamedTuple):
    """The same, faster, where no column is of a higher rank than `most`."""

    same: Nine
    most: np.uint32


@combination
def _inner(nine: Nine) -> Kernel:
    columns, across, rank = nine

    @kernel
    def inner(a, b, c, d, first, last, upper, lower):  # type: ignore[no-untyped-def]
        """Make one colour of the pairs first..last and return the highest rank of a column.

        After each of the pairs lies an even column; the left border repeats.
        """
        a0, b0, c0, d0 = a[0][first:], b[0][first:], c[0][first:], d[0][first:]
        a1, b1, c1, d1 = a[1][first:], b[1][first:], c[1][first:], d[1][first:]
        upper_even, upper_odd, lower_even, lower_odd = upper[0], upper[1], lower[0], lower[1]
        left, left_below = columns(*_four(a, b, c, d, max(2 * first - 1, 0)))
        even, even_below = columns(a0[0], b0[0], c0[0], d0[0])
        highest = max(max(rank(left), rank(left_below)), max(rank(even), rank(even_below)))
        for i in range(last - first):
            odd, odd_below = columns(a1[i], b1[i], c1[i], d1[i])
            right, right_below = columns(a0[i + 1], b0[i + 1], c0[i + 1], d0[i + 1])
            upper_even[i], lower_even[i] = across(even, odd, left), across(even_below, odd_below, left_below)
            upper_odd[i], lower_odd[i] = across(even, odd, right), across(even_below, odd_below, right_below)
            highest = max(highest, max(max(rank(odd), rank(odd_below)), max(rank(right), rank(right_below))))
            left, left_below, even, even_below = odd, odd_below, right, right_below
        return highest

    return inner


@combination
def _block(usual: Nine, shortcut: Shortcut | None) -> Kernel:
    inner = _inner(usual)
    if shortcut is None:
        return inner
    quick, most = _inner(shortcut.same), shortcut.most

    @kernel
    def block(a, b, c, d, first, last, upper, lower):  # type: ignore[no-untyped-def]
        """Make one colour of the pairs first..last by the shortcut, and the usual way where that does not hold."""
        if quick(a, b, c, d, first, last, upper, lower) > most:
            inner(a, b, c, d, first, last, upper, lower)

    return block


@combination
def _at(columns: Kernel, across: Kernel) -> Kernel:
    @kernel
    def at(a, b, c, d, x, width):  # type: ignore[no-untyped-def]
        """Return the results in one column, whatever is beside it: the border repeats."""
        left, right = max(x - 1, 0), min(x + 1, width - 1)
        p, p_below = columns(*_four(a, b, c, d, left))
        q, q_below = columns(*_four(a, b, c, d, x))
        r, r_below = columns(*_four(a, b, c, d, right))
        return across(q, r, p), across(q_below, r_below, p_below)

    return at


@kernel
def _four(a, b, c, d, x):  # type: ignore[no-untyped-def]
    return a[x % 2, x // 2], b[x % 2, x // 2], c[x % 2, x // 2], d[x % 2, x // 2]


@combination
def _through(function: Kernel) -> Kernel:
    @kernel
    def through(made, row, first, last, out):  # type: ignore[no-untyped-def]
        """Write the pairs first..last of a row, all colours, through a function of one pixel."""
        for parity in range(2):
            r, g, b = made[0, parity], made[1, parity], made[2, parity]
            red, green, blue = out[0, parity][first:], out[1, parity][first:], out[2, parity][first:]
            for i in range(last - first):
                red[i], green[i], blue[i] = function((r[i], g[i], b[i]), 2 * (first + i) + parity, row)

    return through


@combination
def _rows(usual: Nine, shortcut: Shortcut | None, point: Point) -> Kernel:
    function, of_row = point
    block, at, through = _block(usual, shortcut), _at(usual.columns, usual.across), _through(function)

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        (height, width, made), of_points = parameters
        pairs = (width - 1) // 2  # that an even column lies after
        for y in range(first, last, _TOGETHER):
            lower = min(y + 1, last - 1)  # the second row, or the first again where there is none
            a, b = source[place(max(y - 1, 0), source_top, source)], source[place(y, source_top, source)]
            c = source[place(min(y + 1, height - 1), source_top, source)]
            d = source[place(min(lower + 1, height - 1), source_top, source)]
            end = 0
            while end < pairs:
                start, end = end, min(end + _BLOCK, pairs)
                if end - start > _VECTOR:
                    end -= (end - start) % _VECTOR
                start = max(min(start, end - _VECTOR), 0)  # the last makes some again
                for k in range(3):
                    block(a[k], b[k], c[k], d[k], start, end, made[0, k], made[1, k])
                for row in range(y, lower + 1):
                    through(made[row - y], of_row(row, of_points), start, end, target[place(row, target_top, target)])
            for x in range(2 * pairs, width):
                for k in range(3):
                    made[0, k, 0, 0], made[1, k, 0, 0] = at(a[k], b[k], c[k], d[k], x, width)
                for row in range(y, lower + 1):
                    value, out = made[row - y, :, 0, 0], target[place(row, target_top, target)][:, x % 2, x // 2]
                    out[0], out[1], out[2] = function((value[0], value[1], value[2]), x, of_row(row, of_points))

    return rows


def nine(usual: Nine, height: int, width: int, shortcut: Shortcut | None = None) -> Window:
    """Return a window of three by three pixels; the border is repeated.

    Parameters
    ----------
    usual : Nine
        What is made of nine values.
    height, width : int
        Of the image.
    shortcut : Shortcut, optional
        Another way to the same.
    """
    made = Scratch((_TOGETHER, 3, 2, _BLOCK))
    return Window(
        functools.partial(_rows, usual, shortcut), (height, width, made), halo=1, by_parity=True, together=_TOGETHER
    )
