"""Test charts made in code: linear light of any size, known exactly.

Each is a function ``chart(height, width)``: (height, width, 3) float32 in linear sRGB, where 1 is a white surface. The
same arguments give the same values.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from isp.colorimetry import srgb_to_linear

Light = NDArray[np.float32]

# Row by row from dark skin to black: the sRGB values of 8 bits that the maker published for the chart before 2014.
COLOR_CHECKER = (
    (115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (133, 128, 177), (103, 189, 170),
    (214, 126, 44), (80, 91, 166), (193, 90, 99), (94, 60, 108), (157, 188, 64), (224, 163, 46),
    (56, 61, 150), (70, 148, 73), (175, 54, 60), (231, 199, 31), (187, 86, 149), (8, 133, 161),
    (243, 243, 242), (200, 200, 200), (160, 160, 160), (122, 122, 121), (85, 85, 85), (52, 52, 52),
)  # fmt: skip
_FRAME = 0.03  # linear light between the patches of the ColorChecker
_GAP = 0.1  # of a patch's pitch, on each side

_SLANT = 5.0  # degrees from the vertical, as ISO 12233 has it
_EDGE = (0.18 / 2, 0.18 * 2)  # 4:1 around middle grey

_PANGRAM = "Sphinx of black quartz, judge my vow. 0123456789"
_PAPER, _INK = 0.8, 0.04

_STARS = 2e-3  # per pixel
_SKY = 1e-3
_SEEING = 0.9  # pixels, standard deviation of a star's image


def flat(height: int, width: int, level: float = 0.18) -> Light:
    """Return an evenly lit grey surface."""
    return np.full((height, width, 3), level, np.float32)


def ramp(height: int, width: int) -> Light:
    """Return a grey ramp, linear from 0 in the first column to 1 in the last."""
    return _grey(np.broadcast_to(np.linspace(0, 1, width), (height, width)))


def steps(height: int, width: int, count: int = 12, stops: float = 0.5) -> Light:
    """Return grey bars, each so many stops darker than the one to its left, from 1 down."""
    bar = np.arange(width) * count // width
    return _grey(np.broadcast_to(2.0 ** (-stops * bar), (height, width)))


def color_checker(height: int, width: int) -> Light:
    """Return the 24 patches of the ColorChecker, 6 across and 4 down, on dark grey."""
    colours = srgb_to_linear(np.array(COLOR_CHECKER).reshape(4, 6, 3) / 255).astype(np.float32)
    (row, inside_y), (column, inside_x) = _cells(height, 4), _cells(width, 6)
    inside = inside_y[:, None] & inside_x
    return np.where(inside[:, :, None], colours[row[:, None], column], np.float32(_FRAME))


def color_checker_patches(height: int, width: int) -> list[tuple[slice, slice]]:
    """Return where the 24 patches of `color_checker` lie."""
    rows, columns = (
        [np.flatnonzero(inside & (cell == number)) for number in range(count)]
        for count, (cell, inside) in ((4, _cells(height, 4)), (6, _cells(width, 6)))
    )
    return [(slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)) for y in rows for x in columns]


def _cells(length: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return for every pixel of a side which of so many cells it lies in, and whether it is inside the cell's gap."""
    position = (np.arange(length) + 0.5) * count / length
    cell = position.astype(np.intp)
    return cell, np.abs(position - cell - 0.5) < 0.5 - _GAP


def slanted_edge(height: int, width: int) -> Light:
    """Return an edge of contrast 4:1, 5° off the vertical, each pixel the mean over its area (ISO 12233)."""
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    slant = math.radians(_SLANT)
    distance = (x - width / 2) * math.cos(slant) + (y - height / 2) * math.sin(slant)
    dark, bright = _EDGE
    return _grey(dark + (bright - dark) * _covered(distance, slant))


def _covered(distance: NDArray[np.float64], slant: float) -> NDArray[np.float64]:
    """Return the share of a unit square beyond a line, whose normal is turned by `slant`, at a distance of its middle.

    The square's shadow on the normal is a trapezium: the integral of a box of width cos convolved with one of sin.
    """
    wide, narrow = math.cos(slant), math.sin(slant)

    def twice_integrated(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(t, 0) ** 2 / 2

    ends = [(wide + narrow) / 2, (wide - narrow) / 2, (narrow - wide) / 2, -(wide + narrow) / 2]
    first, second, third, fourth = (twice_integrated(distance + end) for end in ends)
    return np.asarray((first - second - third + fourth) / (wide * narrow))


def zone_plate(height: int, width: int) -> Light:
    """Return circles whose frequency rises with the radius, to half a cycle per pixel at the nearer edges."""
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    r2 = (x - width / 2) ** 2 + (y - height / 2) ** 2
    return _grey(0.5 + 0.5 * np.cos(math.pi * r2 / min(height, width)))


def text(height: int, width: int) -> Light:
    """Return lines of dark text on bright paper, from 8 pixels high up."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("L", (width, height), 0)
    pen, top, size = ImageDraw.Draw(page), 2, 8
    while top < height:
        pen.text(
            (2, top), f"{_PANGRAM} " * (1 + 2 * width // (size * len(_PANGRAM))), 255, ImageFont.load_default(size)
        )
        top, size = top + size * 3 // 2, size + max(1, size // 6)
    ink = np.asarray(page) / 255
    return _grey(_PAPER + (_INK - _PAPER) * ink)


def star_field(height: int, width: int, seed: int = 0) -> Light:
    """Return a dark sky with stars: round images of 0.9 pixels, most of them faint, the brightest clipped."""
    random = np.random.default_rng(seed)
    sky = np.full((height, width, 3), _SKY)
    for _ in range(max(1, round(height * width * _STARS))):
        y, x = random.uniform(0, (height, width))
        brightness = 0.02 / random.uniform(1e-3, 1)  # as many above a brightness as one over it
        colour = 1 + random.uniform(-0.3, 0.3) * np.array((1.0, 0.0, -1.0))
        (down, rows), (across, columns) = _bell(y, height), _bell(x, width)
        sky[rows, columns] += brightness * down[:, None, None] * across[:, None] * colour
    return sky.astype(np.float32)


def _bell(middle: float, length: int) -> tuple[NDArray[np.float64], slice]:
    """Return a star's profile along an axis and the pixels where it is not nothing."""
    reach = math.ceil(5 * _SEEING)
    first, last = max(0, int(middle) - reach), min(length, int(middle) + reach + 1)
    distance = np.arange(first, last) + 0.5 - middle
    return np.exp(-0.5 * (distance / _SEEING) ** 2), slice(first, last)


def _grey(level: NDArray[np.float64]) -> Light:
    return np.repeat(np.asarray(level, np.float32)[:, :, None], 3, axis=2)


CHARTS: dict[str, Callable[[int, int], Light]] = {
    "flat": flat,
    "ramp": ramp,
    "steps": steps,
    "color_checker": color_checker,
    "slanted_edge": slanted_edge,
    "zone_plate": zone_plate,
    "text": text,
    "star_field": star_field,
}
