"""Demosaic: three colours at every pixel, from one colour at every site of a periodic colour filter array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from isp.cfa import CFA, Array, cell_size, colour_masks, reach, row_tables, tent
from isp.errors import StageError, require_choice
from isp.frame import Frame, Space
from isp.jit import kernel
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
def _bilinear_rows(first, last, mosaic, masks, weights, row_class, keep, inverse, out):  # type: ignore[no-untyped-def]
    height, width = mosaic.shape
    margin = weights.size // 2
    sums = np.empty(width + 2 * margin, np.float32)
    filled = np.empty(width, np.float32)
    for y in range(first, last):
        for colour in range(3):
            sums[:] = 0
            for tap in range(weights.size):
                source = y + tap - margin
                if 0 <= source < height:
                    gather_row(mosaic[source], masks[colour, source % masks.shape[1]], weights[tap], sums)
            kind = row_class[y]
            interpolate_row(mosaic[y], sums, weights, keep[kind, colour], inverse[kind, colour], filled)
            for x in range(width):
                out[y, x, colour] = filled[x]


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


def bilinear(mosaic: Array, cfa: CFA) -> Array:
    """Fill the missing colours by normalised convolution: sum(w v) / sum(w) over the samples that exist.

    The weights are a tent, 1 2 1 in both directions for a Bayer pattern; a wider one where a colour can be farther than
    one site away (X-Trans). Own samples are kept. At the border the samples beyond it simply do not exist, so a flat
    field stays flat to the last pixel. A colour that has no sample near (an image of a single row) gets the site's own.
    """
    height, width = mosaic.shape
    weights = tent(reach(cfa))
    masks = colour_masks(cfa, width)
    row_class, keep, inverse = row_tables(masks, weights, height)
    out = np.empty((height, width, 3), np.float32)
    over_rows(_bilinear_rows, height, mosaic, masks, weights, row_class, keep, inverse, out)
    return out


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


METHODS: dict[str, Callable[[Array, CFA], Array]] = {"bilinear": bilinear, "half": half}


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
        require_choice("Demosaic", "method", self.method, tuple(METHODS))

    def __call__(self, frame: Frame) -> Frame:
        """Return the frame in CAMERA space; clipped sites are not told apart any more (`saturation` is 1)."""
        if frame.meta.monochrome and self.method == "bilinear":
            data = np.repeat(frame.data[:, :, None], 3, axis=2)
        else:
            data = METHODS[self.method](frame.data, frame.meta.cfa)
        if frame.meta.monochrome:
            data = np.repeat(data[:, :, frame.meta.cfa[0][0], None], 3, axis=2)
        return frame.replace(data=data, space=Space.CAMERA, saturation=1.0)
