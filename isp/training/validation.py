"""How good a network is on pictures that it did not learn from: PSNR of the mosaic in linear light."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from isp.stabilise import unstabilise
from isp.training.network import Network
from isp.training.patches import Noise, stabilised_pair
from isp.training.scenes import Scene

LEVELS = ((1e-4, 1e-7), (4e-4, 1e-6), (1.6e-3, 1e-5))  # shot, read
_CELL = 8  # photosites that the network's lowest resolution stands for
_TO_CAMERA = np.array(((0.350, 0.100, 0.050), (0.150, 0.700, 0.150), (0.031, 0.156, 0.438))) * 0.75
_PICTURES = 24


class Sample(NamedTuple):
    """A picture as the sensor sees it, all (4, h, w), and its noise."""

    noisy: NDArray[np.float32]
    light: NDArray[np.float32]
    shot: float
    read: float


class Validation:
    """The mean PSNR over pictures and three levels of noise, always the same ones."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        random = np.random.default_rng(2013)
        self.samples = [_sample(scene, shot, read, random) for scene in scenes[:_PICTURES] for shot, read in LEVELS]

    @torch.no_grad()
    def __call__(self, network: Network) -> float:
        """Return dB."""
        device = next(network.parameters()).device
        return float(np.mean([_psnr(sample, network, device) for sample in self.samples]))


def _sample(scene: Scene, shot: float, read: float, random: np.random.Generator) -> Sample:
    height, width = (side // _CELL * _CELL for side in scene.shape[:2])
    camera = scene[:height, :width].astype(np.float32) @ (_TO_CAMERA.T / 65535).astype(np.float32)
    light = np.stack([camera[0::2, 0::2, 0], camera[0::2, 1::2, 1], camera[1::2, 0::2, 1], camera[1::2, 1::2, 2]])
    noise = Noise(np.full(1, shot, np.float32), np.full(1, read, np.float32))
    return Sample(stabilised_pair(light[None], noise, random).noisy[0], light, shot, read)


def _psnr(sample: Sample, network: Network, device: torch.device) -> float:
    clean = network(torch.from_numpy(sample.noisy[None]).to(device))[0].cpu().numpy()
    light = unstabilise(clean, sample.shot, sample.read, unbiased=True)
    return float(-10 * np.log10(np.mean((light - sample.light) ** 2)))
