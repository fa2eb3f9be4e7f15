"""Pixels into the bytes of a JPEG, PNG or TIFF file; a library is imported by the format that needs it."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, NamedTuple

from numpy.typing import NDArray

from isp.errors import WriteError
from isp.exif import SOFTWARE, exif, tiff_tags
from isp.frame import Meta

JPEG_SIDE = 65535


class Extras(NamedTuple):
    """What goes into a file beside the pixels: `meta` for its tags, an ICC profile, and how JPEG compresses."""

    meta: Meta | None = None
    profile: bytes | None = None
    quality: int = 92
    subsampling: str = "4:2:0"


def encode_jpeg(picture: NDArray[Any], extras: Extras) -> bytes:
    """Return a baseline JPEG file of `picture`, (H, W, 3) uint8, with EXIF and profile."""
    import imageio.v3 as iio

    if max(picture.shape) > JPEG_SIDE:
        raise WriteError(f"JPEG holds at most {JPEG_SIDE} pixels a side, not {max(picture.shape)}; write .png or .tif")
    return iio.imwrite(
        "<bytes>",
        picture,
        extension=".jpg",
        plugin="pillow",
        quality=extras.quality,
        subsampling=extras.subsampling,
        icc_profile=extras.profile,
        exif=b"Exif\0\0" + exif(extras.meta) if extras.meta else b"",
    )


def encode_png(picture: NDArray[Any], extras: Extras) -> bytes:
    """Return a PNG file of `picture`, (H, W, 3) uint8 or uint16, with EXIF and profile.

    Paeth's filter, and zlib looking for runs only: photographs hold little else to find, and that is far faster.
    """
    import imagecodecs

    png = imagecodecs.PNG
    data = imagecodecs.png_encode(picture, level=1, strategy=png.STRATEGY.RLE, filter=png.FILTER.PAETH)
    chunks = b""
    if extras.profile:
        chunks += png_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(extras.profile, 9))
    if extras.meta:
        chunks += png_chunk(b"eXIf", exif(extras.meta))
    return insert_chunks(data, chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return one PNG chunk: length, kind, data, CRC (PNG specification, section 5.3)."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def insert_chunks(png: bytes | bytearray, chunks: bytes) -> bytes:
    """Return `png` with `chunks` right behind IHDR, always the first chunk, 25 bytes after the 8 of the signature."""
    return b"".join((memoryview(png)[:33], chunks, memoryview(png)[33:]))


def encode_tiff(picture: NDArray[Any], extras: Extras) -> memoryview:
    """Return an uncompressed TIFF file of `picture`, (H, W, 3) uint8, uint16 or float32, with tags and profile."""
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(
        file,
        picture,
        byteorder="<",
        photometric="rgb",
        metadata=None,  # else tifffile describes the array in ImageDescription
        software=SOFTWARE if extras.meta else False,
        iccprofile=extras.profile,
        extratags=tiff_tags(extras.meta) if extras.meta else (),
    )
    return file.getbuffer()  # no second copy of what may be hundreds of megabytes
