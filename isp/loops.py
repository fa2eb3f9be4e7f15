"""The compiled loops around the functions of the stages; no arithmetic.

A kernel is called as ``kernel(first, last, source, source_top, target, target_top, parameters)`` and writes the rows
first..last of its image into `target`, an array whose first row is row `target_top` of the image. `source` begins with
row `source_top` and holds as many rows more on both sides as the kernel reads, as far as the image has them. An array
between two kernels is a ring: after its last row the next goes where the first was, see `rows.place`. Three colours
come as (rows, 3, columns), a view of a frame or a buffer of planes: kernels need not know. Even and odd columns that
lie apart come as (rows, 2, columns) and (rows, 3, 2, columns).

These functions return kernels made of kernels: numba compiles each combination once, and the functions of one pixel
disappear in the loop that calls them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from isp.jit import Kernel, combination, kernel
from isp.look_up import VALUES, look_up
from isp.rows import Point, place

_COLUMNS, _PAIRS = VALUES // 3, VALUES // 6  # whose colours are looked up at a time


@kernel
def _same(value, x, row):  # type: ignore[no-untyped-def]
    return value


SAME = Point(_same)


def after(first: Point, second: Point) -> Point:
    """Return `second` of `first`; its parameters are a pair of theirs."""
    return Point(_function_of_both(first.function, second.function), _row_of_both(first.of_row, second.of_row))


@combination
def _function_of_both(first: Kernel, second: Kernel) -> Kernel:
    @kernel
    def both(value, x, row):  # type: ignore[no-untyped-def]
        return second(first(value, x, row[0]), x, row[1])

    return both


@combination
def _row_of_both(first: Kernel, second: Kernel) -> Kernel:
    @kernel
    def both(y, parameters):  # type: ignore[no-untyped-def]
        return first(y, parameters[0]), second(y, parameters[1])

    return both


@combination
def each_site(point: Point) -> Kernel:
    """Make a mosaic of a mosaic."""
    function, of_row = point

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        for y in range(first, last):
            row, out = source[place(y, source_top, source)], target[place(y, target_top, target)]
            here = of_row(y, parameters)
            for x in range(0, out.size - 1, 2):
                out[x], out[x + 1] = (
                    function(np.float32(row[x]), x, here),
                    function(np.float32(row[x + 1]), x + 1, here),
                )
            if out.size % 2:
                out[out.size - 1] = function(np.float32(row[out.size - 1]), out.size - 1, here)

    return rows


@combination
def each_site_by_parity(point: Point) -> Kernel:
    """Make a mosaic whose even and odd columns lie apart of one as the sensor stores it."""
    function, of_row = point

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        for y in range(first, last):
            row, out = source[place(y, source_top, source)], target[place(y, target_top, target)]
            even, odd, here = out[0], out[1], of_row(y, parameters)
            for pair in range(row.size // 2):
                even[pair] = function(np.float32(row[2 * pair]), 2 * pair, here)
                odd[pair] = function(np.float32(row[2 * pair + 1]), 2 * pair + 1, here)
            if row.size % 2:
                even[row.size // 2] = function(np.float32(row[row.size - 1]), row.size - 1, here)

    return rows


@combination
def each_pixel(point: Point) -> Kernel:
    """Make three colours of three colours."""
    function, of_row = point

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        for y in range(first, last):
            row, out = source[place(y, source_top, source)], target[place(y, target_top, target)]
            r, g, b, red, green, blue = row[0], row[1], row[2], out[0], out[1], out[2]
            here = of_row(y, parameters)
            for x in range(red.size):
                red[x], green[x], blue[x] = function((r[x], g[x], b[x]), x, here)

    return rows


def before(rows_of_colours: Kernel) -> Callable[[Point], Kernel]:
    """Return what makes, of a function of one pixel, the kernel whose results go through it: `Window.make`."""
    return functools.partial(_followed, rows_of_colours)


@combination
def _followed(rows_of_colours: Kernel, point: Point) -> Kernel:
    pixels = each_pixel(point)

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        of_window, of_points, planes = parameters
        for y in range(first, last):  # row by row, so that what is made is still in the cache
            rows_of_colours(y, y + 1, source, source_top, planes, y, of_window)
            pixels(y, y + 1, planes, y, target, target_top, of_points)

    return _alone(rows_of_colours) if point is SAME else rows


@combination
def _alone(rows_of_colours: Kernel) -> Kernel:
    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        rows_of_colours(first, last, source, source_top, target, target_top, parameters[0])

    return rows


@combination
def parted(rows_of_colours: Kernel) -> Kernel:
    """Put even and odd columns apart."""

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        of_rows, planes = parameters
        for y in range(first, last):
            rows_of_colours(y, y + 1, source, source_top, planes, y, of_rows)
            for colour in range(3):
                row, out = planes[0, colour], target[place(y, target_top, target)][colour]
                for x in range(row.size):
                    out[x % 2, x // 2] = row[x]

    return rows


@combination
def woven(rows_by_parity: Kernel) -> Kernel:
    """Put even and odd columns together again."""

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        width, (of_rows, planes) = target.shape[2], parameters
        for top in range(first, last, len(planes)):
            end = min(top + len(planes), last)
            rows_by_parity(top, end, source, source_top, planes, top, of_rows)
            for y in range(top, end):
                for colour in range(3):
                    even, odd = planes[y - top, colour, 0], planes[y - top, colour, 1]
                    out = target[place(y, target_top, target)][colour]
                    for pair in range(width // 2):
                        out[2 * pair], out[2 * pair + 1] = even[pair], odd[pair]
                    if width % 2:
                        out[width - 1] = even[width // 2]

    return rows


@combination
def looked_up(rows_of_entries: Kernel) -> Kernel:
    """Look the numbers of a table's entries up, which a kernel makes, and write (rows, 3 columns), colours together.

    One index of a row is faster than two.
    """

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        of_rows, table, entries = parameters
        for y in range(first, last):
            rows_of_entries(y, y + 1, source, source_top, entries, y, of_rows)
            red, green, blue, out = entries[0, 0], entries[0, 1], entries[0, 2], target[place(y, target_top, target)]
            width = out.size // 3
            together = width // _COLUMNS * _COLUMNS
            for x in range(0, together, _COLUMNS):
                look_up(table, (red, green, blue), x, out, 3 * x)
            for x in range(together, width):
                out[3 * x], out[3 * x + 1], out[3 * x + 2] = table[red[x]], table[green[x]], table[blue[x]]

    return rows


@combination
def looked_up_by_parity(rows_of_entries: Kernel) -> Kernel:
    """Do as `looked_up` does with a kernel that writes even and odd columns apart."""

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        width, (of_rows, table, entries) = target.shape[1] // 3, parameters
        together = width // _COLUMNS * _PAIRS
        for top in range(first, last, len(entries)):
            end = min(top + len(entries), last)
            rows_of_entries(top, end, source, source_top, entries, top, of_rows)
            for y in range(top, end):
                row, out = entries[y - top], target[place(y, target_top, target)]
                r0, g0, b0, r1, g1, b1 = row[0, 0], row[1, 0], row[2, 0], row[0, 1], row[1, 1], row[2, 1]
                for pair in range(0, together, _PAIRS):
                    look_up(table, (r0, g0, b0, r1, g1, b1), pair, out, 6 * pair)
                for pair in range(together, width // 2):
                    at = 6 * pair
                    out[at], out[at + 1], out[at + 2] = table[r0[pair]], table[g0[pair]], table[b0[pair]]
                    out[at + 3], out[at + 4], out[at + 5] = table[r1[pair]], table[g1[pair]], table[b1[pair]]
                if width % 2:
                    at, pair = 3 * width - 3, width // 2
                    out[at], out[at + 1], out[at + 2] = table[r0[pair]], table[g0[pair]], table[b0[pair]]

    return rows
