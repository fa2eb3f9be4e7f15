"""TIFF: tifffile lays out the file; strips are compressed by all threads at once."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isp.encoders.deflate import zlib_stream
from isp.encoders.extras import Extras
from isp.encoders.strips import in_order, rows_per_strip
from isp.exif import SOFTWARE, tiff_tags
from isp.geometry import contiguous
from isp.rendering import Picture

_TAGS = {"none": 1, "zstd": 50000, "deflate": 8}  # 8, of zlib's format, and not the obsolete 32946
COMPRESSIONS = tuple(_TAGS)


def encode_tiff(picture: Picture, extras: Extras, file: BinaryIO) -> None:
    """Write a TIFF file of `picture`, (H, W, 3) uint8, uint16 or float32, with tags and profile."""
    import tifffile

    rows = rows_per_strip(picture)
    method = extras.tiff_compression

    def encode(top: int) -> bytes:
        return compressed(contiguous(picture[top : top + rows]), method)

    tifffile.imwrite(
        file,
        in_order(encode, picture.shape[0], rows),
        shape=picture.shape,
        dtype=picture.dtype,
        rowsperstrip=rows,
        compression=_TAGS[method],
        predictor=method != "none",
        byteorder="<",
        photometric="rgb",
        metadata=None,  # else tifffile describes the array in ImageDescription
        software=SOFTWARE if extras.meta else False,
        iccprofile=extras.profile,
        extratags=tiff_tags(extras.meta) if extras.meta else (),
    )


def compressed(strip: NDArray[Any], method: str) -> bytes:
    """Return a strip as TIFF stores it: differences along the rows, compressed; or the values as they are."""
    if method == "none":
        return strip.tobytes()
    import imagecodecs

    difference = imagecodecs.floatpred_encode if strip.dtype.kind == "f" else imagecodecs.delta_encode
    values = difference(strip, axis=-2)
    if method == "zstd":
        return bytes(imagecodecs.zstd_encode(values.tobytes(), 1))
    return zlib_stream(values.view(np.uint8).ravel())
