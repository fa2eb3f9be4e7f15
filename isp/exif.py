"""What a picture says about its making: a safe list of EXIF tags, built from `Meta` and nothing else.

Nothing is copied from the raw file: maker notes, sub-directories, strip offsets and CFA tags describe that file and
break this one. The list is written by hand because no library at hand takes text beyond ASCII in all of its tags;
text is UTF-8, as the Metadata Working Group asks.
"""

from __future__ import annotations

import math
import re
import struct
from fractions import Fraction

from isp.frame import Gps, Meta

Tag = tuple[int, int, int, bytes]  # code, type, count, value (little-endian)

SOFTWARE = "isp"
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7
_LARGEST = 2**32 - 1
_LONGEST = 2000  # characters of a text; all of EXIF must fit into 64 kB of a JPEG
_HEADER = b"II*\0" + struct.pack("<L", 8)
_TIME = re.compile(r"(\d{4}:\d{2}:\d{2}) (\d{2}):(\d{2}):(\d{2})", re.ASCII)


def exif(meta: Meta) -> bytes:
    r"""Return the EXIF block for JPEG (after ``Exif\0\0``) and PNG (chunk eXIf): a TIFF header and three directories.

    Make, model, lens, exposure time, f-number, ISO, focal length, time, artist, copyright, place; Software "isp" and
    Orientation 1, because the pixels are upright. What `meta` does not know is left out.

    Parameters
    ----------
    meta : Meta
        What the raw file says.

    Returns
    -------
    bytes
        Little-endian, starting with ``II*\0``. The same `meta` gives the same bytes; no clock is read.
    """
    first = _picture(meta)
    place = _place(meta.gps)
    pointers = 2 if place else 1
    at = len(_HEADER) + len(_directory(first, 0)) + 12 * pointers
    details = exposure_directory(meta, at)
    first.append((34665, _LONG, 1, struct.pack("<L", at)))
    if place:
        first.append((34853, _LONG, 1, struct.pack("<L", at + len(details))))
        details += _directory(place, at + len(details))
    return _HEADER + _directory(first, len(_HEADER)) + details


def exposure_directory(meta: Meta, offset: int) -> bytes:
    """Return the EXIF directory proper, which will lie at `offset`, little-endian: how the exposure was made."""
    return _directory([(36864, _UNDEFINED, 4, b"0232"), *_exposure(meta)], offset)


def tiff_tags(meta: Meta) -> list[tuple[int, int, int, bytes | tuple[int, ...], bool]]:
    """Return what fits into TIFF's first directory (TIFF/EP) as tifffile's `extratags`; Software is left to tifffile.

    Parameters
    ----------
    meta : Meta
        What the raw file says. Its place is not written: TIFF keeps it in a directory that tifffile cannot write.

    Returns
    -------
    list of (code, type, count, value, write once)
        Values are little-endian bytes, ratios numerator and denominator, because tifffile miscounts packed ones.
    """
    tags = [tag for tag in _picture(meta) + _exposure(meta) if tag[0] != 305]
    return [
        (code, kind, count, struct.unpack(f"<{2 * count}L", value) if kind == _RATIONAL else value, True)
        for code, kind, count, value in tags
    ]


def _picture(meta: Meta) -> list[Tag]:
    return [
        *_text(271, meta.make),
        *_text(272, meta.model),
        _short(274, 1),
        *_text(305, SOFTWARE),
        *_time(306, meta.time),
        *_text(315, meta.artist),
        *_text(33432, meta.copyright),
    ]


def _exposure(meta: Meta) -> list[Tag]:
    return [
        *_number(33434, meta.shutter),
        *_number(33437, meta.aperture),
        *([_short(34855, min(round(meta.iso), 65535))] if meta.iso and 0 < meta.iso < math.inf else []),
        *_time(36867, meta.time),
        *_number(37386, meta.focal_length),
        *_text(42036, meta.lens),
    ]


def _place(gps: Gps | None) -> list[Tag]:
    if gps is None or not (abs(gps.latitude) <= 90 and abs(gps.longitude) <= 180):
        return []
    tags: list[Tag] = [
        (0, _BYTE, 4, bytes((2, 3, 0, 0))),
        *_text(1, "N" if gps.latitude >= 0 else "S"),
        (2, _RATIONAL, 3, _angle(gps.latitude)),
        *_text(3, "E" if gps.longitude >= 0 else "W"),
        (4, _RATIONAL, 3, _angle(gps.longitude)),
    ]
    if gps.altitude is not None and math.isfinite(gps.altitude):
        metres = min(abs(round(gps.altitude * 100)), _LARGEST)
        tags += [(5, _BYTE, 1, bytes([gps.altitude < 0])), (6, _RATIONAL, 1, struct.pack("<2L", metres, 100))]
    if match := _TIME.fullmatch(gps.time or ""):
        day, hour, minute, second = match.groups()
        tags += [(7, _RATIONAL, 3, struct.pack("<6L", int(hour), 1, int(minute), 1, int(second), 1)), *_text(29, day)]
    return tags


def _angle(degrees: float) -> bytes:
    """Degrees, minutes and seconds to 1/10000 second: 3 mm on the ground."""
    minutes, parts = divmod(round(abs(degrees) * 36_000_000), 600_000)
    return struct.pack("<6L", minutes // 60, 1, minutes % 60, 1, parts, 10_000)


def _text(code: int, text: str | None) -> list[Tag]:
    data = (text or "")[:_LONGEST].replace("\0", " ").strip().encode("utf-8", "replace")
    return [(code, _ASCII, len(data) + 1, data + b"\0")] if data else []


def _time(code: int, time: str | None) -> list[Tag]:
    return _text(code, time) if _TIME.fullmatch(time or "") else []


def _short(code: int, value: int) -> Tag:
    return code, _SHORT, 1, struct.pack("<H", value)


def _number(code: int, value: float | None) -> list[Tag]:
    if value is None or not 0 < value < _LARGEST:
        return []
    # Cameras state 1/60 s; as float32 that is 0.016666668, and the small denominator finds 1/60 again.
    fraction = Fraction(value).limit_denominator(1_000_000 if value < 1 else 1_000)
    return [(code, _RATIONAL, 1, struct.pack("<2L", fraction.numerator, fraction.denominator))] if fraction else []


def _directory(tags: list[Tag], offset: int) -> bytes:
    """One TIFF directory that will lie at `offset`: sorted entries, then the values longer than four bytes."""
    entries, values = b"", b""
    start = offset + 2 + 12 * len(tags) + 4
    for code, kind, count, value in sorted(tags):
        field = value
        if len(value) > 4:
            field = struct.pack("<L", start + len(values))
            values += value + b"\0" * (len(value) % 2)
        entries += struct.pack("<HHL", code, kind, count) + field.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + values
