"""Colour: from the camera's own primaries to linear sRGB."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from isp.arithmetic import fma
from isp.bands import apply
from isp.colorimetry import SRGB_TO_XYZ
from isp.errors import StageError, require
from isp.frame import Frame, Matrix, Meta, Outline, Space
from isp.jit import kernel
from isp.parameters import settle
from isp.rows import Point, Points, Step

logger = logging.getLogger(__name__)


@kernel
def mix(value, weights):  # type: ignore[no-untyped-def]
    """Return one output colour: a weighted sum of the camera's three."""
    r, g, b = value
    of_r, of_g, of_b = weights
    return fma(of_b, b, fma(of_g, g, of_r * r))


@kernel
def _mixed(value, x, matrix):  # type: ignore[no-untyped-def]
    return mix(value, matrix[0]), mix(value, matrix[1]), mix(value, matrix[2])


@dataclass(frozen=True, slots=True)
class Color:
    """CAMERA to LINEAR: ``rgb = M @ camera``, to sRGB / Rec. 709 primaries.

    Keeps negatives and values over 1: clipping here would turn saturated colours into others.

    Parameters
    ----------
    matrix : 3x3 tuple of float, optional
        White-balanced camera colours to linear sRGB. None means from the file: with K = XYZ_to_camera @ sRGB_to_XYZ,
        each row of K divided by its sum, M is the inverse of K. Then rows of M sum to 1 and what is neutral stays
        neutral. A file without a matrix gets the identity and a logged warning; a monochrome sensor needs none.

    Raises
    ------
    ParameterError
        If `matrix` is not 3x3 finite numbers.
    StageError
        If the file's matrix cannot be inverted.

    References
    ----------
    IEC 61966-2-1 (sRGB); the row normalisation is dcraw's and LibRaw's.

    Examples
    --------
    >>> import isp
    >>> meta = isp.read_raw("sample_raws/g2_0304.CRW").meta
    >>> isp.Color().camera_to_srgb(meta).sum(axis=1).round(6).tolist()
    [1.0, 1.0, 1.0]
    """

    matrix: Matrix | None = None

    reads: ClassVar[Space] = Space.CAMERA
    writes: ClassVar[Space] = Space.LINEAR

    def __post_init__(self) -> None:
        settle(self)
        fits = self.matrix is None or bool(np.isfinite(self.matrix).all())
        require(fits, "Color", "matrix", self.matrix, "3 rows of 3 finite numbers")

    def __call__(self, frame: Frame) -> Frame:
        """Return the frame in LINEAR space."""
        return apply(self, frame)

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step:
        """Return how rows are made."""
        matrix = tuple(map(tuple, self.camera_to_srgb(before.meta).astype(np.float32)))
        after = before.replace(space=Space.LINEAR, lens_gain=1.0)  # of mixed colours no noise model speaks
        return Step(Points(Point(_mixed), matrix), after)

    def camera_to_srgb(self, meta: Meta) -> NDArray[np.float64]:
        """Return the 3x3 matrix that this stage would use on a file."""
        if self.matrix is not None:
            return np.array(self.matrix, np.float64)
        if meta.monochrome:
            return np.eye(3)
        if meta.xyz_to_camera is None:
            logger.warning("%s: no colour matrix; colours are the camera's own", meta.name)
            return np.eye(3)
        return camera_to_srgb(meta.xyz_to_camera, meta.name)


def camera_to_srgb(xyz_to_camera: Matrix, name: str = "") -> NDArray[np.float64]:
    """Return the matrix from white-balanced camera colours to linear sRGB for one from XYZ (D65) to camera."""
    try:
        return _inverse(tuple(map(tuple, xyz_to_camera))).copy()
    except np.linalg.LinAlgError:
        raise StageError(f"Color: {name}: the colour matrix {xyz_to_camera} has no inverse; give matrix") from None


@functools.lru_cache(maxsize=16)
def _inverse(xyz_to_camera: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Return the matrix, once for all pictures of a camera: with little else to do, this took a while."""
    srgb_to_camera = np.array(xyz_to_camera) @ SRGB_TO_XYZ
    sums = srgb_to_camera.sum(axis=1, keepdims=True)
    if not sums.min() > 0:
        raise np.linalg.LinAlgError
    return np.linalg.inv(srgb_to_camera / sums)
