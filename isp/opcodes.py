"""Lens shading that a DNG carries: its opcode lists (DNG specification 1.7.1, chapter 7), every bound checked.

tifffile hands a list over as bytes. All of it is big-endian whatever the file is: a count, then per opcode its id, the
specification's version, flags (bit 0: optional) and the length of its parameters.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

from isp.errors import RawError

logger = logging.getLogger(__name__)

FIX_VIGNETTE_RADIAL, GAIN_MAP = 3, 9
_OPTIONAL = 1
_MAX_OPCODES = 1000  # real lists have a handful


class GainMap(NamedTuple):
    """Gains on a coarse grid, interpolated bilinearly, for some rows, columns and planes of the active area.

    The gain at pixel (y, x) of an H by W image is the map at row ((y + 0.5) / H - origin[0]) / spacing[0] and column
    ((x + 0.5) / W - origin[1]) / spacing[1], held at the edges.
    """

    top: int
    left: int
    bottom: int
    right: int
    row_pitch: int
    column_pitch: int
    plane: int
    planes: int
    spacing: tuple[float, float]
    origin: tuple[float, float]
    points: tuple[tuple[tuple[float, ...], ...], ...]
    after_demosaic: bool


class RadialGain(NamedTuple):
    """FixVignetteRadial: 1 + k0 r^2 + k1 r^4 + .. + k4 r^10, r = 1 at the corner farthest from the centre."""

    coefficients: tuple[float, ...]
    center: tuple[float, float]
    after_demosaic: bool


LensShading = GainMap | RadialGain


def parse_opcodes(
    blob: bytes, *, after_demosaic: bool, applied: frozenset[int] = frozenset()
) -> tuple[LensShading, ...]:
    """Read the lens shading of one opcode list.

    Parameters
    ----------
    blob : bytes
        The value of OpcodeList2 or OpcodeList3.
    after_demosaic : bool
        Whether it is list 3, whose planes are colours, not the one plane of the mosaic.
    applied : frozenset of int
        Opcodes that the decoder has dealt with already.

    Returns
    -------
    tuple of GainMap or RadialGain
        In file order. Opcodes that are optional and not lens shading are left out in silence; a mandatory one
        that is not known here is left out with a logged warning.

    Raises
    ------
    RawError
        If the list says it is longer than it is, or a map's size contradicts its parameters.
    """
    found: list[LensShading] = []
    try:
        for opcode, optional, parameters in _opcodes(blob):
            if opcode == GAIN_MAP:
                found.append(_gain_map(parameters, after_demosaic))
            elif opcode == FIX_VIGNETTE_RADIAL:
                found.append(_radial_gain(parameters, after_demosaic))
            elif not optional and opcode not in applied:
                logger.warning("DNG opcode %d is mandatory but not supported; the picture is made without it", opcode)
    except struct.error as error:
        raise RawError(f"DNG opcode list is cut short ({error}); the file is damaged") from error
    return tuple(found)


def _opcodes(blob: bytes) -> Iterator[tuple[int, bool, bytes]]:
    (count,) = struct.unpack_from(">I", blob)
    if count > _MAX_OPCODES:
        raise RawError(f"DNG opcode list claims {count} opcodes; the file is damaged")
    position = 4
    for _ in range(count):
        opcode, _version, flags, length = struct.unpack_from(">4I", blob, position)
        position += 16
        if position + length > len(blob):
            raise RawError(f"DNG opcode {opcode} claims {length} bytes, {len(blob) - position} are there; file damaged")
        yield opcode, bool(flags & _OPTIONAL), blob[position : position + length]
        position += length


def _radial_gain(data: bytes, after_demosaic: bool) -> RadialGain:
    *coefficients, x, y = numbers = struct.unpack_from(">7d", data)
    if not all(map(math.isfinite, numbers)):
        raise RawError("DNG FixVignetteRadial has parameters that are not numbers; the file is damaged")
    return RadialGain(tuple(coefficients), (x, y), after_demosaic)


def _gain_map(data: bytes, after_demosaic: bool) -> GainMap:
    integers = struct.unpack_from(">10I", data)
    top, left, bottom, right, plane, planes, row_pitch, column_pitch, rows, columns = integers
    *geometry, map_planes = struct.unpack_from(">4dI", data, 40)
    spacing, origin = (geometry[0], geometry[1]), (geometry[2], geometry[3])
    count = rows * columns * map_planes
    fits = 0 < count * 4 <= len(data) - 76 and bottom > top and right > left
    if not fits or 0 in (row_pitch, column_pitch, planes):
        raise RawError(f"DNG GainMap of {rows}x{columns}x{map_planes} points does not fit its {len(data)} bytes")
    spaced = (rows == 1 or spacing[0] > 0) and (columns == 1 or spacing[1] > 0)
    if not spaced or not all(map(math.isfinite, geometry)):
        raise RawError(f"DNG GainMap has a spacing of {spacing} and an origin of {origin}; the file is damaged")
    flat = struct.unpack_from(f">{count}f", data, 76)
    if not all(0.0 <= gain < 1e4 for gain in flat):
        raise RawError("DNG GainMap has gains that are negative, huge or not numbers; the file is damaged")
    step = columns * map_planes
    points = tuple(
        tuple(tuple(flat[r * step + c * map_planes :][:map_planes]) for c in range(columns)) for r in range(rows)
    )
    return GainMap(
        top, left, bottom, right, row_pitch, column_pitch, plane, planes, spacing, origin, points, after_demosaic
    )
