"""What a training makes small."""

from __future__ import annotations

from torch import Tensor

from isp.training.network import Network

MARGIN = 8  # packed pixels at the edges of a patch, where the network lacks what lies around
_PSNR_FROM = 0.6  # of the training


def with_truth(network: Network, tensors: tuple[Tensor, ...], progress: float) -> Tensor:
    """Return the distance of what the network makes of noisy patches from the clean ones.

    First the mean absolute difference in standard deviations, which learns fast; later ``log(1 + e)`` of every patch's
    mean square e in linear light, as a share of the noise's: what PSNR measures. Plain patches, whose e is small, count
    for little, as in a picture's PSNR.
    """
    noisy, clean, deviation = tensors
    difference, deviation = (
        values[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN] for values in (network(noisy) - clean, deviation)
    )
    if progress < _PSNR_FROM:
        return difference.abs().mean()
    errors = (difference * deviation).square().mean(dim=(1, 2, 3)) / deviation.square().mean(dim=(1, 2, 3))
    return errors.log1p().mean()
