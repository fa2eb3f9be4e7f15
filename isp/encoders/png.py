"""PNG: Paeth's filter, and Huffman codes, in strips that all threads make at once.

One filter is enough: Average leaves a little less of noisy photographs, but much more of smooth ones.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from isp.encoders import deflate
from isp.encoders.extras import Extras
from isp.encoders.strips import in_order, rows_per_strip
from isp.exif import exif
from isp.geometry import contiguous
from isp.jit import kernel
from isp.rendering import Picture

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = 2
_PAETH = 4


def encode_png(picture: Picture, extras: Extras, file: BinaryIO) -> None:
    """Write a PNG file of `picture`, (H, W, 3) uint8 or uint16, with EXIF and profile."""
    height, width, _ = picture.shape
    facts = struct.pack(">2L5B", width, height, 8 * picture.dtype.itemsize, _RGB, 0, 0, 0)
    file.write(_SIGNATURE + png_chunk(b"IHDR", facts))
    if extras.profile:
        file.write(png_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(extras.profile, 9)))
    if extras.meta:
        file.write(png_chunk(b"eXIf", exif(extras.meta)))
    rows = rows_per_strip(picture)

    def encode(top: int) -> tuple[bytes, int, int]:
        data = filtered(picture, top, rows)
        before = b"" if top else deflate.HEADER
        return png_chunk(b"IDAT", before, deflate.block(data).data), deflate.adler(data), data.size

    checksum = 1
    for chunk, part, size in in_order(encode, height, rows):
        file.write(chunk)
        checksum = deflate.adler_of_both(checksum, part, size)
    file.write(png_chunk(b"IDAT", deflate.LAST, struct.pack(">L", checksum)) + png_chunk(b"IEND", b""))


def png_chunk(kind: bytes, *data: bytes | memoryview) -> bytes:
    """Return one PNG chunk: length, kind, data (joined), CRC (PNG specification, section 5.3)."""
    from imagecodecs import deflate_crc32

    check = deflate_crc32(kind)
    for part in data:
        check = deflate_crc32(part, check)  # type: ignore[arg-type]  # it takes any buffer
    return b"".join((struct.pack(">L", sum(map(len, data))), kind, *data, struct.pack(">L", check)))


def filtered(picture: Picture, top: int, rows: int) -> NDArray[np.uint8]:
    """Return rows of a picture as PNG deflates them: big-endian, less the prediction, the filter's number in front."""
    part = contiguous(picture[max(top - 1, 0) : top + rows])
    samples = np.require(part, part.dtype.newbyteorder(">"), ["C", "W"]).view(np.uint8).reshape(len(part), -1)
    if top == 0:
        samples = np.concatenate((np.zeros_like(samples[:1]), samples))
    out = np.empty((len(samples) - 1, samples.shape[1] + 1), np.uint8)
    _subtract_prediction(samples, 3 * picture.dtype.itemsize, out)
    return out.reshape(-1)


@kernel
def _subtract_prediction(samples, distance, out):  # type: ignore[no-untyped-def]
    """Subtract from every byte what Paeth predicts of those `distance` to the left, 0 outside, and above."""
    for y in range(len(out)):
        out[y, 0] = _PAETH
        above, row, rest = samples[y], samples[y + 1], out[y, 1:]
        for x in range(distance):
            rest[x] = row[x] - above[x]
        left, corner = row[:-distance], above[:-distance]
        above, row, rest = above[distance:], row[distance:], rest[distance:]
        for x in range(rest.size):
            rest[x] = row[x] - _paeth(left[x], above[x], corner[x])


@kernel
def _paeth(left, above, corner):  # type: ignore[no-untyped-def]
    """Return the one nearest to left + above - corner (PNG specification, 9.4), all in bytes, which vectorises best.

    The corner is the nearest only if it lies between the others; elsewhere its distance is the greatest.
    """
    to_left = np.uint8(max(above, corner) - min(above, corner))
    to_above = np.uint8(max(left, corner) - min(left, corner))
    between = (left > corner) != (above > corner)
    to_corner = np.uint8(max(to_left, to_above) - min(to_left, to_above)) if between else np.uint8(255)
    if (to_left <= to_above) & (to_left <= to_corner):
        return left
    return above if to_above <= to_corner else corner
