"""Flat-field frames: from a picture of an even white surface to the gains of the vignetting stage."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.cfa import shifted
from isp.errors import StageError
from isp.frame import Frame, Meta


def gains(flat: Any, meta: Meta, smoothing: int) -> NDArray[np.float32]:
    """Return brightest / value of a smoothed flat-field frame, per CFA site.

    Parameters
    ----------
    flat : path or ndarray
        A raw file of the same sensor, or a (height, width) array over the active area with black at 0.
    meta : Meta
        Of the picture to correct.
    smoothing : int
        Half width of the box mean in CFA cells; near the border the box shrinks, see `box_mean`.

    Raises
    ------
    StageError
        If size or CFA differ from the picture's, or the flat field is not brighter than black everywhere.
    """
    values = _load(flat, meta)
    height, width = values.shape
    out = np.empty((height, width), np.float32)
    down, across = len(meta.cfa), len(meta.cfa[0])
    for y in range(min(down, height)):
        for x in range(min(across, width)):
            site = box_mean(values[y::down, x::across], smoothing)
            if not site.min() > 0:
                raise StageError("Vignetting: the flat field is not above black everywhere; give a brighter one")
            out[y::down, x::across] = site.max() / site
    return out


def box_mean(plane: NDArray[Any], radius: int) -> NDArray[np.float64]:
    """Return the mean over a (2 radius + 1)^2 box, narrower near the border.

    It shrinks on both sides alike: a box cut on one side would average pixels that lie inwards, and these are brighter
    than a corner.
    """
    for axis in (0, 1):
        size = plane.shape[axis]
        total = np.concatenate(
            [np.zeros_like(plane.take([0], axis), np.float64), np.cumsum(plane, axis, np.float64)], axis
        )
        index = np.arange(size)
        reach = np.minimum(radius, np.minimum(index, size - 1 - index))
        count = (2 * reach + 1).reshape((-1, 1) if axis == 0 else (1, -1))
        plane = (total.take(index + reach + 1, axis) - total.take(index - reach, axis)) / count
    return plane


def _load(flat: Any, meta: Meta) -> NDArray[Any]:
    expected = (meta.active.height, meta.active.width)
    if isinstance(flat, str | os.PathLike):
        from isp.raw import read_raw
        from isp.stages.black_level import BlackLevel

        frame: Frame = read_raw(flat, crop="active")
        if frame.meta.demosaiced or frame.meta.cfa != shifted(meta.cfa, meta.active.top, meta.active.left):
            raise StageError(f"Vignetting: the flat field {frame.meta.name} has another CFA than {meta.name}")
        flat = BlackLevel()(frame).data
    if flat.shape != expected:
        raise StageError(
            f"Vignetting: the flat field is {flat.shape}, the picture's active area {expected} (rows, columns)"
        )
    return np.asarray(flat)
