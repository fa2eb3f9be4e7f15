"""Curves of one channel, composed into one table: however many there are, a look-up costs once."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isp.frame import Frame, Meta, Rectangle, Space
from isp.image import quantise
from isp.jit import allocating_kernel, kernel
from isp.rows import Rows, RowStage, apply

STEPS = 40960  # as bytes the table stays in the first-level cache; sRGB's slope of 12.92 makes 0.08 of 255 a step
_ROUGH_8 = 0.1  # of 255: the nearest entry is then off by 0.05 at most
_ROUGH_16 = 0.5  # of 65535


@kernel
def nearest(value, steps):  # type: ignore[no-untyped-def]
    """Return the number of the table's entry nearest to a value, clipped to 0..1."""
    return np.uint16(min(max(value, np.float32(0)), np.float32(1)) * steps + np.float32(0.5))


@kernel
def interpolated(value, table):  # type: ignore[no-untyped-def]
    """Return the table's value between its two nearest entries, the value being clipped to 0..1."""
    steps = table.size - 1
    position = min(max(value, np.float32(0)), np.float32(1)) * np.float32(steps)
    low = min(np.int64(position), steps - 1)
    return table[low] + (table[low + 1] - table[low]) * (position - np.float32(low))


@allocating_kernel
def _nearest_rows(first, last, source, source_top, target, target_top, table):  # type: ignore[no-untyped-def]
    steps, width = np.float32(table.size - 1), source.shape[2]
    entry = np.empty((3, width), np.uint16)
    for y in range(first, last):
        for colour in range(3):
            row, numbers = source[y - source_top, colour], entry[colour]
            for x in range(width):
                numbers[x] = nearest(row[x], steps)
        out = target[y - target_top]
        for x in range(width):
            for colour in range(3):
                out[x, colour] = table[entry[colour, x]]


@kernel
def _interpolated_rows(first, last, source, source_top, target, target_top, table):  # type: ignore[no-untyped-def]
    for y in range(first, last):
        for colour in range(3):
            for x in range(source.shape[2]):
                value = interpolated(source[y - source_top, colour, x], table)
                target[y - target_top, x, colour] = np.uint16(value * np.float32(65535) + np.float32(0.5))


def look_up(curves: Sequence[RowStage], bit_depth: int) -> Rows | None:
    """Return how rows of linear light become rows of integers through one table of all the curves.

    For 8 bits the nearest of 40961 rounded entries, for 16 bits the value between two.

    Parameters
    ----------
    curves : sequence of stages
        Each turns what is 0 or less into 0 or less and 1 or more into 1 or more; the last clips to 0..1.
    bit_depth : int
        8 or 16.

    Returns
    -------
    Rows or None
        None where the curve is too steep for the table: an entry would be off by more than 0.05 of 255, or a value
        between two by more than 0.5 of 65535. Such curves (a pure power near black) must be computed.
    """
    return _table(tuple(curves), bit_depth)


@functools.lru_cache(maxsize=16)
def _table(curves: tuple[RowStage, ...], bit_depth: int) -> Rows | None:
    values = _through(curves, np.arange(STEPS + 1) / STEPS)
    if bit_depth == 8:
        rough = np.abs(np.diff(values)).max() * 255 > _ROUGH_8
        return None if rough else Rows(_nearest_rows, (quantise(values, 8),), interleaved=True)
    between = (values[:-1] + values[1:]) / 2
    exact = _through(curves, (np.arange(STEPS) + 0.5) / STEPS)
    rough = np.abs(exact - between).max() * 65535 > _ROUGH_16
    return None if rough else Rows(_interpolated_rows, (values,), interleaved=True)


def _through(curves: Sequence[RowStage], x: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what a grey ramp becomes."""
    ramp = np.repeat(x.astype(np.float32)[None, :, None], 3, axis=2)
    area = Rectangle(0, 0, *ramp.shape[:2])
    frame = Frame(ramp, Space.LINEAR, Meta(cfa=((1,),), white=1.0, size=ramp.shape[:2], active=area, crop=area))
    for stage in curves:
        frame = apply(stage, frame)
    return np.ascontiguousarray(frame.data[0, :, 0])
