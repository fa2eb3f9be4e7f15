"""The network run on a tile, layer by layer, each only as far as later ones need it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.cnn.convolution import Convolution, Region, whole
from isp.denoisers.cnn.network import MULTIPLE, Layer, reaches
from isp.denoisers.cnn.winograd import TiledConvolution

Array = NDArray[np.float32]


def context(network: tuple[Layer, ...]) -> int:
    """Return how many packed pixels around a tile its result depends on, rounded up to `MULTIPLE`."""
    return -(-reaches(network)[0] // MULTIPLE) * MULTIPLE


def _made(layer: Layer, weight: Array, bias: Array) -> Convolution | TiledConvolution:
    return (TiledConvolution if layer.tiled else Convolution)(layer, weight, bias)


class Inference:
    """The network with its weights, by our own kernels.

    Parameters
    ----------
    network : tuple of Layer
        The layers in order.
    weights : mapping of str to ndarray
        Their weights and biases.
    """

    def __init__(self, network: tuple[Layer, ...], weights: Mapping[str, Array]) -> None:
        self.context = context(network)
        self._layers = [
            (layer, _made(layer, weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"]), reach)
            for layer, reach in zip(network, reaches(network)[1:], strict=True)
        ]
        self._channels = [whole(layer.outputs) for layer in network if layer.name in ("inp", "d0", "d1")]
        self._narrowest = self.context + MULTIPLE * (1 + max(layer.pixels for _, layer, _ in self._layers))

    def __call__(self, packed: Array) -> Array:
        """Return a scaled and stabilised mosaic of four planes, (height, width, 4), without its noise.

        The outermost `context` pixels on every side stay as they are.
        """
        height, width = (-(-side // MULTIPLE) * MULTIPLE for side in packed.shape[:2])
        wide = max(width, self._narrowest)  # blocks of sums may reach beyond a narrow region
        result = np.zeros((height, wide, packed.shape[2]), np.float32)
        result[: packed.shape[0], : packed.shape[1]] = packed
        levels = [
            np.empty((height >> level, wide >> level, channels), np.float32)
            for level, channels in enumerate(self._channels)
        ]
        source, at = result, 0
        for layer, convolution, reach in self._layers:
            before, at = at, at + {3: 0, 2: 1, 1: -1}[layer.size]
            target = result if layer.name == "out" else levels[at]
            where = max(at, before)  # the level whose pixels are counted: the lower one
            margin = (self.context >> where) - (reach if layer.size != 1 else (reach + 1) // 2)
            region = Region(margin, (height >> where) - margin, margin, (width >> where) - margin)
            convolution(region, source, target)
            source = target
        clean = packed.copy()
        inner = tuple(slice(self.context, side - self.context) for side in packed.shape[:2])
        clean[inner] = result[inner]
        return clean
