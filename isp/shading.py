"""Gains of the vignetting stage that are computed with the row: no field of the picture's size is needed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.bands import run
from isp.errors import StageError
from isp.falloff import Field, along_rows, between, positions, radial_polynomial, squared_distances
from isp.frame import Later, Meta
from isp.jit import kernel
from isp.opcodes import GainMap
from isp.rows import Point, Points

MAX_GAIN = 1e9  # thirty stops
_TERMS = (5, 10)  # of a polynomial: two lengths to compile for, the rest is filled with zeros


@kernel
def polynomial(r2, highest_first):  # type: ignore[no-untyped-def]
    """Return `radial_polynomial` of one pixel."""
    gain = 0.0
    for coefficient in highest_first:
        gain = (gain + coefficient) * r2
    return gain + 1.0


@kernel
def brighten(value, gain):  # type: ignore[no-untyped-def]
    """Undo a falloff."""
    return value * gain


@kernel
def _brightened(value, x, row):  # type: ignore[no-untyped-def]
    return brighten(value, row[0][x])


@kernel
def _colours_brightened(value, x, row):  # type: ignore[no-untyped-def]
    gains = row[0]
    return brighten(value[0], gains[x, 0]), brighten(value[1], gains[x, 1]), brighten(value[2], gains[x, 2])


@kernel
def _field_of_row(y, parameters):  # type: ignore[no-untyped-def]
    return (parameters[0][y],)


@kernel
def _mapped(value, x, row):  # type: ignore[no-untyped-def]
    across, parity, above, below, down = row
    upper, lower = across[parity, above, x & 1, x >> 1], across[parity, below, x & 1, x >> 1]
    return brighten(value, np.float32(between(upper, lower, down)))


@kernel
def _maps_of_row(y, parameters):  # type: ignore[no-untyped-def]
    across, above, below, down = parameters
    return across, y & 1, above[y], below[y], down[y]


@kernel
def _polynomial(value, x, row):  # type: ignore[no-untyped-def]
    x2, y2, highest_first = row
    return brighten(value, np.float32(polynomial(x2[x & 1, x >> 1] + y2, highest_first)))


@kernel
def _radius_of_row(y, parameters):  # type: ignore[no-untyped-def]
    x2, y2, highest_first = parameters
    return x2, y2[y], highest_first


_BY_FIELD, _COLOURS_BY_FIELD = Point(_brightened, _field_of_row), Point(_colours_brightened, _field_of_row)
_BY_MAPS, _BY_RADIUS = Point(_mapped, _maps_of_row), Point(_polynomial, _radius_of_row)


def by_field(gain: NDArray[np.float32]) -> Points:
    """Return a field of gains as points, of a mosaic or of three colours."""
    return Points(_BY_FIELD if gain.ndim == 2 else _COLOURS_BY_FIELD, (gain,))


def by_maps(meta: Meta) -> tuple[Points, Later] | None:
    """Return the file's own gains as points of a mosaic, and what they make of its saturation; see `site_maps`."""
    maps = site_maps(meta)
    return None if maps is None else _with_saturation(Points(_BY_MAPS, maps[:4]), maps.lowest, meta)


def by_radius(meta: Meta, coefficients: tuple[float, ...], center: tuple[float, float]) -> tuple[Points, Later] | None:
    """Return a radial polynomial as points of a mosaic, and what they make of its saturation.

    None if its terms are beyond reason.

    Raises
    ------
    StageError
        If it gives gains that make no sense.
    """
    if max(map(abs, coefficients), default=0.0) > MAX_GAIN:
        return None
    x2, y2 = squared_distances(meta.active, center, meta.pixel_aspect)
    lowest, highest = extremes(coefficients, float(x2.min() + y2.min()), float(x2.max() + y2.max()))
    check_gains(lowest, highest)
    terms = next(count for count in _TERMS if count >= len(coefficients))
    highest_first = (0.0,) * (terms - len(coefficients)) + tuple(map(float, reversed(coefficients)))
    by_parity = np.pad(x2, (0, len(x2) % 2)).reshape(-1, 2).T.copy()
    return _with_saturation(Points(_BY_RADIUS, (by_parity, y2, highest_first)), lowest, meta)


def check_gains(lowest: float, highest: float) -> None:
    """Raise `StageError` unless gains are above 0 and below `MAX_GAIN`."""
    if not (lowest > 0 and highest < MAX_GAIN):
        raise StageError(f"Vignetting: gains reach {lowest:.3g}..{highest:.3g}; keep them above 0, below {MAX_GAIN:g}")


def _with_saturation(points: Points, lowest: float, meta: Meta) -> tuple[Points, Later]:
    shape = meta.active[2:]
    return points, Later(lowest, lambda: run(np.ones(shape, np.float32), [points], [shape], np.float32))


def extremes(coefficients: tuple[float, ...], lowest_r2: float, highest_r2: float) -> tuple[float, float]:
    """Return the least and the greatest value of `radial_polynomial` between two squared radii."""
    derivative = np.polynomial.Polynomial((1.0, *coefficients)).deriv()
    roots = np.asarray(derivative.roots(), np.complex128)
    turns = roots.real[roots.imag == 0]
    turns = turns[(lowest_r2 < turns) & (turns < highest_r2)]
    gains = radial_polynomial(np.array([lowest_r2, *turns, highest_r2]), coefficients)
    return float(gains.min()), float(gains.max())


class SiteMaps(NamedTuple):
    """Gain maps that cover every site of a mosaic once: one for all, or one for each site of a 2x2 cell.

    Attributes
    ----------
    across : ndarray of float64, (2, rows of points, 2, columns / 2)
        The maps' rows interpolated along the image's: for even and odd rows, for even and odd columns.
    above, below : ndarray of int, (rows,)
        Between which rows of points a row lies.
    down : ndarray of float64, (rows,)
        How far down between them.
    lowest : float
        No gain is lower.
    """

    across: Field
    above: NDArray[np.intp]
    below: NDArray[np.intp]
    down: Field
    lowest: float


def site_maps(meta: Meta) -> SiteMaps | None:
    """Return the file's lens shading as maps of sites; None where it is anything else, or its gains make no sense."""
    (top, left, height, width) = meta.active
    maps = [each for each in meta.lens_shading if isinstance(each, GainMap)]
    cell = {1: 1, 4: 2}.get(len(maps), 0) if len(maps) == len(meta.lens_shading) else 0
    places = set()
    for each in maps:
        if each.after_demosaic or each.plane != 0:
            return None
        if (each.row_pitch, each.column_pitch) != (cell, cell) or each.bottom < height or each.right < width:
            return None
        same = len(each.points), each.spacing[0], each.origin[0]
        places.add((each.top, each.left, same))
    if not cell or len(places) != len(maps) or {place[:2] for place in places} != set(np.ndindex(cell, cell)):
        return None
    if len({place[2] for place in places}) != 1 or (top, left, height, width) != (0, 0, *meta.size):
        return None
    (above, below), down = positions(height, slice(None), *next(iter(places))[2])
    across = np.ones((2, len(maps[0].points), 2, (width + 1) // 2))
    lowest, highest = np.inf, 0.0
    for each in maps:
        points = np.array(each.points)[:, :, 0]
        lowest, highest = min(lowest, float(points.min())), max(highest, float(points.max()))
        for row in range(each.top, 2, cell):
            for column in range(each.left, 2, cell):
                part = along_rows(each, points, width, slice(column, None, 2))
                across[row, :, column, : part.shape[1]] = part
    return SiteMaps(across, above, below, down, lowest) if 0 <= lowest and highest < MAX_GAIN else None
