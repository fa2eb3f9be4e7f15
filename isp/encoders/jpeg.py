"""Baseline JPEG: libjpeg-turbo encodes strips, restart markers join them into one scan.

A restart marker resets the prediction of a block's mean and nothing else (ITU-T T.81, E.1.4), and libjpeg-turbo encodes
blocks without regard to the next ones: the pixels are those of a picture encoded in one go.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from isp.encoders.extras import Extras
from isp.encoders.strips import in_order, rows_per_strip
from isp.errors import WriteError
from isp.exif import exif
from isp.geometry import contiguous
from isp.rendering import Picture

SIDE = 65500  # where libjpeg stops, the reader's as ours
_BLOCK = {"4:4:4": (8, 8), "4:2:2": (8, 16), "4:2:0": (16, 16)}  # rows and columns of an MCU
_PART = 65519  # bytes of a profile in one segment
_JFIF = 20  # bytes of the start of image and of libjpeg's first segment
_SOF0, _SOS, _DRI, _APP1, _APP2, _RST0, _EOI = 0xFFC0, 0xFFDA, 0xFFDD, 0xFFE1, 0xFFE2, 0xFFD0, 0xFFD9


def encode_jpeg(picture: Picture, extras: Extras, file: BinaryIO) -> None:
    """Write a baseline JPEG file of `picture`, (H, W, 3) uint8, with EXIF and profile."""
    import imagecodecs

    if max(picture.shape) > SIDE:
        raise WriteError(f"JPEG holds at most {SIDE} pixels a side, not {max(picture.shape)}; write .png or .tif")
    height, width, _ = picture.shape
    subsampling = extras.subsampling.replace(":", "")
    block_rows, block_columns = _BLOCK[extras.subsampling]
    rows = block_rows * max(1, rows_per_strip(picture) // block_rows)

    def encode(top: int) -> memoryview:
        strip = contiguous(picture[top : top + rows])
        return memoryview(imagecodecs.jpeg8_encode(strip, extras.quality, subsampling=subsampling))

    interval = -(-width // block_columns) * (rows // block_rows)  # in a strip; at most 49151, for a width of 1
    segments = _segments(extras) + _segment(_DRI, struct.pack(">H", interval))
    for number, strip in enumerate(in_order(encode, height, rows)):
        file.write(struct.pack(">H", _RST0 + (number - 1) % 8) if number else _header(strip, height, segments))
        file.write(strip[_layout(strip)[1] : -2])
    file.write(struct.pack(">H", _EOI))


def _segments(extras: Extras) -> bytes:
    """Return EXIF and profile as segments; a profile is cut into numbered parts (ICC.1, B.4)."""
    segments = _segment(_APP1, b"Exif\0\0" + exif(extras.meta)) if extras.meta else b""
    profile = extras.profile or b""
    parts = [profile[at : at + _PART] for at in range(0, len(profile), _PART)]
    for number, part in enumerate(parts, 1):
        segments += _segment(_APP2, b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part)
    return segments


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">HH", marker, 2 + len(data)) + data


def _layout(jpeg: memoryview) -> tuple[int, int]:
    """Return where the segment of the frame lies, which holds the height, and where the coded pixels begin."""
    at, marker, frame = 2, 0, 0
    while marker != _SOS:
        marker, length = struct.unpack(">HH", jpeg[at : at + 4])
        frame = at if marker == _SOF0 else frame
        at += 2 + length
    return frame, at


def _header(strip: memoryview, height: int, segments: bytes) -> bytes:
    """Return the header of a strip's file as that of the whole picture, with segments behind the first."""
    frame, scan = _layout(strip)
    header = bytearray(strip[:scan])
    struct.pack_into(">H", header, frame + 5, height)  # behind marker, length and precision
    return b"".join((header[:_JFIF], segments, header[_JFIF:]))
