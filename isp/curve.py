"""Curves of one channel, composed into one table: however many there are, a look-up costs once.

The number of a value's entry is cut out of its own representation as a float: the steps of the table then grow with
the value, as the slopes of such curves fall.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.arithmetic import fma
from isp.frame import Frame, Meta, Rectangle, Space
from isp.image import quantise
from isp.jit import Kernel, combination, kernel
from isp.rows import Point, Table

_OCTAVES = 6  # in which the steps grow, from 1/64 up to 1; below 1/64 they are equal
_MANTISSA = {8: 11, 16: 13}  # bits of the mantissa that enter: 12,000 and 49,000 entries
_ROUGH = {8: 0.05, 16: 1.5}  # levels by which an entry may be off, beside its rounding


@kernel
def bits(value, floor):  # type: ignore[no-untyped-def]
    """Return the float of a value, clipped to 0..1 and moved to floor..1, as a whole number."""
    clipped = min(max(value, np.float32(0)), np.float32(1))
    return np.float32(fma(clipped, np.float32(1) - floor, floor)).view(np.int32)


@combination
def _entries(shift: int) -> Kernel:
    """Return the function that finds the entries of three colours: the 16 lowest bits of their floats, shifted.

    All floats from 1/64 to 1 share the bits above these. The shift is a constant of the compiled code:
    numba would make 64 bits of a variable.
    """

    @kernel
    def entries(value, x, parameters):  # type: ignore[no-untyped-def]
        r, g, b = value
        floor = parameters[0]
        return (
            np.uint16(bits(r, floor) >> shift),
            np.uint16(bits(g, floor) >> shift),
            np.uint16(bits(b, floor) >> shift),
        )

    return entries


def look_up(curves: Sequence[Any], bit_depth: int) -> Table | None:
    """Return how linear light becomes integers through one table of all the curves.

    Parameters
    ----------
    curves : sequence of stages
        Each turns what is 0 or less into 0 or less and 1 or more into 1 or more; the last clips to 0..1.
    bit_depth : int
        8 or 16.

    Returns
    -------
    Table or None
        None where the curve is too steep for the table: an entry would be off by more than 0.05 of 255 or 1.5 of
        65535, beside its rounding. Such curves (a pure power near black) must be computed.
    """
    return _table(tuple(curves), bit_depth)


@functools.lru_cache(maxsize=16)
def _table(curves: tuple[Any, ...], bit_depth: int) -> Table | None:
    least, shift = 2.0**-_OCTAVES, 23 - _MANTISSA[bit_depth]
    floor = np.float32(least * (1 + 0.5 ** (_MANTISSA[bit_depth] + 1)))  # so that 0 lies in the middle of its entry
    lowest, highest = (int(x.view(np.int32)) >> shift for x in (floor, np.float32(1)))
    edges = ((np.arange(lowest, highest + 2, dtype=np.int32) << shift).view(np.float32) - floor) / (1 - floor)
    at_edges = _through(curves, np.clip(edges, 0, 1))
    levels = _through(curves, np.clip((edges[:-1] + edges[1:]) / 2, 0, 1))
    off = np.maximum(np.abs(levels - at_edges[:-1]), np.abs(at_edges[1:] - levels)).max() * (2**bit_depth - 1)
    if off > _ROUGH[bit_depth]:
        return None
    values = np.zeros(1 << 16, {8: np.uint8, 16: np.uint16}[bit_depth])
    values[np.arange(lowest, highest + 1) & 0xFFFF] = quantise(levels, bit_depth)
    return Table(values, Point(_entries(shift)), (floor,))


def _through(curves: Sequence[Any], x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a grey ramp becomes."""
    ramp = np.repeat(x[None, :, None], 3, axis=2)
    area = Rectangle(0, 0, *ramp.shape[:2])
    frame = Frame(ramp, Space.LINEAR, Meta(cfa=((1,),), white=1.0, size=ramp.shape[:2], active=area, crop=area))
    for stage in curves:
        frame = stage(frame)
    return np.ascontiguousarray(frame.data[0, :, 0])
