"""The network of isp/denoisers/cnn/network.py as torch sees it, for training alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from isp.denoisers.cnn.inference import context
from isp.denoisers.cnn.network import layers
from isp.stabilise import unstabilise
from isp.training.patches import Noise, stabilised_pair

_DIM = 0.01, 1.6e-3, 1e-5  # a surface of some electrons, its shot and read noise
_STEP = 0.1  # standard deviations, over which a slope is measured
INPUT_SCALE = 0.1  # of stabilised values, which reach some hundreds, into what weights of usual size expect


class Shape(NamedTuple):
    """Channels at the three resolutions, and 3×3 convolutions at the five places between their changes."""

    widths: tuple[int, int, int] = (96, 48, 48)
    depths: tuple[int, int, int, int, int] = (1, 2, 4, 2, 1)


USUAL = Shape()


class Network(nn.Module):
    """Estimates the noise of a packed, stabilised mosaic: (n, 4, h, w), h and w multiples of 4.

    A U-Net of plain 3×3 convolutions (Ronneberger et al., MICCAI 2015) that adds where others concatenate, goes down by
    strided 2×2 convolutions and up by 1×1 convolutions and a pixel shuffle; no norm, no attention: a result depends on
    its neighbourhood alone.
    """

    def __init__(self, shape: Shape = USUAL) -> None:
        super().__init__()
        (high, middle, low), depths = shape

        def same(width: int, depth: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))

        self.inp = nn.Conv2d(4, high, 3, padding=1)
        self.e0 = same(high, depths[0])
        self.d0 = nn.Conv2d(high, middle, 2, stride=2)
        self.e1 = same(middle, depths[1])
        self.d1 = nn.Conv2d(middle, low, 2, stride=2)
        self.m = same(low, depths[2])
        self.u1 = nn.Conv2d(low, 4 * middle, 1)
        self.f1 = same(middle, depths[3])
        self.u0 = nn.Conv2d(middle, 4 * high, 1)
        self.f0 = same(high, depths[4])
        self.out = nn.Conv2d(high, 4, 3, padding=1)
        self.context = context(layers(*shape))  # packed pixels around one on which it depends, and some more
        self.low_precision = False  # whether all layers but the first compute in bfloat16
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.out.weight)  # begins by doing nothing

    def forward(self, noisy: Tensor) -> Tensor:
        """Return the clean mosaic: the noisy one less its estimated noise."""
        features = functional.relu(functional.conv2d(noisy * INPUT_SCALE, self.differences(), self.inp.bias, padding=1))
        with torch.autocast(noisy.device.type, dtype=torch.bfloat16, enabled=self.low_precision):
            fine = _chain(self.e0, features)
            coarse = _chain(self.e1, functional.relu(self.d0(fine)))
            features = _chain(self.m, functional.relu(self.d1(coarse)))
            features = _chain(self.f1, functional.pixel_shuffle(self.u1(features), 2) + coarse)
            features = _chain(self.f0, functional.pixel_shuffle(self.u0(features), 2) + fine)
            estimate: Tensor = self.out(features)
        return noisy - estimate.float() / INPUT_SCALE

    def differences(self) -> Tensor:
        """Return the weights of the first layer less their mean over each kernel: of the level it sees nothing.

        Stabilised levels reach some hundreds where noise is 1; while the first layer lets them through, the network
        learns slowly, or dies.
        """
        weight = self.inp.weight
        return weight - weight.mean(dim=(2, 3), keepdim=True)

    @torch.no_grad()
    def settled(self) -> dict[str, Tensor]:
        """Return the weights by name, those of the first layer as they are used, without bias on even surfaces."""
        bias = torch.from_numpy(self._bias_when_dim())
        return self.state_dict() | {
            "inp.weight": self.differences(),
            "out.bias": self.out.bias + bias * INPUT_SCALE,  # type: ignore[operator]
        }

    def _bias_when_dim(self) -> NDArray[np.float32]:
        """Return by how much results are too high on an even, dim surface, in standard deviations, for each plane.

        The first layer does not see the level, so on even surfaces the network is off by a constant. It is measured in
        linear light where it is most of the level: where little light is, the transform's inverse is least exact, and
        what noise is left adds to the mean.
        """
        level, shot, read = _DIM
        noise = Noise(np.full(16, shot, np.float32), np.full(16, read, np.float32))
        noisy = stabilised_pair(np.full((16, 4, 128, 128), level, np.float32), noise, np.random.default_rng(0)).noisy
        clean = self(torch.from_numpy(noisy)).numpy()
        low, middle, high = (unstabilise(clean + step, shot, read, unbiased=True) for step in (-_STEP, 0.0, _STEP))
        excess, slope = middle - unstabilise(noisy, shot, read), (high - low) / (2 * _STEP)
        inner = np.s_[:, :, self.context : -self.context, self.context : -self.context]
        means = (each[inner].mean(axis=(0, 2, 3), dtype=np.float64) for each in (excess, slope))
        return np.divide(*means).astype(np.float32)


def _chain(convolutions: nn.ModuleList, features: Tensor) -> Tensor:
    for convolution in convolutions:
        features = functional.relu(convolution(features))
    return features


def to_arrays(state: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Return weights by name as the weights file holds them."""
    return {name: value.detach().cpu().numpy().astype(np.float32) for name, value in state.items()}


def shape_of(arrays: dict[str, NDArray[np.float32]]) -> Shape:
    """Return the shape of the network that weights by name belong to."""
    widths = tuple(len(arrays[f"{name}.weight"]) for name in ("inp", "d0", "d1"))
    depths = tuple(sum(key.startswith(f"{name}.") for key in arrays) // 2 for name in ("e0", "e1", "m", "f1", "f0"))
    return Shape(widths, depths)  # type: ignore[arg-type]
