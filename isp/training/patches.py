"""What the network learns from: patches of a mosaic as a sensor sees them, noisy and clean, by the number of a step.

A batch depends on the scenes, the seed and the step alone, so a training that was interrupted goes on as if it had not
been.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.stabilise import stabilise
from isp.training.scenes import Scene

SIDE = 192  # photosites a side: twice as far as the network sees, and as much again
_REACH = 2  # photosites that a lens spreads light
_SHOT, _SHOT_SPREAD = 4e-4, 5.0  # the middle, and the factor that is a standard deviation
_SHOT_RANGE = 5e-6, 1e-2
_ELECTRONS = 0.6, 10.0  # of read noise


class Batch(NamedTuple):
    """Stabilised mosaics, (n, 4, SIDE / 2, SIDE / 2): red, green, green, blue planes, whose noise has variance 1.

    And the standard deviation that the noise has in linear light.
    """

    noisy: NDArray[np.float32]
    clean: NDArray[np.float32]
    deviation: NDArray[np.float32]


class Noise(NamedTuple):
    """Variance over level, one pair per patch."""

    shot: NDArray[np.float32]
    read: NDArray[np.float32]


def batch(scenes: Sequence[Scene], seed: int, step: int, count: int) -> Batch:
    """Return the patches of a step."""
    random = np.random.default_rng((seed, step))
    light = np.empty((count, 4, SIDE // 2, SIDE // 2), np.float32)
    for patch in light:
        _expose(scenes[int(random.integers(len(scenes)))], random, patch)
    noise = draw_noise(random, count)
    return stabilised_pair(light, noise, random)


def _expose(scene: Scene, random: np.random.Generator, patch: NDArray[np.float32]) -> None:
    """Write what a sensor of random colours, exposure and white balance sees of a random part of a scene."""
    side = SIDE + 2 * _REACH
    scene = _large_enough(scene, side)
    top, left = (random.integers(size - side + 1) for size in scene.shape[:2])
    cut = _softened(scene[top : top + side, left : left + side].astype(np.float32), random)
    if random.random() < 0.5:
        cut = cut.transpose(1, 0, 2)
    cut = cut[:: random.choice((-1, 1)), :: random.choice((-1, 1))]
    overlap = random.uniform(0.05, 0.5)
    mixing = (1 - overlap) * np.eye(3) + overlap * random.dirichlet((1.5, 1.5, 1.5), 3)
    neutral = random.uniform(0.35, 0.95), 1.0, random.uniform(0.35, 0.95)
    gain = 2.0 ** random.uniform(-2.5, 0.6) / 65535
    to_camera = (mixing * (np.array(neutral) * gain)[:, None]).astype(np.float32)
    for plane, (y, x, colour) in enumerate(((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))):
        np.matmul(cut[y::2, x::2], to_camera[colour], out=patch[plane])
    np.minimum(patch, 1, out=patch)


def _large_enough(scene: Scene, side: int) -> Scene:
    """Return a scene, one that is smaller than a patch mirrored at its far edges."""
    missing = [max(0, side - size) for size in scene.shape[:2]]
    return np.pad(scene, [(0, size) for size in missing] + [(0, 0)], "symmetric") if any(missing) else scene


def _softened(cut: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Return a cut as a lens shows it: two of three as sharp as it is, the others less sharp; `_REACH` narrower."""
    if random.random() < 2 / 3:
        return cut[_REACH:-_REACH, _REACH:-_REACH]
    for share in random.uniform(0, 1 / 3, _REACH).astype(np.float32):  # of both neighbours
        across = cut[:, 1:-1] + share * (cut[:, :-2] - 2 * cut[:, 1:-1] + cut[:, 2:])
        cut = across[1:-1] + share * (across[:-2] - 2 * across[1:-1] + across[2:])
    return cut


def draw_noise(random: np.random.Generator, count: int) -> Noise:
    """Return noise of sensors from base to highest sensitivity.

    The variance of photons is one over the electrons of white, log-normal within a range; read noise is some
    electrons, log-uniform.
    """
    shot = np.clip(_SHOT * _SHOT_SPREAD ** random.standard_normal(count), *_SHOT_RANGE)
    electrons = np.exp(random.uniform(math.log(_ELECTRONS[0]), math.log(_ELECTRONS[1]), count))
    return Noise(shot.astype(np.float32), ((electrons * shot) ** 2).astype(np.float32))


def stabilised_pair(light: NDArray[np.float32], noise: Noise, random: np.random.Generator) -> Batch:
    """Return light with the noise of a sensor and without, both stabilised."""
    shot, read = (values[:, None, None, None] for values in noise)
    noisy = random.poisson(light / shot).astype(np.float32)
    noisy *= shot
    noisy += random.standard_normal(light.shape, np.float32) * np.sqrt(read)
    np.minimum(noisy, 1, out=noisy)
    return Batch(_stabilised(noisy, noise), _stabilised(light, noise), np.sqrt(shot * light + read))


def _stabilised(light: NDArray[np.float32], noise: Noise) -> NDArray[np.float32]:
    each = zip(light, noise.shot.tolist(), noise.read.tolist(), strict=True)
    return np.stack([stabilise(patch, shot, read) for patch, shot, read in each])
