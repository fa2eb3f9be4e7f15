"""Learning from a user's own raw files, whose truth nobody knows: what one pixel says of its neighbour.

The noise of neighbouring photosites of a colour is independent, their light nearly the same, so one is a noisy truth
for the other (Huang et al., Neighbor2Neighbor, CVPR 2021). Of every two by two packed pixels two neighbours are drawn,
one for the input and one for the target; what the light itself differs by is taken from what the network makes of the
whole patch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isp.training.network import Network
from isp.training.objectives import MARGIN
from isp.training.patches import SIDE

_PAIRS = np.array([(0, 1), (1, 0), (0, 2), (2, 0), (1, 3), (3, 1), (2, 3), (3, 2)])  # of the cell's four, row by row
_WEIGHT = 1.0  # of the second term


def patches_of(
    mosaics: Sequence[NDArray[np.float32]], seed: int, step: int, count: int
) -> tuple[NDArray[np.generic], ...]:
    """Return patches, (n, 4, SIDE / 2, SIDE / 2), and which neighbours are drawn of them, (n, 2, SIDE / 4, SIDE / 4).

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
    drawn = _PAIRS[random.integers(len(_PAIRS), size=(count, side // 2, side // 2))]
    return patches, np.moveaxis(drawn, -1, 1).copy()


def neighbours(noisy: Tensor, which: Tensor) -> Tensor:
    """Return one of every two by two pixels, (n, c, h / 2, w / 2), by its number in (n, h / 2, w / 2)."""
    count, channels, height, width = noisy.shape
    cells = noisy.reshape(count, channels, height // 2, 2, width // 2, 2).permute(0, 1, 2, 4, 3, 5)
    cells = cells.reshape(count, channels, height // 2, width // 2, 4)
    index = which[:, None, :, :, None].expand(count, channels, height // 2, width // 2, 1)
    return cells.gather(-1, index)[..., 0]


def without_truth(network: Network, tensors: tuple[Tensor, ...], progress: float) -> Tensor:
    """Return the distance of what the network makes of one neighbour from the other, less what their light differs by.

    The second term counts more and more, as in the paper.
    """
    noisy, drawn = tensors
    first, second = drawn[:, 0], drawn[:, 1]
    target = neighbours(noisy, second)
    with torch.no_grad():
        whole = network(noisy)
        expected = neighbours(whole, first) - neighbours(whole, second)
    difference = (network(neighbours(noisy, first)) - target)[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    expected = expected[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    return difference.square().mean() + _WEIGHT * progress * (difference - expected).square().mean()
