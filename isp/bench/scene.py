"""Mosaics of any size to measure with: a picture repeated in mirrors, seen by a sensor of 14 bits with its noise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.frame import Frame, Gains, Matrix, Meta, Rectangle, Space
from isp.threads import thread_count

BLACK, WHITE = 512, 16383  # DN
ELECTRONS = 4.0  # per DN: a full well of 63 000, as a good sensor has at its base speed
READ_NOISE = 2.0  # DN
_BAND = 128  # rows with a random generator of their own
_RGGB = ((0, 1), (1, 2))


class Scene(NamedTuple):
    """What lies before the sensor.

    Attributes
    ----------
    picture : ndarray of float32, (h, w, 3)
        Linear light in the colours of the camera, not white-balanced, 0..1.
    neutral : (float, float, float)
        What the camera sees of a grey surface.
    xyz_to_camera : 3x3
        Its colours.
    """

    picture: NDArray[np.float32]
    neutral: Gains
    xyz_to_camera: Matrix


def natural(seed: int = 0, side: int = 1024) -> Scene:
    """Return a scene with the statistics of photographs: amplitude over spatial frequency falls as 1/f."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    frequency[0, 0] = np.inf
    layers = np.fft.irfft2(np.fft.rfft2(random.normal(size=(4, side, side))) / frequency)
    layers /= layers.std(axis=(1, 2), keepdims=True)
    stops = 1.5 * layers[0] + 0.3 * layers[1:]
    neutral = (0.5, 1.0, 0.625)
    picture = np.moveaxis(np.minimum(0.18 * 2.0**stops, 1), 0, -1) * neutral
    matrix = ((0.9, -0.3, -0.1), (-0.7, 1.4, 0.3), (-0.2, 0.3, 0.8))  # plausible for a camera
    return Scene(picture.astype(np.float32), neutral, matrix)


def size_of(megapixels: float) -> tuple[int, int]:
    """Return even height and width, 2 to 3, of about so many pixels."""
    width = 2 * round((megapixels * 1.5e6) ** 0.5 / 2)
    return 2 * round(megapixels * 1e6 / width / 2), width


def expose(scene: Scene, height: int, width: int, seed: int = 0) -> Frame:
    """Return the RGGB mosaic of a scene as a camera's file says it, both sides even, with shot and read noise.

    The same scene, size and seed give the same values for any number of threads.
    """
    rows, columns = (_mirrored(n, side) for n, side in zip((height, width), scene.picture.shape[:2], strict=True))
    mosaic = np.empty((height, width), np.uint16)

    def band(top: int) -> None:
        target = mosaic[top : top + _BAND]
        light = np.empty(target.shape, np.float32)
        for y, x in np.ndindex(2, 2):
            light[y::2, x::2] = scene.picture[rows[top + y : top + len(target) : 2]][:, columns[x::2], _RGGB[y][x]]
        light *= WHITE - BLACK
        np.clip(light, 0, WHITE - BLACK, out=light)
        noise = np.random.default_rng((seed, top)).standard_normal(light.shape, np.float32)
        light += noise * np.sqrt(light / np.float32(ELECTRONS) + np.float32(READ_NOISE**2)) + np.float32(BLACK + 0.5)
        target[...] = np.clip(light, 0, WHITE)

    with ThreadPoolExecutor(thread_count()) as pool:
        list(pool.map(band, range(0, height, _BAND)))
    red, green, blue = scene.neutral
    whole = Rectangle(0, 0, height, width)
    meta = Meta(
        cfa=_RGGB,
        black=((BLACK,),),
        white=WHITE,
        size=whole[2:],
        active=whole,
        crop=whole,
        white_balance=(green / red, 1.0, green / blue),
        xyz_to_camera=scene.xyz_to_camera,
        make="isp",
        model="benchmark",
    )
    return Frame(mosaic, Space.RAW, meta)


def _mirrored(count: int, side: int) -> NDArray[np.intp]:
    """Return `count` positions that run to and fro over a side."""
    there_and_back = np.concatenate((np.arange(side), np.arange(side)[::-1]))
    return np.resize(there_and_back, count)
