"""Writes small DNG files with any tag, EXIF and GPS entry: what the samples at hand do not show.

The bytes are laid out here and not by tifffile, because tifffile cannot write EXIF and GPS directories, a size that
contradicts the pixels, or strips outside the file. Who doubts this writer may ask: the tests read its files with
LibRaw, tifffile and exifread too.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12
_FORMAT = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "2I", UNDEFINED: "B", SRATIONAL: "2i", DOUBLE: "d"}

TAGS = {
    "NewSubfileType": (254, LONG), "ImageWidth": (256, LONG), "ImageLength": (257, LONG),
    "BitsPerSample": (258, SHORT), "Compression": (259, SHORT), "PhotometricInterpretation": (262, SHORT),
    "ImageDescription": (270, ASCII), "Make": (271, ASCII), "Model": (272, ASCII), "StripOffsets": (273, LONG),
    "Orientation": (274, SHORT), "SamplesPerPixel": (277, SHORT), "RowsPerStrip": (278, LONG),
    "StripByteCounts": (279, LONG), "PlanarConfiguration": (284, SHORT), "Software": (305, ASCII),
    "DateTime": (306, ASCII), "Artist": (315, ASCII), "TileWidth": (322, LONG), "TileLength": (323, LONG),
    "TileOffsets": (324, LONG), "TileByteCounts": (325, LONG), "SubIFDs": (330, LONG), "SampleFormat": (339, SHORT),
    "CFARepeatPatternDim": (33421, SHORT), "CFAPattern": (33422, BYTE), "Copyright": (33432, ASCII),
    "ExifTag": (34665, LONG), "GPSTag": (34853, LONG), "DNGVersion": (50706, BYTE),
    "DNGBackwardVersion": (50707, BYTE), "UniqueCameraModel": (50708, ASCII), "CFAPlaneColor": (50710, BYTE),
    "LinearizationTable": (50712, SHORT), "BlackLevelRepeatDim": (50713, SHORT), "BlackLevel": (50714, RATIONAL),
    "BlackLevelDeltaH": (50715, SRATIONAL), "BlackLevelDeltaV": (50716, SRATIONAL), "WhiteLevel": (50717, LONG),
    "DefaultScale": (50718, RATIONAL), "DefaultCropOrigin": (50719, RATIONAL), "DefaultCropSize": (50720, RATIONAL),
    "ColorMatrix1": (50721, SRATIONAL), "AsShotNeutral": (50728, RATIONAL), "BaselineExposure": (50730, SRATIONAL),
    "CalibrationIlluminant1": (50778, SHORT), "ActiveArea": (50829, LONG), "MaskedAreas": (50830, LONG),
    "OpcodeList1": (51008, UNDEFINED), "OpcodeList2": (51009, UNDEFINED), "OpcodeList3": (51022, UNDEFINED),
    "NoiseProfile": (51041, DOUBLE),
}  # fmt: skip
EXIF_TAGS = {
    "ExposureTime": (33434, RATIONAL), "FNumber": (33437, RATIONAL), "ISOSpeedRatings": (34855, SHORT),
    "DateTimeOriginal": (36867, ASCII), "FocalLength": (37386, RATIONAL), "LensModel": (42036, ASCII),
}  # fmt: skip
GPS_TAGS = {
    "GPSLatitudeRef": (1, ASCII), "GPSLatitude": (2, RATIONAL), "GPSLongitudeRef": (3, ASCII),
    "GPSLongitude": (4, RATIONAL), "GPSAltitudeRef": (5, BYTE), "GPSAltitude": (6, RATIONAL),
    "GPSTimeStamp": (7, RATIONAL), "GPSDateStamp": (29, ASCII),
}  # fmt: skip

COLOR_MATRIX = (0.6, -0.1, -0.1, -0.4, 1.2, 0.2, -0.1, 0.2, 0.5)
NEUTRAL = (0.5, 1.0, 0.625)
Rational = tuple[int, int]


class Tiles(NamedTuple):
    """Compressed tiles, row by row."""

    size: tuple[int, int]
    blobs: tuple[bytes, ...]


def write_dng(
    path: str | bytes | os.PathLike[str],
    mosaic: NDArray[np.uint16],
    *,
    cfa: str = "RGGB",
    exif: Mapping[str, Any] | None = None,
    gps: Mapping[str, Any] | None = None,
    subifd: bool = False,
    cut: int = 0,
    tiles: Tiles | None = None,
    **tags: Any,
) -> None:
    """Write a little-endian DNG, without compression unless tiles are given.

    Parameters
    ----------
    path : path
        The file.
    mosaic : ndarray
        (H, W) for a mosaic or a monochrome picture, (H, W, 3) for a demosaiced one; uint16.
    cfa : str
        The pattern at the corner of the active area, 4 letters for 2x2 or 36 for 6x6; "MONO" for none.
    exif, gps : mapping or None
        Entries of the EXIF and GPS directories by name.
    subifd : bool
        Whether the picture lies in a SubIFD below a thumbnail, as in most DNGs, or in the main directory.
    cut : int
        How many bytes to leave off at the end.
    tiles : Tiles or None
        The mosaic's tiles as `lossless_tiles` compresses them.
    tags
        Any of `TAGS` by name; None leaves out one that would be written by default. A number or a sequence of
        numbers; text; bytes; a pair ``(n, d)`` inside a sequence of a rational tag is written as it is.
    """
    file = bytearray(b"II*\0" + bytes(4))
    where = _append_strip(file, mosaic) if tiles is None else _append_tiles(file, tiles)
    values = _picture_tags(mosaic, cfa) | where | _camera_tags() | tags
    if exif:
        values["ExifTag"] = _directory(file, exif, EXIF_TAGS)
    if gps:
        values["GPSTag"] = _directory(file, gps, GPS_TAGS)
    main = values if not subifd else _main_above(file, values)
    struct.pack_into("<I", file, 4, _directory(file, main, TAGS))
    with open(path, "wb") as out:
        out.write(file[: len(file) - cut])


def lossless_tiles(
    mosaic: NDArray[np.uint16],
    size: tuple[int, int],
    *,
    bits: int = 14,
    components: int = 1,
    predictor: int | None = 1,
) -> Tiles:
    """Compress a mosaic as lossless JPEG, in tiles that repeat its edge where they reach beyond it.

    Parameters
    ----------
    mosaic : ndarray
        (H, W) of uint16.
    size : (int, int)
        Height and width of a tile.
    bits : int
        Precision that the JPEG states.
    components : int
        1, or 2 as Adobe's converter writes: every other column is a component.
    predictor : int or None
        1 to 7 by libjpeg-turbo; None is that of liblj92, 6.
    """
    height, width = size
    padded = np.pad(mosaic, [(0, -n % side) for n, side in zip(mosaic.shape, size, strict=True)], "edge")
    blobs = []
    for top in range(0, padded.shape[0], height):
        for left in range(0, padded.shape[1], width):
            tile = np.ascontiguousarray(padded[top : top + height, left : left + width])
            if predictor is None:
                blobs.append(imagecodecs.ljpeg_encode(tile, bitspersample=bits))
                continue
            samples = tile if components == 1 else tile.reshape(height, width // components, components)
            blobs.append(imagecodecs.jpeg8_encode(samples, lossless=True, predictor=predictor, bitspersample=bits))
    return Tiles(size, tuple(blobs))


def _append_strip(file: bytearray, mosaic: NDArray[np.uint16]) -> dict[str, Any]:
    data = np.ascontiguousarray(mosaic, "<u2").tobytes()
    return {"StripOffsets": _append(file, data), "StripByteCounts": len(data), "RowsPerStrip": len(mosaic)}


def _append_tiles(file: bytearray, tiles: Tiles) -> dict[str, Any]:
    height, width = tiles.size
    return {
        "Compression": 7, "TileWidth": width, "TileLength": height,
        "TileOffsets": [_append(file, blob) for blob in tiles.blobs], "TileByteCounts": list(map(len, tiles.blobs)),
    }  # fmt: skip


def _picture_tags(mosaic: NDArray[np.uint16], cfa: str) -> dict[str, Any]:
    height, width, samples = (*mosaic.shape, 1)[:3]
    tags: dict[str, Any] = {
        "NewSubfileType": 0, "ImageWidth": width, "ImageLength": height, "BitsPerSample": (16,) * samples,
        "Compression": 1, "PhotometricInterpretation": 34892, "SamplesPerPixel": samples,
        "PlanarConfiguration": 1, "WhiteLevel": (16383,) * samples, "Orientation": 1,
    }  # fmt: skip
    if samples == 1 and cfa != "MONO":
        side = round(len(cfa) ** 0.5)
        pattern = bytes("RGB".index(letter) for letter in cfa)
        tags |= {"PhotometricInterpretation": 32803, "CFARepeatPatternDim": (side, side), "CFAPattern": pattern}
        tags |= {"CFAPlaneColor": bytes((0, 1, 2))}
    if cfa != "MONO":
        tags |= {"ColorMatrix1": COLOR_MATRIX, "AsShotNeutral": NEUTRAL, "CalibrationIlluminant1": 21}
    return tags


def _camera_tags() -> dict[str, Any]:
    return {
        "Make": "Maker", "Model": "Model X", "UniqueCameraModel": "Maker Model X", "DNGVersion": bytes((1, 4, 0, 0)),
        "DNGBackwardVersion": bytes((1, 1, 0, 0)),
    }  # fmt: skip


_ON_MAIN = ("Make", "Model", "UniqueCameraModel", "DNGVersion", "DNGBackwardVersion", "ColorMatrix1", "AsShotNeutral",
            "CalibrationIlluminant1", "BaselineExposure", "Orientation", "ExifTag", "GPSTag", "Artist", "Copyright",
            "DateTime")  # fmt: skip


def _main_above(file: bytearray, values: dict[str, Any]) -> dict[str, Any]:
    """Move what belongs to the picture into a SubIFD; return the main directory with its 2x2 thumbnail."""
    picture = {name: value for name, value in values.items() if name not in _ON_MAIN}
    thumbnail = {
        "NewSubfileType": 1, "ImageWidth": 2, "ImageLength": 2, "BitsPerSample": (8, 8, 8), "Compression": 1,
        "PhotometricInterpretation": 2, "SamplesPerPixel": 3, "RowsPerStrip": 2, "PlanarConfiguration": 1,
        "StripOffsets": _append(file, bytes(range(12))), "StripByteCounts": 12,
        "SubIFDs": _directory(file, picture, TAGS),
    }  # fmt: skip
    return {name: value for name, value in values.items() if name in _ON_MAIN} | thumbnail


def _directory(file: bytearray, values: Mapping[str, Any], table: Mapping[str, tuple[int, int]]) -> int:
    """Append a directory with its values; return its position."""
    entries = []
    for name, value in values.items():
        if value is not None:
            code, kind = table[name]
            count, packed = _pack(kind, value)
            if len(packed) > 4:
                packed = struct.pack("<I", _append(file, packed))
            entries.append((code, struct.pack("<HHI", code, kind, count) + packed.ljust(4, b"\0")))
    body = b"".join(entry for _, entry in sorted(entries))
    return _append(file, struct.pack("<H", len(entries)) + body + bytes(4))


def _pack(kind: int, value: Any) -> tuple[int, bytes]:
    if isinstance(value, str):
        value = value.encode() + b"\0"
    items = list(value) if isinstance(value, Iterable) else [value]
    if kind in (RATIONAL, SRATIONAL):
        flat = [number for item in items for number in _ratio(item)]
        return len(items), struct.pack(f"<{len(flat)}{_FORMAT[kind][1]}", *flat)
    return len(items), struct.pack(f"<{len(items)}{_FORMAT[kind]}", *items)


def _ratio(item: float | Rational) -> Rational:
    if isinstance(item, tuple):
        return item
    fraction = Fraction(float(item)).limit_denominator(100_000)
    return fraction.numerator, fraction.denominator


def _append(file: bytearray, data: bytes) -> int:
    file += bytes(-len(file) % 4)
    position = len(file)
    file += data
    return position


def opcode_list(*opcodes: tuple[int, bytes], optional: bool = False) -> bytes:
    """The value of an OpcodeList tag from pairs of id and parameters (DNG specification, chapter 7)."""
    body = b"".join(
        struct.pack(">4I", code, 0x01030000, int(optional), len(parameters)) + parameters
        for code, parameters in opcodes
    )
    return struct.pack(">I", len(opcodes)) + body


def gain_map(
    gains: NDArray[np.float64],
    area: tuple[int, int, int, int],
    *,
    pitch: tuple[int, int] = (1, 1),
    plane: int = 0,
    planes: int = 1,
) -> tuple[int, bytes]:
    """A GainMap opcode of (rows, columns) or (rows, columns, planes) gains over area (top, left, bottom, right)."""
    grid = np.asarray(gains, ">f4")
    grid = grid.reshape(*grid.shape[:2], -1)
    rows, columns, map_planes = grid.shape
    spacing = [1 / max(n - 1, 1) for n in (rows, columns)]
    head = struct.pack(">10I", *area, plane, planes, *pitch, rows, columns)
    return 9, head + struct.pack(">4dI", *spacing, 0.0, 0.0, map_planes) + grid.tobytes()


def fix_vignette_radial(coefficients: Iterable[float], center: tuple[float, float] = (0.5, 0.5)) -> tuple[int, bytes]:
    """A FixVignetteRadial opcode of five coefficients."""
    return 3, struct.pack(">7d", *coefficients, *center)
