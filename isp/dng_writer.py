"""Writes a mosaic as a DNG (specification 1.7.1, chapter 4) that raw converters read; tifffile lays it out."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isp.atomic import atomic_file
from isp.calibration import intersection
from isp.cfa import shifted
from isp.encoders.strips import in_order
from isp.errors import ParameterError
from isp.exif import exposure_directory, tiff_tags
from isp.frame import Frame, Meta, Rectangle, Space
from isp.opcode_writer import pack_opcodes

TILE = 256  # pixels a side, as Adobe's converter cuts them
_TILE_UNIT = 16  # pixels, of which TIFF wants tiles to be multiples

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SRATIONAL, _DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12  # types of TIFF
_CFA, _LINEAR_RAW, _LOSSLESS_JPEG = 32803, 34892, 7
_PHOTOMETRIC, _ORIENTATION, _EXIF = 262, 274, 34665
_FIRST_DIRECTORY = 4  # where TIFF says where its first directory is
_D65 = 21
_LARGEST = 2**31 - 1  # number in a fraction with a sign

Tag = tuple[int, int, int, Any, bool]  # as tifffile takes them: code, type, count, value, write once


def write_dng(frame: Frame, path: str | os.PathLike[str], *, lossless: bool = False, overwrite: bool = False) -> Path:
    """Write a frame as DNG, whole or not at all: one uncompressed strip, or tiles of lossless JPEG.

    The tiles are what Adobe's converter makes: predictor 1, two samples side by side as two components.

    Parameters
    ----------
    frame : Frame
        RAW. Its `Meta` is what the file will say; of that, only the place is left out.
    path : path
        Target.
    lossless : bool
        Compressed or not.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ParameterError
        If the frame is not RAW.
    WriteError
        If the target exists.
    StorageError
        If the disk is full or read-only, or the folder cannot be written; nothing is left behind.
    """
    import tifffile

    if frame.space is not Space.RAW:
        raise ParameterError(f"write_dng: the frame is {frame.space.name}; give what the sensor measured, RAW")
    options: dict[str, Any] = {"data": frame.data}
    width = _tile_width(frame.data.shape[1]) if lossless else 0
    if width:
        options = {
            "data": _tiles(frame.data, width), "shape": frame.data.shape, "dtype": frame.data.dtype,
            "tile": (TILE, width), "compression": _LOSSLESS_JPEG,
        }  # fmt: skip
    with atomic_file(path, overwrite=overwrite) as file:
        tifffile.imwrite(
            file, byteorder="<", photometric=_CFA, metadata=None, software=False, extratags=_tags(frame.meta),
            **options,
        )  # fmt: skip
        _amend(file, frame.meta)
    return Path(path)


def _amend(file: BinaryIO, meta: Meta) -> None:
    """Put the EXIF directory behind the rest, and the main one again with what tifffile refuses to write."""
    end = file.seek(0, os.SEEK_END)
    at = end + file.write(bytes(end % 2))
    file.seek(_FIRST_DIRECTORY)
    file.seek(*struct.unpack("<L", file.read(4)))
    (count,) = struct.unpack("<H", file.read(2))
    entries = {code: file.read(10) for (code,) in (struct.unpack("<H", file.read(2)) for _ in range(count))}
    entries[_EXIF] = struct.pack("<HLL", _LONG, 1, at)
    if meta.monochrome:
        entries[_PHOTOMETRIC] = struct.pack("<HLL", _SHORT, 1, _LINEAR_RAW)
    details = exposure_directory(meta, at)
    file.seek(at)
    file.write(details + struct.pack("<H", len(entries)))
    file.writelines(struct.pack("<H", code) + entries[code] for code in sorted(entries))
    file.write(bytes(4))
    file.seek(_FIRST_DIRECTORY)
    file.write(struct.pack("<L", at + len(details)))


def _tile_width(width: int) -> int:
    """Return how wide the tiles of a picture are; 0 if it is too narrow for any.

    LibRaw 0.22 garbles tiles that are wider than the picture, or half as wide.
    """
    return next((tile for tile in range(TILE, 0, -_TILE_UNIT) if tile <= width and 2 * tile != width), 0)


def _tiles(mosaic: NDArray[np.uint16], width: int) -> Iterator[bytes]:
    """Return the compressed tiles, row by row; those at the edges repeat the last cell of the pattern."""
    import imagecodecs

    rows, columns = (
        _continued(side, side + -side % tile) for side, tile in zip(mosaic.shape, (TILE, width), strict=True)
    )
    bits = max(8, int(mosaic.max()).bit_length())
    across = len(columns) // width

    def encode(number: int) -> bytes:
        top, left = number // across * TILE, number % across * width
        tile = mosaic[np.ix_(rows[top : top + TILE], columns[left : left + width])].reshape(TILE, width // 2, 2)
        return bytes(imagecodecs.jpeg8_encode(tile, lossless=True, predictor=1, bitspersample=bits))

    return in_order(encode, len(rows) // TILE * across, 1)


def _continued(side: int, full: int) -> NDArray[np.intp]:
    """Return the positions 0..side, then the last two in turn."""
    positions = np.arange(full)
    return np.where(positions < side, positions, np.maximum(side - 2, 0) + (positions - side) % min(side, 2))


def _tags(meta: Meta) -> list[Tag]:
    """Return the tags that make a TIFF file a DNG."""
    camera = " ".join(filter(None, (meta.make, meta.model))) or "isp"
    tags = [
        *(tag for tag in tiff_tags(meta) if tag[0] != _ORIENTATION),
        (_ORIENTATION, _SHORT, 1, meta.orientation, True),
        (50706, _BYTE, 4, bytes((1, 4, 0, 0)), True), (50707, _BYTE, 4, bytes((1, 3, 0, 0)), True),  # DNG versions
        (50708, _ASCII, 0, camera, True),  # UniqueCameraModel
        *_pattern(meta), *_levels(meta), *_areas(meta), *_colours(meta),
    ]  # fmt: skip
    if meta.baseline_exposure:
        tags.append(_rationals(50730, [meta.baseline_exposure], _SRATIONAL))
    if meta.noise:
        flat = [number for pair in meta.noise for number in pair]
        tags.append((51041, _DOUBLE, len(flat), flat, True))  # NoiseProfile
    for code, after in ((51009, False), (51022, True)):  # OpcodeList2, OpcodeList3
        shading = [each for each in meta.lens_shading if each.after_demosaic is after]
        if shading:
            data = pack_opcodes(shading)
            tags.append((code, _UNDEFINED, len(data), data, True))
    return tags


def _pattern(meta: Meta) -> list[Tag]:
    if meta.monochrome:
        return []
    colours = np.array(_from_active(meta.cfa, meta.active), np.uint8)
    return [
        (33421, _SHORT, 2, colours.shape, True),  # CFARepeatPatternDim
        (33422, _BYTE, colours.size, colours.tobytes(), True),  # CFAPattern
    ]


def _levels(meta: Meta) -> list[Tag]:
    black = np.array(_from_active(meta.black, meta.active))
    top, left, height, width = meta.active
    tags = [
        (50713, _SHORT, 2, black.shape, True),  # BlackLevelRepeatDim
        _rationals(50714, black.flat),  # BlackLevel
        (50717, _LONG, 1, round(meta.white), True),  # WhiteLevel
    ]
    if meta.black_columns:
        tags.append(_rationals(50715, meta.black_columns[left : left + width], _SRATIONAL))  # BlackLevelDeltaH
    if meta.black_rows:
        tags.append(_rationals(50716, meta.black_rows[top : top + height], _SRATIONAL))  # BlackLevelDeltaV
    return tags


def _areas(meta: Meta) -> list[Tag]:
    top, left, height, width = meta.active
    crop = intersection(meta.crop, meta.active)
    return [
        (50829, _LONG, 4, (top, left, top + height, left + width), True),  # ActiveArea
        _rationals(50719, (crop.left - left, crop.top - top)),  # DefaultCropOrigin
        _rationals(50720, (crop.width, crop.height)),  # DefaultCropSize
        _rationals(50718, (meta.pixel_aspect, 1)),  # DefaultScale
    ]


def _colours(meta: Meta) -> list[Tag]:
    tags: list[Tag] = []
    if meta.xyz_to_camera is not None:
        tags.append(_rationals(50721, [n for row in meta.xyz_to_camera for n in row], _SRATIONAL))  # ColorMatrix1
        tags.append((50778, _SHORT, 1, _D65, True))  # CalibrationIlluminant1
    if meta.white_balance is not None:
        tags.append(_rationals(50728, [min(meta.white_balance) / gain for gain in meta.white_balance]))  # AsShotNeutral
    return tags


def _from_active(pattern: Any, active: Rectangle) -> Any:
    """Return a pattern from the corner of the active area, where DNG lets it begin."""
    return shifted(pattern, active.top, active.left)


def _rationals(code: int, numbers: Iterable[float], kind: int = _RATIONAL) -> Tag:
    values = [float(number) for number in numbers]
    finest = _LARGEST // (1 + int(max(map(abs, values))))
    ratios = [Fraction(value).limit_denominator(finest) for value in values]
    return code, kind, len(ratios), [part for ratio in ratios for part in ratio.as_integer_ratio()], True
