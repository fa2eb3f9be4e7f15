"""Bilinear demosaic of any periodic colour filter array, as rows from rows.

A row of three colours is made of the rows around it; a Bayer pattern has loops of its own that LLVM vectorises.
"""

from __future__ import annotations

import numpy as np

from isp.cfa import CFA, bayer_layout, colour_masks, reach, row_tables, tent
from isp.jit import allocating_kernel, kernel
from isp.rows import Rows


@kernel
def gather_row(row, mask, weight, sums):  # type: ignore[no-untyped-def]
    """Add a row's samples of one colour to the column sums; `sums` is longer by a margin on both sides."""
    margin = (sums.size - row.size) // 2
    for x in range(row.size):
        sums[margin + x] += weight * mask[x] * row[x]


@kernel
def interpolate_row(row, sums, weights, keep, inverse, out):  # type: ignore[no-untyped-def]
    """Keep a colour's own samples, and fill the others with the weighted mean of their neighbours."""
    for x in range(row.size):
        total = np.float32(0)
        for tap in range(weights.size):
            total += weights[tap] * sums[x + tap]
        out[x] = keep[x] * row[x] + inverse[x] * total


@kernel
def fill_row(y, height, source, source_top, masks, weights, keep, inverse, sums, out):  # type: ignore[no-untyped-def]
    """Demosaic row y of an image of `height` rows into the three rows of `out`, for any pattern."""
    margin = weights.size // 2
    row = source[y - source_top]
    for colour in range(3):
        sums[:] = 0
        for tap in range(weights.size):
            other = y + tap - margin
            if 0 <= other < height:
                gather_row(source[other - source_top], masks[colour, other % masks.shape[1]], weights[tap], sums)
        interpolate_row(row, sums, weights, keep[colour], inverse[colour], out[colour])


@kernel
def fill_bayer_row(above, here, below, start, own, green, other):  # type: ignore[no-untyped-def]
    """Demosaic the inner columns of a row between two others whose own colour, not green, begins at column `start`.

    The very sums of `fill_row` for a Bayer pattern, which are exact in halves and quarters. One array is written per
    loop: then LLVM vectorises it.
    """
    for x in range(1, here.size - 1):
        own[x] = here[x] if (x & 1) == start else (here[x - 1] + here[x + 1]) * np.float32(0.5)
    for x in range(1, here.size - 1):
        cross = (here[x - 1] + (above[x] + below[x])) + here[x + 1]
        green[x] = cross * np.float32(0.25) if (x & 1) == start else here[x]
    for x in range(1, here.size - 1):
        corners = (above[x - 1] + below[x - 1]) + (above[x + 1] + below[x + 1])
        other[x] = corners * np.float32(0.25) if (x & 1) == start else (above[x] + below[x]) * np.float32(0.5)


@kernel
def fill_bayer_edge(above, here, below, x, beside, start, own, green, other):  # type: ignore[no-untyped-def]
    """Demosaic one of the two outer columns of such a row, whose only neighbour is the column `beside`."""
    vertical = above[x] + below[x]
    if (x & 1) == start:
        own[x] = here[x]
        green[x] = (vertical + here[beside]) * np.float32(1 / 3)
        other[x] = (above[beside] + below[beside]) * np.float32(0.5)
    else:
        own[x], green[x], other[x] = here[beside], here[x], vertical * np.float32(0.5)


@allocating_kernel
def _rows(  # type: ignore[no-untyped-def]
    first, last, source, source_top, target, target_top, height, masks, weights, row_class, keep, inverse, bayer
):
    width = source.shape[1]
    sums = np.empty(width + 2 * (weights.size // 2), np.float32)
    for y in range(first, last):
        out, at = target[y - target_top], y - source_top
        if bayer.size and 0 < y < height - 1 and width > 1:
            start, above, here, below = bayer[y % 2, 1], source[at - 1], source[at], source[at + 1]
            own, green, other = out[bayer[y % 2, 0]], out[1], out[2 - bayer[y % 2, 0]]
            fill_bayer_row(above, here, below, start, own, green, other)
            fill_bayer_edge(above, here, below, 0, 1, start, own, green, other)
            fill_bayer_edge(above, here, below, width - 1, width - 2, start, own, green, other)
        else:
            kind = row_class[y]
            fill_row(y, height, source, source_top, masks, weights, keep[kind], inverse[kind], sums, out)


def bilinear(height: int, width: int, cfa: CFA) -> Rows:
    """Fill the missing colours by normalised convolution: sum(w v) / sum(w) over the samples that exist.

    The weights are a tent, 1 2 1 in both directions for a Bayer pattern; a wider one where a colour can be farther than
    one site away (X-Trans). Own samples are kept. At the border the samples beyond it simply do not exist, so a flat
    field stays flat to the last pixel. A colour that has no sample near (an image of a single row) gets the site's own.
    """
    weights = tent(reach(cfa))
    masks = colour_masks(cfa, width)
    row_class, keep, inverse = row_tables(masks, weights, height)
    parameters = (height, masks, weights, row_class, keep, inverse, bayer_layout(cfa))
    return Rows(_rows, parameters, halo=weights.size // 2)
