"""Demosaic: three colours at every pixel, from one colour at every site of a periodic colour filter array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from isp.cfa import CFA, Array, bayer_layout, cell_size, colour_masks, reach, row_tables, tent
from isp.errors import StageError, require_choice
from isp.frame import Frame, Outline, Space
from isp.jit import kernel
from isp.parameters import settle
from isp.rows import Rows, Step, apply, check_space
from isp.threads import over_rows


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
def _rows(  # type: ignore[no-untyped-def]
    first, last, source, source_top, target, target_top, height, masks, weights, row_class, keep, inverse, bayer
):
    width = source.shape[1]
    margin = weights.size // 2
    sums, edge = np.empty(width + 2 * margin, np.float32), np.empty((3, 2), np.float32)
    for y in range(first, last):
        out, kind, at = target[y - target_top], row_class[y], y - source_top
        if bayer.size and 0 < y < height - 1 and width > 2:
            own, start = bayer[y % 2, 0], bayer[y % 2, 1]
            fill_bayer_row(source[at - 1], source[at], source[at + 1], start, out[own], out[1], out[2 - own])
            for x in (0, width - 2):  # the outer columns, each with the one beside it
                columns = slice(x, x + 2)
                fill_row(
                    y,
                    height,
                    source[:, columns],
                    source_top,
                    masks[:, :, columns],
                    weights,
                    keep[kind][:, columns],
                    inverse[kind][:, columns],
                    sums[: 2 + 2 * margin],
                    edge,
                )
                outer = 0 if x == 0 else 1
                for colour in range(3):
                    out[colour, x + outer] = edge[colour, outer]
        else:
            fill_row(y, height, source, source_top, masks, weights, keep[kind], inverse[kind], sums, out)


@kernel
def _grey_rows(first, last, source, source_top, target, target_top):  # type: ignore[no-untyped-def]
    for y in range(first, last):
        for colour in range(3):
            target[y - target_top, colour] = source[y - source_top]


@kernel
def _half_rows(first, last, mosaic, cfa, cell_height, cell_width, out):  # type: ignore[no-untyped-def]
    for y in range(first, last):
        for x in range(out.shape[1]):
            total, count = np.zeros(3, np.float32), np.zeros(3, np.float32)
            for source_y in range(y * cell_height, (y + 1) * cell_height):
                for source_x in range(x * cell_width, (x + 1) * cell_width):
                    colour = cfa[source_y % cfa.shape[0], source_x % cfa.shape[1]]
                    total[colour] += mosaic[source_y, source_x]
                    count[colour] += np.float32(1)
            for colour in range(3):
                out[y, x, colour] = total[colour] / count[colour]


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


def half(mosaic: Array, cfa: CFA) -> Array:
    """Make one pixel of each cell that holds all colours: the mean of each colour's samples.

    Cells that the edge cuts are dropped. A cell is 2x2 for a Bayer pattern, 3x3 for X-Trans.
    """
    cell = cell_size(cfa)
    height, width = mosaic.shape[0] // cell, mosaic.shape[1] // cell
    if height == 0 or width == 0:
        raise StageError(f"Demosaic: an image of {mosaic.shape} is smaller than one {cell}x{cell} cell; use bilinear")
    out = np.empty((height, width, 3), np.float32)
    over_rows(_half_rows, height, mosaic, np.array(cfa), cell, cell, out)
    return out


METHODS = ("bilinear", "half")


@dataclass(frozen=True, slots=True)
class Demosaic:
    """MOSAIC to CAMERA: (H, W) to (H, W, 3), for any periodic CFA. Clips nothing, keeps negatives.

    Parameters
    ----------
    method : {"bilinear", "half"}, default "bilinear"
        * ``bilinear``: missing colours are the weighted mean of the nearest samples, by normalised convolution; equal
          to LibRaw's LINEAR up to its rounding.
        * ``half``: one pixel per cell of the CFA, without interpolation; (H // 2, W // 2) for a Bayer pattern.

        A monochrome sensor's values go to all three channels.

    Raises
    ------
    ParameterError
        If the method is not known.
    StageError
        If the image is smaller than one cell (``half``).

    References
    ----------
    Knutsson and Westin, "Normalized and differential convolution", CVPR 1993.

    Examples
    --------
    >>> import isp
    >>> mosaic = isp.WhiteBalance()(isp.BlackLevel()(isp.read_raw("sample_raws/g2_0304.CRW")))
    >>> isp.Demosaic("half")(mosaic).data.shape
    (860, 1156, 3)
    """

    method: str = "bilinear"

    reads: ClassVar[Space] = Space.MOSAIC
    writes: ClassVar[Space] = Space.CAMERA

    def __post_init__(self) -> None:
        settle(self)
        require_choice("Demosaic", "method", self.method, METHODS)

    def __call__(self, frame: Frame) -> Frame:
        """Return the frame in CAMERA space; clipped sites are not told apart any more (`saturation` is 1)."""
        if self.method == "bilinear":
            return apply(self, frame)
        check_space(self, frame)
        data, cfa = half(frame.data, frame.meta.cfa), frame.meta.cfa
        if frame.meta.monochrome:
            data = np.repeat(data[:, :, cfa[0][0], None], 3, axis=2)
        return frame.replace(data=data, space=Space.CAMERA, saturation=1.0)

    def step(self, before: Outline, frame: Frame | None = None) -> Step | None:
        """Return how rows are made; None for ``half``, whose rows are not those of the mosaic."""
        if self.method == "half":
            return None
        after = before.replace(space=Space.CAMERA, saturation=1.0)
        if before.meta.monochrome:
            return Step(Rows(_grey_rows, ()), after)
        return Step(bilinear(before.height, before.width, before.meta.cfa), after)
