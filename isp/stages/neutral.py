"""What white is: estimates of the light's colour from a frame, and the camera's answer to a known light."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from isp.cfa import cell_size, shifted
from isp.colorimetry import PRESETS, temperature, xyz
from isp.errors import StageError
from isp.frame import Frame, Gains, Meta, Rectangle

_NEARLY = 1 - 1 / 512  # of saturation: noise and the file's coding spread clipped values a little downwards


def gray_world(frame: Frame, area: Rectangle) -> Gains:
    """Return mean(G) / mean(colour) over the unclipped sites of an area, the two greens together."""
    sums, counts = np.zeros(3), np.zeros(3)
    for colour, values in _unclipped(frame, area):
        sums[colour] += values.sum(dtype=np.float64)
        counts[colour] += values.size
    _require_sites(frame, counts)
    return _to_gains(frame, sums / counts)


def white_world(frame: Frame, percentile: float) -> Gains:
    """Return P(G) / P(colour), P a percentile (linear interpolation) of the unclipped sites of a colour."""
    values: list[list[NDArray[np.float32]]] = [[], [], []]
    for colour, sites in _unclipped(frame, frame.meta.active):
        values[colour].append(sites)
    _require_sites(frame, np.array([sum(sites.size for sites in of_colour) for of_colour in values]))
    return _to_gains(frame, np.array([float(np.percentile(np.concatenate(v), percentile)) for v in values]))


def of_light(meta: Meta, preset: str, kelvin: float | None) -> Gains:
    """Return the gains that make a known light neutral: 1 / (XYZ_to_camera @ XYZ(light))."""
    if meta.xyz_to_camera is None:
        raise StageError(
            f"WhiteBalance: {meta.name} has no colour matrix, so {preset} is unknown; "
            "use as_shot, gray_world, white_world, box or gains"
        )
    light = PRESETS[preset] if preset in PRESETS else temperature(float(kelvin or 0.0))
    camera = np.array(meta.xyz_to_camera) @ np.array(xyz(light))
    if not camera.min() > 0:
        raise StageError(f"WhiteBalance: {meta.name}: the colour matrix gives this light a colour below 0; use as_shot")
    return float(camera[1] / camera[0]), 1.0, float(camera[1] / camera[2])


def _unclipped(frame: Frame, area: Rectangle) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield, per site of the CFA pattern, its colour and its values in the cells of an area that are not clipped.

    A cell with a clipped site is left out whole (2x2 sites of a Bayer pattern, 3x3 of X-Trans, a pixel). Else a sky
    whose green is clipped would enter with its red and blue alone, and look purple.
    """
    if frame.data.ndim == 3:
        cfa, cell = ((0, 1, 2),), (1, 3)
    else:
        cfa, cell = shifted(frame.meta.cfa, area.top, area.left), (cell_size(frame.meta.cfa),) * 2
    data = frame.data[area.slices].reshape(area.height, -1)
    saturation = np.broadcast_to(np.float32(_NEARLY) * frame.saturation, frame.data.shape)[area.slices]
    keep = unclipped_cells(data < saturation.reshape(data.shape), *cell)
    for y in range(min(len(cfa), len(data))):
        for x in range(min(len(cfa[0]), data.shape[1])):
            site = slice(y, None, len(cfa)), slice(x, None, len(cfa[0]))
            yield cfa[y][x], data[site][keep[site]]


def unclipped_cells(unclipped: NDArray[np.bool_], down: int, across: int) -> NDArray[np.bool_]:
    """Return True where every site of a cell of so many rows and columns is; cells begin at the corner."""
    height, width = unclipped.shape
    padded = np.pad(unclipped, ((0, -height % down), (0, -width % across)), constant_values=True)
    sites = itertools.product(range(down), range(across))
    cells = functools.reduce(np.logical_and, (padded[y::down, x::across] for y, x in sites))  # faster than all(axis)
    return np.repeat(np.repeat(cells, down, axis=0), across, axis=1)[:height, :width]


def _require_sites(frame: Frame, counts: NDArray[np.float64] | NDArray[np.intp]) -> None:
    if not counts.min() > 0:
        raise StageError(
            f"WhiteBalance: {frame.meta.name}: no unclipped {'RGB'[counts.argmin()]} site to measure; give gains"
        )


def _to_gains(frame: Frame, levels: NDArray[np.float64]) -> Gains:
    """Return G / level per colour, the level being the one before the balance that the frame carries."""
    levels = levels / np.array(frame.gains or (1.0, 1.0, 1.0))
    if not levels.min() > 0:
        raise StageError(
            f"WhiteBalance: {frame.meta.name}: {'RGB'[levels.argmin()]} is not above black on average; give gains"
        )
    return float(levels[1] / levels[0]), 1.0, float(levels[1] / levels[2])
