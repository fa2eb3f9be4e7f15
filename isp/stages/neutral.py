"""What white is: estimates of the light's colour from a frame, and the camera's answer to a known light."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from isp.errors import StageError
from isp.frame import Frame, Gains, Meta, Rectangle
from isp.illuminants import PRESETS, temperature, xyz


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


def box_in_frame(box: tuple[int, int, int, int], meta: Meta) -> Rectangle:
    """Return the part of the frame that a box (x, y, width, height) of the upright, cropped picture shows.

    Raises
    ------
    StageError
        If the box does not lie within the picture.
    """
    x, y, width, height = box
    stretch_x, stretch_y = max(meta.pixel_aspect, 1.0), max(1.0 / meta.pixel_aspect, 1.0)
    rows, columns = int(meta.crop.height * stretch_y + 0.5), int(meta.crop.width * stretch_x + 0.5)
    picture_rows, picture_columns = (columns, rows) if meta.orientation >= 5 else (rows, columns)
    if x + width > picture_columns or y + height > picture_rows:
        raise StageError(
            f"WhiteBalance: box {box} reaches out of the picture of {picture_columns}x{picture_rows} pixels"
        )
    top, left, bottom, right = y, x, y + height, x + width
    if meta.orientation in (2, 3, 6, 7):  # columns of the picture run backwards
        left, right = picture_columns - right, picture_columns - left
    if meta.orientation in (3, 4, 7, 8):  # rows of the picture run backwards
        top, bottom = picture_rows - bottom, picture_rows - top
    if meta.orientation >= 5:
        top, left, bottom, right = left, top, right, bottom
    first_row, first_column = int(top / stretch_y), int(left / stretch_x)
    return Rectangle(
        meta.crop.top + first_row,
        meta.crop.left + first_column,
        max(1, int(bottom / stretch_y) - first_row),
        max(1, int(right / stretch_x) - first_column),
    )


def _unclipped(frame: Frame, area: Rectangle) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield, per site of the CFA pattern, its colour and those of its values that are below saturation."""
    cfa: tuple[tuple[int, ...], ...] = frame.meta.cfa
    data = frame.data
    if data.ndim == 3:
        cfa, data = ((0, 1, 2),), data.reshape(len(data), -1)
        area = area._replace(left=3 * area.left, width=3 * area.width)
    saturation = np.broadcast_to(np.float32(1) * frame.saturation, frame.data.shape).reshape(data.shape)
    for y in range(len(cfa)):
        for x in range(len(cfa[0])):
            top, left = area.top + (y - area.top) % len(cfa), area.left + (x - area.left) % len(cfa[0])
            where = slice(top, area.top + area.height, len(cfa)), slice(left, area.left + area.width, len(cfa[0]))
            values = data[where]
            yield cfa[y][x], values[values < saturation[where]]


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
