"""Black level: subtract the sensor's pedestal and scale to 0 = black, 1 = white."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from isp.bands import apply
from isp.border import disagreement, tolerance
from isp.cfa import tile, tile_columns
from isp.errors import StageError, require, require_choice
from isp.frame import Frame, Meta, Outline, Space
from isp.jit import kernel
from isp.parameters import settle
from isp.rows import Step
from isp.sites import of_pattern

logger = logging.getLogger(__name__)

Pattern = tuple[tuple[float, ...], ...]


@kernel
def normalise(value, black, white):  # type: ignore[no-untyped-def]
    """Map black to 0 and white to 1 exactly; values below black stay negative."""
    return (value - black) / (white - black)


@dataclass(frozen=True, slots=True)
class BlackLevel:
    """RAW to MOSAIC: ``(v - black) / (white - black)``, per site.

    The black of a site is the file's periodic pattern plus what the file adds per row and column (DNG specification
    1.7.1, BlackLevel, BlackLevelDeltaH, BlackLevelDeltaV). Clips nothing: noise around black keeps its sign, because
    cutting it off would lift the mean of every shadow.

    Parameters
    ----------
    source : {"file", "border"}, default "file"
        Where black comes from: the file's word, or the mean of the masked border, measured per CFA site.
    black : float, optional
        Black level of all sites in DN, instead of `source`.
    white : float, optional
        White level in DN; None means from the file.

    Raises
    ------
    ParameterError
        If a value is not finite.
    StageError
        If white is not above black, or the file has no masked border to measure.

    Notes
    -----
    A warning is logged where the masked border's mean differs from the file's black by more than its own noise (four
    standard errors) and more than 1/2000 of the range, which is 1.6 of 255 levels of sRGB at black.

    Examples
    --------
    >>> import isp
    >>> frame = isp.read_raw("sample_raws/g2_0304.CRW")
    >>> mosaic = isp.BlackLevel()(frame)
    >>> mosaic.space.name, str(mosaic.data.dtype)
    ('MOSAIC', 'float32')
    """

    source: str = "file"
    black: float | None = None
    white: float | None = None

    reads: ClassVar[Space] = Space.RAW
    writes: ClassVar[Space] = Space.MOSAIC

    def __post_init__(self) -> None:
        settle(self)
        require_choice("BlackLevel", "source", self.source, ("file", "border"))
        for name, value in (("black", self.black), ("white", self.white)):
            require(value is None or math.isfinite(value), "BlackLevel", name, value, "a finite level in DN")

    def __call__(self, frame: Frame) -> Frame:
        """Return the frame in MOSAIC space."""
        return apply(self, frame)

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step:
        """Return how rows are made."""
        black = self.black_of_sites(before)
        white = np.float32(before.meta.white if self.white is None else self.white)
        if not white > black.max():
            raise StageError(
                f"BlackLevel: white {white:g} DN is not above black {black.max():g} DN; give white or black"
            )
        return Step(of_pattern(normalise, black, white), before.replace(space=Space.MOSAIC))

    def black_of_sites(self, before: Outline) -> NDArray[np.float32]:
        """Return black in DN as float32, for the rows and columns until they repeat: 2 or all columns."""
        meta, pattern = before.meta, self.pattern(before.meta)
        if pattern is not meta.black or not (meta.black_rows or meta.black_columns):
            return tile_columns(pattern, before.width)
        columns = np.array(meta.black_columns or (0.0,) * before.width, np.float32)
        rows = np.array(meta.black_rows or (0.0,) * before.height, np.float32)
        if (len(rows), len(columns)) != (before.height, before.width):
            raise StageError(
                f"BlackLevel: black of {len(rows)}x{len(columns)} rows and columns, "
                f"frame {before.height}x{before.width}"
            )
        return (tile(pattern, before.height, before.width) + columns + rows[:, None]).astype(np.float32)

    def pattern(self, meta: Meta) -> Pattern:
        """Return the periodic black pattern in DN that will be subtracted from this file."""
        if self.black is not None:
            return ((float(self.black),),)
        if self.source == "file":
            warn_if_disagreeing(meta)
            return meta.black
        if meta.border is None:
            raise StageError("BlackLevel: the file has no masked border to measure; use source = 'file'")
        return meta.border.mean


def warn_if_disagreeing(meta: Meta) -> None:
    """Log a warning where the masked border contradicts the file's black."""
    difference = disagreement(meta)
    if abs(difference) > tolerance(meta):
        logger.warning(
            "%s: the masked border is %+.1f DN from the file's black; black_level.source = 'border' uses it",
            meta.name,
            difference,
        )
