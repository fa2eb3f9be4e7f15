"""WebP, for the web: written by imageio, with Pillow below it."""

from __future__ import annotations

from typing import BinaryIO

from isp.encoders.extras import Extras
from isp.errors import WriteError
from isp.exif import exif
from isp.geometry import contiguous
from isp.rendering import Picture

SIDE = 16383  # 14 bits in the file


def encode_webp(picture: Picture, extras: Extras, file: BinaryIO) -> None:
    """Write a lossy WebP file of `picture`, (H, W, 3) uint8, with EXIF and profile."""
    import imageio.v3 as iio

    if max(picture.shape) > SIDE:
        raise WriteError(f"WebP holds at most {SIDE} pixels a side, not {max(picture.shape)}; write .jpg or .png")
    iio.imwrite(
        file,
        contiguous(picture[:]),
        extension=".webp",
        plugin="pillow",
        quality=extras.quality,
        icc_profile=extras.profile or b"",
        exif=exif(extras.meta) if extras.meta else b"",
    )
