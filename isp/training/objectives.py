"""What a training makes small."""

from __future__ import annotations

from torch import Tensor

from isp.training.network import Network

MARGIN = 8  # packed pixels at the edges of a patch, where the network lacks what lies around
_SQUARES_FROM = 0.6  # of the training


def with_truth(network: Network, tensors: tuple[Tensor, ...], progress: float) -> Tensor:
    """Return the distance of what the network makes of noisy patches from the clean ones, in standard deviations.

    The mean absolute difference, which learns fast; later the mean square, of which PSNR is made.
    """
    noisy, clean = tensors
    difference = (network(noisy) - clean)[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    if progress < _SQUARES_FROM:
        return difference.abs().mean()
    return difference.square().mean()
