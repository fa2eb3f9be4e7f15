"""Lens shading as a DNG carries it: a field of gains sampled as a GainMap, and the bytes of an opcode list.

DNG specification 1.7.1, chapter 7. All of a list is big-endian whatever the file is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.opcodes import FIX_VIGNETTE_RADIAL, GAIN_MAP, GainMap, LensShading, RadialGain

_POINTS = 33  # of a gain map along the longer side
_VERSION = 0x01030000  # of the specification that has these opcodes


def gain_map(gains: NDArray[np.floating[Any]]) -> GainMap:
    """Return a DNG GainMap of a field: up to 33 points a side, the outer ones on the outer pixels' centres."""
    height, width = gains.shape
    rows, columns = (min(side, 1 + round((_POINTS - 1) * side / max(gains.shape))) for side in gains.shape)
    down, across = np.linspace(0, height - 1, rows), np.linspace(0, width - 1, columns)
    points = _between(_between(gains, down).T, across).T
    spacing = ((height - 1) / height / max(rows - 1, 1) or 1.0, (width - 1) / width / max(columns - 1, 1) or 1.0)
    origin = (0.5 / height, 0.5 / width)
    values = tuple(tuple((float(gain),) for gain in row) for row in points.astype(np.float32))
    return GainMap(0, 0, height, width, 1, 1, 0, 1, spacing, origin, values, after_demosaic=False)


def _between(field: NDArray[np.floating[Any]], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows of a field at fractional positions, between its own."""
    before = np.minimum(positions.astype(np.intp), max(len(field) - 2, 0))
    share = (positions - before)[:, None]
    return np.asarray(field[before] * (1 - share) + field[np.minimum(before + 1, len(field) - 1)] * share)


def pack_opcodes(opcodes: Iterable[LensShading]) -> bytes:
    """Return the value of an OpcodeList tag."""
    packed = [(FIX_VIGNETTE_RADIAL, _radial(o)) if isinstance(o, RadialGain) else (GAIN_MAP, _map(o)) for o in opcodes]
    body = b"".join(struct.pack(">4I", code, _VERSION, 0, len(data)) + data for code, data in packed)
    return struct.pack(">I", len(packed)) + body


def _radial(gain: RadialGain) -> bytes:
    return struct.pack(">7d", *gain.coefficients, *gain.center)


def _map(gains: GainMap) -> bytes:
    points = np.array(gains.points, ">f4")
    rows, columns, planes = points.shape
    area = (gains.top, gains.left, gains.bottom, gains.right, gains.plane, gains.planes)
    head = struct.pack(">10I", *area, gains.row_pitch, gains.column_pitch, rows, columns)
    return head + struct.pack(">4dI", *gains.spacing, *gains.origin, planes) + points.tobytes()
