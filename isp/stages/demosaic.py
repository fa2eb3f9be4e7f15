"""Demosaic: three colours at every pixel, from one colour at every site of a periodic colour filter array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from isp.bilinear import bilinear
from isp.cfa import CFA, Array, cell_size
from isp.errors import StageError, require_choice
from isp.frame import Frame, Outline, Space
from isp.jit import allocating_kernel
from isp.parameters import settle
from isp.rows import Rows, Step, apply, check_space
from isp.threads import over_rows


@allocating_kernel
def _grey_rows(first, last, source, source_top, target, target_top):  # type: ignore[no-untyped-def]
    for y in range(first, last):
        for colour in range(3):
            target[y - target_top, colour] = source[y - source_top]


@allocating_kernel
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

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step | None:
        """Return how rows are made; None for ``half``, whose rows are not those of the mosaic."""
        if self.method == "half":
            return None
        after = before.replace(space=Space.CAMERA, saturation=1.0)
        if before.meta.monochrome:
            return Step(Rows(_grey_rows, ()), after)
        return Step(bilinear(before.height, before.width, before.meta.cfa), after)
