"""What a DNG says and rawpy loses: black per site, rectangles, noise and lens shading (DNG specification 1.7.1)."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from isp.errors import RawError
from isp.frame import Rectangle
from isp.opcodes import LensShading, parse_opcodes
from isp.tiff import Picture

logger = logging.getLogger(__name__)

_LOSSY_JPEG, _JPEG_XL = 34892, 52546
_FLOAT = 3
_MAP_POLYNOMIAL = 8  # LibRaw applies it to lossy pictures itself
_MAX_PLANES, _MAX_LEVELS = 4, 4096
_MAX_EXPOSURE = 20.0  # stops; more is damage

# Tags by their number, named as in the specification.
_BITS, _COMPRESSION, _SAMPLES, _SAMPLE_FORMAT = 258, 259, 277, 339
_BLACK_REPEAT, _BLACK, _BLACK_H, _BLACK_V, _WHITE = 50713, 50714, 50715, 50716, 50717
_CROP_ORIGIN, _CROP_SIZE, _NEUTRAL, _BASELINE_EXPOSURE = 50719, 50720, 50728, 50730
_ACTIVE, _MASKED, _OPCODES_2, _OPCODES_3, _NOISE = 50829, 50830, 51009, 51022, 51041


@dataclass(frozen=True, slots=True)
class DngTags:
    """What the tags of a DNG say, as `Meta` wants it; None or empty where they say nothing.

    Attributes
    ----------
    black : tuple of tuple of tuple of float
        DN by row, column and plane, its corner that of the active area. None if LibRaw has changed the scale.
    white : tuple of float
        DN by plane, WhiteLevel or its default. Empty if LibRaw has changed the scale.
    black_rows, black_columns : tuple of float
        BlackLevelDeltaV and BlackLevelDeltaH of the active area.
    active : Rectangle or None
        In the full frame.
    crop : Rectangle or None
        In the active area, rounded inwards.
    masked : tuple of Rectangle
        Optically black areas in the full frame.
    neutral : tuple of float
        The camera's colours of white.
    baseline_exposure : float
        Stops.
    noise : tuple of (float, float)
        NoiseProfile.
    lens_shading : tuple of GainMap or RadialGain
        Opcode lists 2 and 3.
    """

    black: tuple[tuple[tuple[float, ...], ...], ...] | None
    white: tuple[float, ...]
    black_rows: tuple[float, ...]
    black_columns: tuple[float, ...]
    active: Rectangle | None
    crop: Rectangle | None
    masked: tuple[Rectangle, ...]
    neutral: tuple[float, ...]
    baseline_exposure: float
    noise: tuple[tuple[float, float], ...]
    lens_shading: tuple[LensShading, ...]


def read_dng(picture: Picture) -> DngTags:
    """Return what the tags of a DNG say; damaged ones are left out with a logged warning."""
    compression = picture.integer(_COMPRESSION, 1)
    floating = picture.integer(_SAMPLE_FORMAT, 1) == _FLOAT
    if floating:
        logger.warning("%s: holds floating-point pixels; LibRaw scales those above 1 to their peak", picture.name)
    rescaled = floating or compression in (_LOSSY_JPEG, _JPEG_XL)
    applied = frozenset({_MAP_POLYNOMIAL} if compression == _LOSSY_JPEG else ())
    noise = picture.numbers(_NOISE)
    exposure = picture.numbers(_BASELINE_EXPOSURE)
    return DngTags(
        black=None if rescaled else _black(picture),
        white=() if rescaled else _white(picture),
        black_rows=() if rescaled else picture.finite(_BLACK_V),
        black_columns=() if rescaled else picture.finite(_BLACK_H),
        active=next(iter(_rectangles(picture, _ACTIVE)), None),
        crop=_crop(picture),
        masked=_rectangles(picture, _MASKED),
        neutral=picture.numbers(_NEUTRAL),
        baseline_exposure=exposure[0] if exposure and abs(exposure[0]) < _MAX_EXPOSURE else 0.0,
        noise=_noise(picture, noise),
        lens_shading=_lens_shading(picture, applied),
    )


def _black(picture: Picture) -> tuple[tuple[tuple[float, ...], ...], ...]:
    levels = picture.finite(_BLACK) or (0.0,)
    planes = max(picture.integer(_SAMPLES, 1), 1)
    repeat = picture.finite(_BLACK_REPEAT)
    rows, columns = (int(repeat[0]), int(repeat[1])) if len(repeat) == 2 else (1, 1)
    if len(levels) == 1 and 1 <= rows * columns * planes <= _MAX_LEVELS:  # some writers give one level for all
        levels *= rows * columns * planes
    if min(rows, columns) < 1 or len(levels) != rows * columns * planes:
        form = f"{rows} x {columns} x {planes}"
        logger.warning("%s: %d black levels are not %s; the first is taken for all", picture.name, len(levels), form)
        rows, columns, levels = 1, 1, levels[:1] * min(planes, _MAX_PLANES)
    return tuple(
        tuple(tuple(levels[(row * columns + column) * planes :][:planes]) for column in range(columns))
        for row in range(rows)
    )


def _white(picture: Picture) -> tuple[float, ...]:
    levels = tuple(min(level, 65535.0) for level in picture.finite(_WHITE))
    if len(levels) == picture.integer(_SAMPLES, 1):
        return levels
    return levels[:1] or tuple(2.0**bits - 1 for bits in picture.finite(_BITS) if 1 <= bits <= 16)


def _rectangles(picture: Picture, code: int) -> tuple[Rectangle, ...]:
    edges = [int(number) for number in picture.finite(code)]
    quadruples = zip(edges[::4], edges[1::4], edges[2::4], edges[3::4], strict=False)
    return tuple(Rectangle(top, left, bottom - top, right - left) for top, left, bottom, right in quadruples)


def _crop(picture: Picture) -> Rectangle | None:
    origin, size = picture.finite(_CROP_ORIGIN), picture.finite(_CROP_SIZE)
    if len(size) != 2:
        return None
    left, top = origin if len(origin) == 2 else (0.0, 0.0)
    return Rectangle(math.ceil(top), math.ceil(left), math.floor(size[1]), math.floor(size[0]))


def _noise(picture: Picture, numbers: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    if all(math.isfinite(s) and math.isfinite(o) and s > 0 for s, o in pairs):
        return pairs
    logger.warning("%s: NoiseProfile %s is not a noise model; it is left out", picture.name, numbers)
    return ()


def _lens_shading(picture: Picture, applied: frozenset[int]) -> tuple[LensShading, ...]:
    found: tuple[LensShading, ...] = ()
    for code, after in ((_OPCODES_2, False), (_OPCODES_3, True)):
        blob = picture.tag(code)
        if isinstance(blob, bytes):
            try:
                found += parse_opcodes(blob, after_demosaic=after, applied=applied)
            except RawError as error:
                logger.warning("%s: %s; its lens shading is left out", picture.name, error)
    return found
