"""Mosaics of any size to measure with: a picture repeated in mirrors, seen by a sensor of 14 bits with its noise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.frame import Gains, Matrix
from isp.threads import thread_count

BLACK, WHITE = 512, 16383  # DN
ELECTRONS = 4.0  # per DN: a full well of 63 000, as a good sensor has at its base speed
READ_NOISE = 2.0  # DN
TILE = 256  # pixels a side, as Adobe's converter cuts them
_BAND = 128  # rows with a random generator of their own
_RGGB = ((0, 1), (1, 2))

_SHORT, _LONG, _BYTE, _ASCII, _RATIONAL, _SRATIONAL = 3, 4, 1, 2, 5, 10  # types of TIFF
_CFA, _LOSSLESS_JPEG = 32803, 7
_DENOMINATOR = 10_000


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


def expose(scene: Scene, height: int, width: int, seed: int = 0) -> NDArray[np.uint16]:
    """Return the RGGB mosaic of a scene, (height, width), both even, with shot and read noise.

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
    return mosaic


def _mirrored(count: int, side: int) -> NDArray[np.intp]:
    """Return `count` positions that run to and fro over a side."""
    there_and_back = np.concatenate((np.arange(side), np.arange(side)[::-1]))
    return np.resize(there_and_back, count)


def write_dng(
    path: str | os.PathLike[str], mosaic: NDArray[np.uint16], scene: Scene, *, lossless: bool = False
) -> None:
    """Write a mosaic as DNG: one uncompressed strip, or tiles of lossless JPEG.

    The tiles are what Adobe's converter makes: predictor 1, two samples side by side as two components.

    Parameters
    ----------
    path : path
        Target.
    mosaic : ndarray
        From `expose`.
    scene : Scene
        For the colours.
    lossless : bool
        Compressed or not.
    """
    import tifffile

    options: dict[str, Any] = {"data": mosaic}
    if lossless:
        options = {
            "data": _tiles(mosaic), "shape": mosaic.shape, "dtype": mosaic.dtype, "tile": (TILE, TILE),
            "compression": _LOSSLESS_JPEG,
        }  # fmt: skip
    tifffile.imwrite(
        path, byteorder="<", photometric=_CFA, metadata=None, software=False, extratags=_tags(scene), **options
    )


def _tiles(mosaic: NDArray[np.uint16]) -> Iterator[bytes]:
    """Return the compressed tiles, row by row; those at the edges repeat the last cell of the pattern."""
    import imagecodecs

    height, width = (side + -side % TILE for side in mosaic.shape)
    rows, columns = (_continued(side, full) for side, full in zip(mosaic.shape, (height, width), strict=True))

    def encode(corner: tuple[int, int]) -> bytes:
        top, left = corner
        tile = mosaic[np.ix_(rows[top : top + TILE], columns[left : left + TILE])].reshape(TILE, TILE // 2, 2)
        return bytes(imagecodecs.jpeg8_encode(tile, lossless=True, predictor=1, bitspersample=14))

    corners = [(top, left) for top in range(0, height, TILE) for left in range(0, width, TILE)]
    with ThreadPoolExecutor(thread_count()) as pool:
        yield from pool.map(encode, corners)


def _continued(side: int, full: int) -> NDArray[np.intp]:
    """Return the positions 0..side, then the last two in turn."""
    positions = np.arange(full)
    return np.where(positions < side, positions, side - 2 + (positions - side) % 2)


def _tags(scene: Scene) -> list[tuple[int, int, int, Any, bool]]:
    """Return the tags that make a TIFF file a DNG (its specification, chapter 4)."""
    matrix = [number for row in scene.xyz_to_camera for number in row]
    return [
        (271, _ASCII, 0, "isp", True), (272, _ASCII, 0, "benchmark", True),  # Make, Model
        (33421, _SHORT, 2, (2, 2), True), (33422, _BYTE, 4, bytes((0, 1, 1, 2)), True),  # CFA: size, pattern
        (50706, _BYTE, 4, bytes((1, 4, 0, 0)), True), (50707, _BYTE, 4, bytes((1, 1, 0, 0)), True),  # DNG versions
        (50708, _ASCII, 0, "isp benchmark", True),  # UniqueCameraModel
        (50714, _SHORT, 1, BLACK, True), (50717, _SHORT, 1, WHITE, True),
        (50721, _SRATIONAL, 9, _rational(matrix), True),  # ColorMatrix1
        (50728, _RATIONAL, 3, _rational(scene.neutral), True),  # AsShotNeutral
        (50778, _SHORT, 1, 21, True),  # CalibrationIlluminant1: D65
    ]  # fmt: skip


def _rational(numbers: Any) -> list[int]:
    return [part for number in numbers for part in (round(number * _DENOMINATOR), _DENOMINATOR)]
