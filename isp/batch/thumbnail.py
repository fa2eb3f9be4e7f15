"""A small JPEG of a picture, for reports."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.jit import kernel

SIDE = 240  # pixels


def thumbnail(pixels: NDArray[Any]) -> bytes:
    """Return a JPEG whose longer side has at most 240 pixels, each the mean of a block of the picture's.

    Parameters
    ----------
    pixels : ndarray of uint8, uint16 or float32, (H, W, 3)
        The upright picture; floats are linear light, 0..1.
    """
    from isp.encoders import Extras, encode_jpeg

    step = max(1, max(pixels.shape[:2]) // (3 * SIDE))  # of a block's pixels a few tell enough
    few = pixels[::step, ::step]
    block = -(-max(few.shape[:2]) // SIDE)
    small = np.empty((*(max(1, size // block) for size in few.shape[:2]), 3), np.float32)
    _means(few, block, small)
    if pixels.dtype == np.float32:
        small = 255 * np.clip(small, 0, 1) ** (1 / 2.2)
    elif pixels.dtype == np.uint16:
        small /= 257
    file = io.BytesIO()
    encode_jpeg((small + 0.5).astype(np.uint8), Extras(None, None, 60, "4:2:0", "none"), file)
    return file.getvalue()


@kernel
def _means(image, block, out):  # type: ignore[no-untyped-def]
    """Take the mean of every block; an image that is narrower than one is one."""
    height, width = min(block, image.shape[0]), min(block, image.shape[1])
    share = np.float32(1 / (height * width))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            red = green = blue = np.float32(0)
            for row in range(y * block, y * block + height):
                for column in range(x * block, x * block + width):
                    red += image[row, column, 0]
                    green += image[row, column, 1]
                    blue += image[row, column, 2]
            out[y, x, 0] = red * share
            out[y, x, 1] = green * share
            out[y, x, 2] = blue * share
