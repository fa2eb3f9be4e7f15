"""Bilinear demosaic of a Bayer pattern.

Even and odd columns lie apart, so that along a row every site has the same neighbours: no choice is left in the loops,
and LLVM vectorises them.
"""

from __future__ import annotations

import numpy as np

from isp.cfa import CFA, bayer_layout
from isp.jit import Kernel, combination, kernel
from isp.rows import Point, Window, place


@kernel
def of_two(a, b):  # type: ignore[no-untyped-def]
    """Return the mean of two neighbours."""
    return (a + b) * np.float32(0.5)


@kernel
def of_four(a, b, c, d):  # type: ignore[no-untyped-def]
    """Return the mean of four neighbours, two pairs."""
    return ((a + b) + (c + d)) * np.float32(0.25)


@kernel
def at_the_border(source, source_top, y, x, height, width, cfa):  # type: ignore[no-untyped-def]
    """Return the colours of any site: its own, and of the others the mean of the neighbours that exist.

    Beside and above count twice as much as across the corner; only where some are missing do both kinds meet.
    """
    here = source[place(y, source_top, source)][x % 2, x // 2]
    totals, weights = (np.float32(0), np.float32(0), np.float32(0)), (np.float32(0), np.float32(0), np.float32(0))
    for row in range(max(y - 1, 0), min(y + 2, height)):
        for column in range(max(x - 1, 0), min(x + 2, width)):
            weight = np.float32((2 - abs(row - y)) * (2 - abs(column - x)))
            value = weight * source[place(row, source_top, source)][column % 2, column // 2]
            r, g, b = totals
            of_r, of_g, of_b = weights
            colour = cfa[row % 2, column % 2]
            if colour == 0:
                r, of_r = r + value, of_r + weight
            elif colour == 1:
                g, of_g = g + value, of_g + weight
            else:
                b, of_b = b + value, of_b + weight
            totals, weights = (r, g, b), (of_r, of_g, of_b)
    own = cfa[y % 2, x % 2]
    r = totals[0] / weights[0] if weights[0] > 0 and own != 0 else here
    g = totals[1] / weights[1] if weights[1] > 0 and own != 1 else here
    b = totals[2] / weights[2] if weights[2] > 0 and own != 2 else here
    return r, g, b


@combination
def _inner_row(function: Kernel) -> Kernel:
    @kernel
    def row(above, here, below, start, red, width, planes, of_row):  # type: ignore[no-untyped-def]
        mine, mine_above, mine_below = here[start][1 - start :], above[start][1 - start :], below[start][1 - start :]
        green, green_above, green_below = here[1 - start], above[1 - start], below[1 - start]
        r, g, b = planes[0, start][1 - start :], planes[1, start][1 - start :], planes[2, start][1 - start :]
        for i in range((width - 2 - start) // 2 + start):
            own = mine[i]
            cross = of_four(green[i], green[i + 1], mine_above[i], mine_below[i])
            corners = of_four(green_above[i], green_below[i], green_above[i + 1], green_below[i + 1])
            value = (own if red else corners, cross, corners if red else own)
            r[i], g[i], b[i] = function(value, 2 * i + 2 - start, of_row)
        mine = here[start]
        beside, over, under = green[start:], green_above[start:], green_below[start:]
        r, g, b = planes[0, 1 - start][start:], planes[1, 1 - start][start:], planes[2, 1 - start][start:]
        for i in range((width - 1 + start) // 2 - start):
            across, along = of_two(mine[i], mine[i + 1]), of_two(over[i], under[i])
            value = (across if red else along, beside[i], along if red else across)
            r[i], g[i], b[i] = function(value, 2 * i + 1 + start, of_row)

    return row


@combination
def _interpolated(point: Point) -> Kernel:
    function, of_row = point
    inner_row = _inner_row(function)

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        (height, width, cfa, layout), of_points = parameters
        for y in range(first, last):
            planes, row, step = target[place(y, target_top, target)], of_row(y, of_points), 1
            if 0 < y < height - 1 and width > 2:
                red, start = layout[y % 2, 0] == 0, layout[y % 2, 1]
                above, below = source[place(y - 1, source_top, source)], source[place(y + 1, source_top, source)]
                inner_row(above, source[place(y, source_top, source)], below, start, red, width, planes, row)
                step = width - 1
            for x in range(0, width, step):
                value = at_the_border(source, source_top, y, x, height, width, cfa)
                r, g, b = function(value, x, row)
                planes[0, x % 2, x // 2], planes[1, x % 2, x // 2], planes[2, x % 2, x // 2] = r, g, b

    return rows


def bayer(height: int, width: int, cfa: CFA) -> Window | None:
    """Return how a Bayer mosaic is filled in, see `bilinear`; None for any other pattern."""
    layout = bayer_layout(cfa)
    if not layout.size:
        return None
    return Window(_interpolated, (height, width, np.array(cfa), layout), halo=1, by_parity=True)
