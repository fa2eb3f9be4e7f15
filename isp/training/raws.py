"""Mosaics of raw files to learn from, stabilised by the noise of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.host import rggb_corner
from isp.errors import IspError, TrainingError, printable
from isp.noise import noise_of
from isp.plan import find
from isp.raw import read_raw
from isp.stabilise import stabilise
from isp.stages import BlackLevel
from isp.training.patches import SIDE

logger = logging.getLogger(__name__)


def raw_files(sources: Sequence[Path]) -> list[Path]:
    """Return the raw files that sources stand for, as ``isp convert`` finds them.

    Raises
    ------
    TrainingError
        If there is none.
    """
    found = find(sources, headerless=False)
    if not found:
        raise TrainingError(f"{', '.join(map(printable, sources))}: no raw files there; give folders with some")
    return found


def stabilised_mosaics(paths: Sequence[Path]) -> list[NDArray[np.float32]]:
    """Return Bayer mosaics packed to (4, h, w), red, green, green, blue, their noise at a standard deviation of 1.

    A file that cannot be read, or is no Bayer mosaic, is left out with a warning.

    Raises
    ------
    TrainingError
        If none is left.
    """
    mosaics = []
    for path in paths:
        try:
            mosaics.append(_stabilised(path))
        except IspError as error:
            logger.warning("left out: %s", error)
    if not mosaics:
        raise TrainingError("none of these files is a Bayer mosaic that can be read; give others")
    return mosaics


def _stabilised(path: Path) -> NDArray[np.float32]:
    frame = read_raw(path)
    corner = None if frame.meta.demosaiced else rggb_corner(frame.meta.cfa)
    active = frame.meta.active
    if corner is None or frame.meta.monochrome or min(active.height, active.width) < SIDE + 2:
        raise TrainingError(f"{printable(path)}: no Bayer mosaic of {SIDE + 2} pixels a side or more")
    noise, _ = noise_of(mosaic := BlackLevel()(frame))
    top, left = (start + (first + start) % 2 for start, first in zip((active.top, active.left), corner, strict=True))
    bottom, right = active.top + active.height, active.left + active.width
    data = mosaic.data[top : bottom - (bottom - top) % 2, left : right - (right - left) % 2]
    planes = (
        stabilise(data[y::2, x::2], noise.shot[colour], noise.read[colour])
        for y, x, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))
    )
    return np.stack(list(planes))
