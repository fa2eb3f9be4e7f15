"""Clean scenes to learn from: photographs turned back to linear light, dead leaves and charts.

Every scene is uint16 (h, w, 3), linear light in sRGB primaries, 65535 = the brightest.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isp.colorimetry import srgb_to_linear
from isp.errors import TrainingError, printable
from isp.threads import thread_count

Scene = NDArray[np.uint16]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
LEAST_SIDE = 200  # pixels: patches fit, at any place
MOST_SIDE = 3200  # of a photograph, before it is made smaller
PIECE = 320  # pixels a side, and up to twice that


def pictures(folder: Path) -> list[Path]:
    """Return the picture files in a folder and below it, sorted.

    Raises
    ------
    TrainingError
        If there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise TrainingError(f"{printable(folder)}: no pictures there; give a folder with {', '.join(sorted(SUFFIXES))}")
    return found


def photograph(path: Path) -> list[Scene]:
    """Return an 8-bit sRGB picture in linear light at a half and at two thirds of its size, in pieces.

    The inverse of a smooth tone curve, then of sRGB's (Brooks et al., Unprocessing Images for Learned Raw Denoising,
    CVPR 2019), then means over areas, which take most of JPEG's blocks and of the noise away: all at half the size,
    while the other is as soft as a demosaicked photograph. A large picture is made smaller before, and comes in pieces,
    for what is drawn to learn from is a scene, and a large picture shows more of them.
    """
    import imageio.v3 as iio

    try:
        levels = np.asarray(iio.imread(path, mode="RGB"))
    except Exception as error:
        raise TrainingError(f"{printable(path)}: no picture that can be read: {error}") from error
    linear = _reduced(_LINEAR[levels], -(-max(levels.shape) // MOST_SIDE))
    return _pieces(_reduced(linear, 2)) + _pieces(_two_thirds(_two_thirds(linear).swapaxes(0, 1)).swapaxes(0, 1))


def _reduced(linear: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Return the means over square blocks of pixels."""
    height, width = (size // block for size in linear.shape[:2])
    blocks = linear[: height * block, : width * block].reshape(height, block, width, block, 3)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3))
    return means


def _two_thirds(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return two rows for every three: each the mean over one row and half of the middle one."""
    thirds = len(linear) // 3
    first, middle, last = (linear[row : 3 * thirds : 3] for row in range(3))
    pairs = np.stack((first + first + middle, middle + last + last), axis=1)
    pairs /= 3
    return pairs.reshape(2 * thirds, *linear.shape[1:])


def _pieces(linear: NDArray[np.float32]) -> list[Scene]:
    scene = _stored(linear)
    down, across = (max(1, size // PIECE) for size in scene.shape[:2])
    return [piece for rows in np.array_split(scene, down) for piece in np.array_split(rows, across, axis=1)]


def _inverse_curves() -> NDArray[np.float32]:
    untoned = 0.5 - np.sin(np.arcsin(1 - 2 * np.arange(256) / 255) / 3)
    return srgb_to_linear(untoned).astype(np.float32)


_LINEAR = _inverse_curves()


def _stored(linear: NDArray[np.floating]) -> Scene:
    return np.rint(np.clip(linear, 0, 1) * 65535).astype(np.uint16)


def dead_leaves(number: int, side: int = 256) -> Scene:
    """Return discs that cover each other, radii by a power law: the edges and scales of photographs, by chance alone.

    Lee, Mumford, Huang: Occlusion Models for Natural Images, IJCV 2001. Drawn at twice the size. Some leaves carry a
    grating or a gradient.
    """
    random = np.random.default_rng((2001, number))
    full = 2 * side
    least, most = 2.0, full / 3
    image = np.zeros((full, full, 3), np.float32)
    covered = np.zeros((full, full), bool)
    palette = np.clip(random.normal(0.5, 0.25, (8, 3)), 0.02, 1) * 2.0 ** random.uniform(-4, 0, (8, 1))
    while covered.mean() < 0.995:
        radius = least * (1 - random.random() * (1 - least / most)) ** -1.0  # density r^-2, cut at both ends
        cy, cx = random.uniform(-radius, full + radius, 2)
        top, bottom = max(int(cy - radius), 0), min(int(cy + radius) + 2, full)
        left, right = max(int(cx - radius), 0), min(int(cx + radius) + 2, full)
        if top >= bottom or left >= right:
            continue
        y, x = np.ogrid[top:bottom, left:right]
        fresh = ((y - cy) ** 2 + (x - cx) ** 2 <= radius**2) & ~covered[top:bottom, left:right]  # front to back
        if not fresh.any():
            continue
        colour = palette[random.integers(8)] * 2.0 ** random.normal(0, 0.4) * (1 + random.normal(0, 0.1, 3))
        image[top:bottom, left:right][fresh] = (_texture(random, y - cy, x - cx, radius)[..., None] * colour)[fresh]
        covered[top:bottom, left:right] |= fresh
    return _stored(image.reshape(side, 2, side, 2, 3).mean(axis=(1, 3)))


def _texture(
    random: np.random.Generator, y: NDArray[np.floating], x: NDArray[np.floating], radius: float
) -> NDArray[np.floating]:
    """Return the brightness over a leaf: flat, a gradient, a grating, or grain."""
    kind, angle, depth = random.integers(6), random.uniform(0, 2 * np.pi), random.uniform(0.05, 0.6)
    along = np.cos(angle) * x + np.sin(angle) * y
    if kind == 0:
        return 1 + depth * along / radius
    if kind == 1:
        return 1 + depth * np.sin(along * (2 * np.pi / random.uniform(4, 24)))
    if kind == 2:
        return 1 + depth * random.uniform(-1, 1, along.shape)
    return np.ones(along.shape)


def charts() -> list[Scene]:
    """Return every chart of `isp.charts` in four sizes: lines, text, stars, plain surfaces, which photographs lack."""
    from isp.charts import CHARTS

    return [_stored(chart(side, side)) for chart in CHARTS.values() for side in (LEAST_SIDE, 240, 320, 480)]


def leaves(count: int) -> list[Scene]:
    """Return the first so many pictures of dead leaves."""
    with ThreadPoolExecutor(thread_count()) as pool:
        return list(pool.map(dead_leaves, range(count)))
