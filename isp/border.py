"""The optically black border of a sensor: its level by site of the colour pattern, its noise, its word on black."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isp.calibration import Areas, intersection
from isp.cfa import tile
from isp.dng import DngTags
from isp.frame import Border, Meta, Rectangle

_MIN_PIXELS = 64  # per site, to make a mean
_OUTLIER = 4.0  # robust standard deviations


def masked_border(tags: DngTags | None, areas: Areas) -> NDArray[np.bool_] | None:
    """Return where the full frame is optically black: as a DNG says, else everywhere outside the active area.

    None if there is no outside.
    """
    if areas.active[2:] == areas.size:
        return None
    masked = np.zeros(areas.size, np.bool_)
    whole = Rectangle(0, 0, *areas.size)
    if tags and tags.masked:
        for area in tags.masked:
            if intersection(area, whole) == area:
                masked[area.slices] = True
    else:
        masked[:] = True
    masked[areas.active.slices] = False
    return masked


def measure_border(
    stored: NDArray[np.uint16], masked: NDArray[np.bool_], cfa: tuple[tuple[int, ...], ...], active: Rectangle
) -> Border | None:
    """Measure the masked border by site of the pattern, without its outliers; None if it is too small."""
    rows, columns = len(cfa), len(cfa[0])
    sites: list[list[NDArray[np.float64]]] = []
    for row in range(rows):
        sites.append([])
        for column in range(columns):
            part = np.s_[(active.top + row) % rows :: rows, (active.left + column) % columns :: columns]
            sites[-1].append(_without_outliers(stored[part][masked[part]].astype(np.float64)))
    values = [site for row_sites in sites for site in row_sites]
    if min(map(len, values)) < _MIN_PIXELS:
        return None
    count = sum(map(len, values))
    squares = sum(float(((site - site.mean()) ** 2).sum()) for site in values)
    mean = tuple(tuple(float(site.mean()) for site in row_sites) for row_sites in sites)
    return Border(mean, (squares / (count - len(values))) ** 0.5, count)


def _without_outliers(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(values):
        return values
    distance = np.abs(values - np.median(values))
    return values[distance <= _OUTLIER * max(1.4826 * float(np.median(distance)), 1.0)]


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
