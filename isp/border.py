"""The optically black border of a sensor: its level by site of the colour pattern, its noise, its word on black."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.calibration import intersection
from isp.cfa import tile
from isp.frame import Border, Meta, Rectangle

_MIN_PIXELS = 64  # per site, to make a mean
_OUTLIER = 4.0  # robust standard deviations


def measure_border(
    stored: NDArray[np.uint16], stated: tuple[Rectangle, ...], cfa: tuple[tuple[int, ...], ...], active: Rectangle
) -> Border | None:
    """Measure the optically black border by site of the pattern, without its outliers; None if it is too small.

    Parameters
    ----------
    stored : ndarray of uint16, (H, W)
        Everything that the sensor recorded.
    stated : tuple of Rectangle
        Where it is black, as far as the file says so; else everywhere outside the active area.
    cfa : tuple of tuple of int
        The pattern from the corner of the active area on.
    active : Rectangle
        Where light falls.
    """
    size = stored.shape[0], stored.shape[1]
    masks = [(part, _mask(part, stated, size)) for part in _around(active, size)]
    values = [
        [_values(stored, masks, row, column, (len(cfa), len(cfa[0])), active) for column in range(len(cfa[0]))]
        for row in range(len(cfa))
    ]
    if min(len(site) for row in values for site in row) < _MIN_PIXELS:
        return None
    sites = [[_without_outliers(site) for site in row] for row in values]
    pixels = [int(counts.sum()) for row in sites for _, counts in row]
    if min(pixels) < _MIN_PIXELS:
        return None
    mean = tuple(tuple(float(np.average(levels, weights=counts)) for levels, counts in row) for row in sites)
    squares = sum(
        float(counts @ (levels - centre) ** 2)
        for row, centres in zip(sites, mean, strict=True)
        for (levels, counts), centre in zip(row, centres, strict=True)
    )
    return Border(mean, (squares / (sum(pixels) - len(pixels))) ** 0.5, sum(pixels))


def _around(active: Rectangle, size: tuple[int, int]) -> list[Rectangle]:
    """Return what lies above, below, left and right of the active area."""
    bottom, right = active.top + active.height, active.left + active.width
    parts = (
        Rectangle(0, 0, active.top, size[1]),
        Rectangle(bottom, 0, size[0] - bottom, size[1]),
        Rectangle(active.top, 0, active.height, active.left),
        Rectangle(active.top, right, active.height, size[1] - right),
    )
    return [part for part in parts if part.height and part.width]


def _mask(part: Rectangle, stated: tuple[Rectangle, ...], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where a part of the full frame is black."""
    mask = np.full(part[2:], not stated)
    whole = Rectangle(0, 0, *size)
    for area in stated:
        common = intersection(area, part)
        if intersection(area, whole) == area and min(common.height, common.width) > 0:
            mask[common._replace(top=common.top - part.top, left=common.left - part.left).slices] = True
    return mask


def _values(
    stored: NDArray[np.uint16],
    masks: list[tuple[Rectangle, NDArray[np.bool_]]],
    row: int,
    column: int,
    period: tuple[int, int],
    active: Rectangle,
) -> NDArray[np.uint16]:
    """Return the black pixels of one site of the pattern."""
    found = [np.empty(0, np.uint16)]
    for part, mask in masks:
        first = (active.top + row - part.top) % period[0], (active.left + column - part.left) % period[1]
        site = np.s_[first[0] :: period[0], first[1] :: period[1]]
        found.append(stored[part.slices][site][mask[site]])
    return np.concatenate(found)


def _without_outliers(values: NDArray[np.uint16]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the levels that occur and how often."""
    counts = np.bincount(values)
    levels = np.flatnonzero(counts)
    counts = counts[levels]
    distance = np.abs(levels - _median(levels, counts))
    kept = distance <= _OUTLIER * max(1.4826 * _median(distance, counts), 1.0)
    return levels[kept], counts[kept]


def _median(values: NDArray[Any], counts: NDArray[np.intp]) -> float:
    """Return the median of values that occur so many times."""
    order = np.argsort(values)
    upto = np.cumsum(counts[order])
    middle = np.searchsorted(upto, ((upto[-1] - 1) // 2, upto[-1] // 2), side="right")
    return float(values[order][middle].mean())


def disagreement(meta: Meta) -> float:
    """Return by how many DN the file's black and the masked border differ, at the site where they differ most.

    0 if there is no border. The file's black is averaged over the sites that share a place in the CFA pattern.
    """
    if meta.border is None:
        return 0.0
    border, black = np.array(meta.border.mean), np.array(meta.black)
    height, width = (np.lcm(a, b) for a, b in zip(border.shape, black.shape, strict=True))
    difference = tile(border, height, width) - tile(black, height, width)
    mean = difference.reshape(height // border.shape[0], border.shape[0], width // border.shape[1], border.shape[1])
    mean = mean.mean(axis=(0, 2)) - np.mean(meta.black_rows or 0.0) - np.mean(meta.black_columns or 0.0)
    return float(mean.flat[np.abs(mean).argmax()])


def tolerance(meta: Meta) -> float:
    """Return by how many DN the border's mean may differ from the file's black before it is worth a warning."""
    if meta.border is None:
        return np.inf
    sites = len(meta.cfa) * len(meta.cfa[0])
    standard_error = meta.border.noise / np.sqrt(meta.border.pixels / sites)
    return float(max(4 * standard_error, (meta.white - np.min(meta.black)) / 2000))
