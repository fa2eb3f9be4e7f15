"""Bilinear demosaic of any periodic colour filter array, as rows from rows.

A row of three colours is made of the rows around it. A Bayer pattern has loops of its own, see `bayer`.
"""

from __future__ import annotations

import numpy as np

from isp.cfa import CFA, colour_masks, reach, row_tables, tent
from isp.jit import kernel
from isp.loops import before
from isp.rows import Scratch, Window, place


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
    row = source[place(y, source_top, source)]
    for colour in range(3):
        sums[:] = 0
        for tap in range(weights.size):
            other = y + tap - margin
            if 0 <= other < height:
                mask = masks[colour, other % masks.shape[1]]
                gather_row(source[place(other, source_top, source)], mask, weights[tap], sums)
        interpolate_row(row, sums, weights, keep[colour], inverse[colour], out[colour])


@kernel
def _rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
    height, masks, weights, row_class, keep, inverse, sums = parameters
    for y in range(first, last):
        kind, out = row_class[y], target[place(y, target_top, target)]
        fill_row(y, height, source, source_top, masks, weights, keep[kind], inverse[kind], sums, out)


def bilinear(height: int, width: int, cfa: CFA) -> Window:
    """Fill the missing colours by normalised convolution: sum(w v) / sum(w) over the samples that exist.

    The weights are a tent, 1 2 1 in both directions for a Bayer pattern (see `bayer`); a wider one where a colour can
    be farther than one site away (X-Trans). Own samples are kept. At the border the samples beyond it simply do not
    exist, so a flat field stays flat to the last pixel. A colour that has no sample near (an image of a single row)
    gets the site's own.
    """
    weights = tent(reach(cfa))
    masks = colour_masks(cfa, width)
    sums = Scratch((width + 2 * (weights.size // 2),))
    parameters = (height, masks, weights, *row_tables(masks, weights, height), sums)
    return Window(before(_rows), parameters, halo=weights.size // 2)
