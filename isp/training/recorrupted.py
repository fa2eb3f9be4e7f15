"""Learning from raw files whose truth nobody knows: of two noisier versions of a patch, one teaches the other.

To a stabilised patch y, whose noise has the standard deviation 1, comes noise z of the same kind: ``y + a·z`` and
``y - z/a``. The noise of the one is independent of the noise of the other, so the mean square distance of what the
network makes of the first from the second is least where it is least from the truth (Pang, Zheng, Quan, Ji:
Recorrupted-to-Recorrupted, CVPR 2021). Losses from neighbouring pixels, or from pixels left out, would teach a network
that sees every pixel to blur what it knows better already.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from isp.training.network import Network
from isp.training.objectives import MARGIN
from isp.training.patches import SIDE

ADDED = 0.5  # a: more makes the second less noisy, and the first less like what the network is for


def patches_of(
    mosaics: Sequence[NDArray[np.float32]], seed: int, step: int, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return patches and the noise that comes to them, both (n, 4, SIDE / 2, SIDE / 2).

    Parameters
    ----------
    mosaics : sequence of ndarray
        Packed and stabilised, (4, h, w).
    seed, step, count : int
        As in `patches.batch`.
    """
    random = np.random.default_rng((seed, step))
    side = SIDE // 2
    patches = np.empty((count, 4, side, side), np.float32)
    for patch in patches:
        mosaic = mosaics[int(random.integers(len(mosaics)))]
        top, left = (random.integers(size - side + 1) for size in mosaic.shape[1:])
        patch[...] = mosaic[:, top : top + side, left : left + side]
    return patches, random.standard_normal(patches.shape, np.float32)


def recorrupted(noisy: Tensor, added: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two noisier versions."""
    return noisy + ADDED * added, noisy - added / ADDED


def without_truth(network: Network, tensors: tuple[Tensor, ...], progress: float) -> Tensor:
    """Return the mean square distance of what the network makes of one noisier version from the other.

    The network is for noise of the standard deviation 1, so the first is scaled to that, and its result back.
    """
    first, second = recorrupted(*tensors)
    deviation = (1 + ADDED**2) ** 0.5
    difference = (deviation * network(first / deviation) - second)[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    return difference.square().mean()
