"""Demosaic: three colours at every pixel, from one colour at every site of a periodic colour filter array."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from isp import loops
from isp.bands import apply
from isp.bayer import bayer
from isp.bilinear import bilinear
from isp.cfa import CFA, cell_size, tile
from isp.errors import StageError, require_choice
from isp.frame import Frame, Gain, Later, Outline, Space, known
from isp.jit import kernel
from isp.parameters import settle
from isp.rows import Step, Window, place


@kernel
def _grey_rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
    for y in range(first, last):
        row, out = source[place(y, source_top, source)], target[place(y, target_top, target)]
        for colour in range(3):
            for x in range(row.size):
                out[colour, x] = row[x]


@kernel
def _half_rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
    cell, cfa, colours, counts = parameters
    down, across = counts.shape[:2]  # cells after which the pattern repeats
    for y in range(first, last):
        for channel in range(3):
            colour, out = colours[channel], target[place(y, target_top, target)][channel]
            out[:] = np.float32(0)
            for row in range(y * cell, (y + 1) * cell):
                samples = source[place(row, source_top, source)]
                for column in range(across * cell):
                    if cfa[row % cfa.shape[0], column % cfa.shape[1]] == colour:
                        for x in range(column // cell, out.size, across):
                            out[x] += samples[x * cell + column % cell]
            for x in range(out.size):
                out[x] /= counts[y % down, x % across, colour]


def half(height: int, width: int, cfa: CFA) -> Window:
    """Make one pixel of each cell that holds all colours: the mean of each colour's samples.

    Cells that the edge cuts are dropped. A cell is 2x2 for a Bayer pattern, 3x3 for X-Trans.
    """
    cell = cell_size(cfa)
    if min(height, width) < cell:
        raise StageError(
            f"Demosaic: an image of {(height, width)} is smaller than one {cell}x{cell} cell; use bilinear"
        )
    down, across = (math.lcm(cell, period) // cell for period in (len(cfa), len(cfa[0])))
    cells = tile(cfa, down * cell, across * cell).reshape(down, cell, across, cell)
    counts = (cells[..., None] == np.arange(3)).sum(axis=(1, 3)).astype(np.float32)
    colours = (0, 1, 2) if len(np.unique(cells)) > 1 else (cfa[0][0],) * 3
    return Window(loops.before(_half_rows), (cell, np.array(cfa), colours, counts), cell=cell)


def _of_cells(gain: Gain, cell: int, height: int, width: int) -> Gain:
    """Return the mean gain of every cell."""
    if isinstance(gain, float):
        return gain

    def make() -> NDArray[np.float32]:
        field = np.asarray(known(gain))[: height * cell, : width * cell]
        return np.asarray(field.reshape(height, cell, width, cell).mean(axis=(1, 3)))

    return Later(0.0, make)


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
        return apply(self, frame)

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step:
        """Return how rows are made."""
        height, width, cfa = before.height, before.width, before.meta.cfa
        after = before.replace(space=Space.CAMERA, saturation=1.0)
        if self.method == "half":
            window = half(height, width, cfa)
            cells = {"height": height // window.cell, "width": width // window.cell}
            return Step(window, after.replace(**cells, lens_gain=_of_cells(before.lens_gain, window.cell, **cells)))
        if before.meta.monochrome:
            return Step(Window(loops.before(_grey_rows)), after)
        return Step(bayer(height, width, cfa) or bilinear(height, width, cfa), after)
