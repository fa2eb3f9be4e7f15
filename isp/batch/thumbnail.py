"""A small JPEG of a picture, for reports."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 240  # pixels


def thumbnail(pixels: NDArray[Any]) -> bytes:
    """Return a JPEG whose longer side has at most 240 pixels, each the mean of a block of the picture's.

    Parameters
    ----------
    pixels : ndarray of uint8, uint16 or float32, (H, W, 3)
        The upright picture; floats are linear light, 0..1.
    """
    from isp.encoders import Extras, encode_jpeg

    step = max(1, max(pixels.shape[:2]) // (4 * SIDE))  # of a block's pixels a few tell enough
    few = np.ascontiguousarray(pixels[::step, ::step])
    block = -(-max(few.shape[:2]) // SIDE)
    height, width = (max(1, size // block) for size in few.shape[:2])
    blocks = few[: height * block, : width * block].reshape(height, -1, width, min(block, few.shape[1]), 3)
    small = blocks.mean(axis=(1, 3), dtype=np.float32)
    if pixels.dtype == np.float32:
        small = 255 * np.clip(small, 0, 1) ** (1 / 2.2)
    elif pixels.dtype == np.uint16:
        small /= 257
    file = io.BytesIO()
    encode_jpeg(np.ascontiguousarray(small + 0.5, np.uint8), Extras(None, None, 60, "4:2:0", "none"), file)
    return file.getvalue()
