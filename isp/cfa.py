"""What a periodic colour filter array implies: windows, cells, weights, and its colours over an image."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.errors import require

CFA = tuple[tuple[int, ...], ...]
Array = NDArray[np.float32]

_BAYER = ("RGGB", "BGGR", "GRBG", "GBRG")
_XTRANS = "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"


def parse_cfa(name: object, where: str) -> CFA:
    """Return the pattern that text stands for: its colours from the top left corner, X-TRANS, or MONO for none.

    Raises
    ------
    ParameterError
        If it stands for none; `where` says who asks.
    """
    if name == "MONO":
        return ((1,),)
    letters = _XTRANS if name == "X-TRANS" else name
    six_by_six = isinstance(letters, str) and len(letters) == 36 and set(letters) == set("RGB")
    allowed = "one of " + ", ".join(_BAYER) + ", MONO, X-TRANS, or 36 letters R, G, B"
    require(six_by_six or name in _BAYER, where, "cfa", name, allowed)
    side = 6 if six_by_six else 2
    colours = ["RGB".index(letter) for letter in str(letters)]
    return tuple(tuple(colours[row : row + side]) for row in range(0, side * side, side))


def tile(pattern: Any, height: int, width: int) -> NDArray[Any]:
    """Repeat a periodic pattern over `height` rows and `width` columns."""
    array = np.array(pattern)
    down, across = -(-height // array.shape[0]), -(-width // array.shape[1])
    return np.tile(array, (down, across))[:height, :width]


def tile_columns(pattern: Any, width: int) -> Array:
    """Repeat a periodic pattern over `width` columns, or 2 if that is its period; keep one period of rows; float32."""
    period = len(pattern[0])
    if 2 % period:
        return tile(pattern, len(pattern), width).astype(np.float32)
    return np.array([2 // period * tuple(row) for row in pattern], np.float32)


def shifted(pattern: Any, rows: int, columns: int) -> Any:
    """Return the pattern, as tuples, of an image whose corner lies so many rows and columns further in."""
    rolled = np.roll(np.array(pattern), (-rows, -columns), axis=(0, 1))
    return tuple(tuple(row) for row in rolled.tolist())


def reach(cfa: CFA) -> int:
    """Return the smallest radius at which every window, cut by a corner or not, holds all the pattern's colours."""
    return _smallest_block(cfa, step=1) - 1


def cell_size(cfa: CFA) -> int:
    """Return the side, 2 or more, of the smallest square that tiles the image with all colours in each."""
    return max(2, _smallest_block(cfa, step=None))


def _smallest_block(cfa: CFA, step: int | None) -> int:
    """Return the side of the smallest square with all colours wherever it starts, in steps of `step` or its side."""
    pattern = np.array(cfa)
    colours = set(pattern.flat)
    for side in range(1, 2 * max(pattern.shape) + 1):
        tiled = np.pad(pattern, ((0, side * len(pattern)), (0, side * pattern.shape[1])), mode="wrap")
        rows = range(0, len(pattern) * side, step or side)
        columns = range(0, pattern.shape[1] * side, step or side)
        if all(set(tiled[y : y + side, x : x + side].flat) == colours for y in rows for x in columns):
            return side
    raise AssertionError("a square of twice the period holds every colour")


@functools.lru_cache(maxsize=64)
def bayer_layout(cfa: CFA) -> NDArray[np.intp]:
    """Return for both rows of a Bayer pattern its colour that is not green and the column where it begins.

    Empty for any other pattern. Asked for again, it is the same array: nobody writes into it.
    """
    pattern = np.array(cfa)
    green = pattern == 1
    one_a_line = pattern.shape == (2, 2) and (green.sum(axis=0) == 1).all() and (green.sum(axis=1) == 1).all()
    if not one_a_line or set(pattern[~green].tolist()) != {0, 2}:
        return np.empty((0, 2), np.intp)
    return np.array([(row[row != 1][0], int(np.argmax(row != 1))) for row in pattern], np.intp)


def tent(margin: int) -> Array:
    """Return the weights 1 2 .. margin + 1 .. 2 1."""
    return np.array([margin + 1.0 - abs(tap) for tap in range(-margin, margin + 1)]).astype(np.float32)


def colour_masks(cfa: CFA, width: int) -> Array:
    """Return 1 where a row of the pattern has a colour, else 0: (3, period, width)."""
    tiled = tile(cfa, len(cfa), width)
    return np.asarray(tiled == np.arange(3)[:, None, None], np.float32)


def row_tables(masks: Array, weights: Array, height: int) -> tuple[NDArray[np.intp], Array, Array]:
    """Return for every row the class it belongs to, and per class and colour what to keep and what to divide by.

    Rows with the same phase share a class, except those so near the border that part of their window is missing.
    """
    margin, period = weights.size // 2, masks.shape[1]
    kinds: dict[tuple[int, int, int], int] = {}
    row_class = np.empty(height, np.intp)
    keep, inverse = [], []
    for y in range(height):
        kind = (y % period, min(y, margin), min(height - 1 - y, margin))
        if kind not in kinds:
            kinds[kind] = len(kinds)
            own, total = _weight_sums(masks, weights, y, height)
            keep.append((own > 0) | (total == 0))
            inverse.append(np.where(keep[-1], 0.0, 1.0 / np.where(total == 0, 1.0, total)))
        row_class[y] = kinds[kind]
    return row_class, np.array(keep, np.float32), np.array(inverse, np.float32)


def _weight_sums(masks: Array, weights: Array, y: int, height: int) -> tuple[Array, NDArray[np.float64]]:
    """Return which columns of row y are a colour's own, and the sum of the weights of its samples in the window."""
    margin, period = weights.size // 2, masks.shape[1]
    sources = [(tap, y + tap - margin) for tap in range(weights.size) if 0 <= y + tap - margin < height]
    columns = sum(float(weights[tap]) * masks[:, source % period].astype(np.float64) for tap, source in sources)
    padded = np.pad(np.asarray(columns), ((0, 0), (margin, margin)))
    width = masks.shape[2]
    total = sum(float(weights[tap]) * padded[:, tap : tap + width] for tap in range(weights.size))
    return masks[:, y % period], np.asarray(total)
