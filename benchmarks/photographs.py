"""Photographs as a sensor would have seen them: turned back to linear light and cut to a mosaic, with known noise.

Brooks et al., Unprocessing Images for Learned Raw Denoising, CVPR 2019.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isp.colorimetry import srgb_to_linear
from isp.frame import Frame, Meta, Rectangle, Space
from isp.scenes import read_picture

_NEUTRAL = (0.5, 1.0, 0.625)  # what a camera sees of white
_EXPOSURE = 0.75
_MIXING = np.array(((0.70, 0.20, 0.10), (0.15, 0.70, 0.15), (0.05, 0.25, 0.70)))  # a camera's overlapping colours
_SRGB_TO_XYZ = np.array(((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)))


def frame_of(path: Path) -> Frame:
    """Return the clean mosaic of a picture, with even sides."""
    light = read_picture(path).astype(np.float64)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    linear = srgb_to_linear(0.5 - np.sin(np.arcsin(1 - 2 * encoded) / 3))
    height, width = (side // 2 * 2 for side in linear.shape[:2])
    camera = linear[:height, :width] @ (_MIXING * np.array(_NEUTRAL)[:, None] * _EXPOSURE).T
    mosaic = np.empty((height, width), np.float32)
    for y, x, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[y::2, x::2] = camera[y::2, x::2, colour]
    return mosaic_frame(mosaic, path.name)


def mosaic_frame(values: NDArray[np.floating], name: str = "") -> Frame:
    """Return a frame of an RGGB mosaic, black 0 and white 1."""
    height, width = values.shape
    whole = Rectangle(0, 0, height, width)
    to_camera = _MIXING @ np.linalg.inv(_SRGB_TO_XYZ)
    meta = Meta(
        cfa=((0, 1), (1, 2)), white=1.0, size=(height, width), active=whole, crop=whole, name=name,
        white_balance=tuple(1 / n for n in _NEUTRAL), xyz_to_camera=tuple(map(tuple, to_camera.tolist())),
    )  # fmt: skip
    return Frame(values.astype(np.float32), Space.MOSAIC, meta)


def with_noise(clean: Frame, shot: float, read: float, seed: int) -> Frame:
    """Return a frame with the noise of a sensor, clipped at white as a sensor clips."""
    random = np.random.default_rng(seed)
    light = clean.data.astype(np.float64)
    noisy = random.poisson(light / shot) * shot if shot else light
    noisy = noisy + random.normal(0, 1, light.shape) * read**0.5
    return clean.replace(data=np.minimum(noisy, 1).astype(np.float32))
