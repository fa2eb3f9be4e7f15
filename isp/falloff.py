"""How light falls off towards the corners: the gains that undo it, as fields over a band of rows.

All radii are relative: r = 0 at the centre, r = 1 at the corner farthest from it. Every function returns the gain that
*corrects*; its reciprocal is the falloff itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.cfa import shifted, tile
from isp.frame import Meta, Rectangle
from isp.jit import kernel
from isp.opcodes import GainMap, LensShading, RadialGain
from isp.threads import over_rows

Field = NDArray[np.float64]


def squared_radius(area: Rectangle, center: tuple[float, float], aspect: float) -> Field:
    """Return r^2 for every pixel centre of an area, shape (height, width): the sum of `squared_distances`."""
    x2, y2 = squared_distances(area, center, aspect)
    return x2 + y2[:, None]


def squared_distances(area: Rectangle, center: tuple[float, float], aspect: float) -> tuple[Field, Field]:
    """Return the squared distances of columns and of rows from the centre, in radii: (width,) and (height,).

    Parameters
    ----------
    area : Rectangle
        The lit part of the sensor; r = 1 at its corner farthest from the centre.
    center : (float, float)
        x and y of the optical centre, 0..1 across the area.
    aspect : float
        Width of a photosite over its height.
    """
    x = ((np.arange(area.width) + 0.5) / area.width - center[0]) * area.width * aspect
    y = ((np.arange(area.height) + 0.5) / area.height - center[1]) * area.height
    far_x = max(center[0], 1 - center[0]) * area.width * aspect
    far_y = max(center[1], 1 - center[1]) * area.height
    corner2 = far_x * far_x + far_y * far_y
    return x * x / corner2, y * y / corner2


def radial_polynomial(r2: Field, coefficients: tuple[float, ...]) -> Field:
    """Return 1 + k0 r^2 + k1 r^4 + .. (DNG FixVignetteRadial, PanoTools)."""
    gain = np.zeros_like(r2)
    for coefficient in reversed(coefficients):
        gain = (gain + coefficient) * r2
    return gain + 1.0


def natural(r2: Field, corner_tangent: float) -> Field:
    """Return 1 / cos^4 of the field angle, whose tangent is r times that of the corner."""
    return np.asarray((1.0 + r2 * corner_tangent**2) ** 2)


def pixel_acceptance(r2: Field, corner_tangent: float, exponent: float) -> Field:
    """Return 1 / cos^n of the ray's angle: a photosite takes in oblique light less than straight light."""
    return np.asarray((1.0 + r2 * corner_tangent**2) ** (exponent / 2))


def mechanical(r2: Field, onset: float, loss: float) -> Field:
    """Return 1 / (1 - loss s^2) with s = (r - onset) / (1 - onset), 0 before the onset: barrel and hood."""
    s = np.maximum(np.sqrt(r2) - onset, 0.0) / (1.0 - onset)
    return np.asarray(1.0 / (1.0 - loss * s * s))


def gain_map(
    shading: GainMap, plane: int, height: int, width: int, area: tuple[slice, slice] = (slice(None), slice(None))
) -> Field:
    """Return a gain map interpolated bilinearly over an image of height x width, held beyond its outer points.

    With `area` only at those of its rows and columns.
    """
    gains = np.ones((height, width), np.float64)[area]
    _multiply(gains, shading, plane, height, width, area)
    return gains


def _multiply(
    field: NDArray[Any], shading: GainMap, plane: int, height: int, width: int, area: tuple[slice, slice]
) -> None:
    """Multiply the part of a field that a map is for by the map's gains, in place."""
    points = np.array(shading.points)[:, :, min(plane, len(shading.points[0][0]) - 1)]
    (above, below), down = positions(height, area[0], len(points), shading.spacing[0], shading.origin[0])
    across = along_rows(shading, points, width, area[1])
    over_rows(_multiply_rows, len(field), field, across, above, below, down)


@kernel
def between(upper, lower, share):  # type: ignore[no-untyped-def]
    """Return the gain between two rows of a map, `share` of the way down."""
    return upper * (1 - share) + lower * share


@kernel
def _multiply_rows(first, last, field, across, above, below, down):  # type: ignore[no-untyped-def]
    for y in range(first, last):
        up, low, share = across[above[y]], across[below[y]], down[y]
        for x in range(field.shape[1]):
            field[y, x] = field[y, x] * between(up[x], low[x], share)


def along_rows(shading: GainMap, points: Field, width: int, columns: slice) -> Field:
    """Return the rows of a map interpolated at some columns of an image: (rows of points, columns)."""
    (left, right), share = positions(width, columns, points.shape[1], shading.spacing[1], shading.origin[1])
    return np.asarray(points[:, left] * (1 - share) + points[:, right] * share)


def positions(
    size: int, pixels: slice, count: int, spacing: float, origin: float
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], Field]:
    """Return for pixel centres along an axis the map point before each, the one after, and the share of the latter."""
    centres = (np.arange(size)[pixels] + 0.5) / size
    position = np.clip((centres - origin) / spacing if count > 1 else np.zeros(len(centres)), 0, count - 1)
    before = np.minimum(position.astype(np.intp), max(count - 2, 0))
    return (before, np.minimum(before + 1, count - 1)), position - before


def from_file(meta: Meta, colours: int) -> NDArray[np.float32]:
    """Return the product of the file's own gains over the active area.

    Parameters
    ----------
    meta : Meta
        Of the file.
    colours : int
        1 for a mosaic, shape (height, width); 3 for a demosaiced image, shape (height, width, 3).

    Notes
    -----
    DNG applies list 3 after the demosaic. Gains that vary over hundreds of pixels commute with an interpolation over
    three, so a mosaic gets them before it, site by site with its colour's plane: then a clipped site is still known.
    """
    _, _, height, width = meta.active
    field = np.ones((height, width, colours), np.float32)
    for shading in meta.lens_shading:
        _apply(shading, field, meta)
    return field if colours == 3 else field[:, :, 0]


def _apply(shading: LensShading, field: NDArray[np.float32], meta: Meta) -> None:
    height, width, colours = field.shape
    if isinstance(shading, RadialGain):
        r2 = squared_radius(meta.active, shading.center, meta.pixel_aspect)
        field *= radial_polynomial(r2, shading.coefficients).astype(np.float32)[:, :, None]
        return
    area = (
        slice(shading.top, shading.bottom, shading.row_pitch),
        slice(shading.left, shading.right, shading.column_pitch),
    )
    planes = 3 if colours == 3 or shading.after_demosaic else 1  # that the image has where DNG applies the list
    for plane in range(shading.plane, min(shading.plane + shading.planes, planes)):
        own = plane - shading.plane
        if colours == 1 and shading.after_demosaic:
            gains = gain_map(shading, own, height, width, area)
            field[(*area, 0)] *= np.where(_colour_of_sites(meta)[area] == plane, gains, 1.0)
        else:
            _multiply(field[(*area, plane if colours == 3 else 0)], shading, own, height, width, area)


def _colour_of_sites(meta: Meta) -> NDArray[np.intp]:
    """Return the CFA colour of every site of the active area."""
    _, _, height, width = meta.active
    return tile(shifted(meta.cfa, meta.active.top, meta.active.left), height, width)
