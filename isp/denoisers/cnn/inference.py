"""The network run down a tile: each layer makes the rows that the one before it allows, as far as later ones need them.

The levels hold as many rows as lie between the first layer and the last, and use them again. So a tile may be as tall
as an image, and little is made twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.cnn.convolution import Convolution, Region, whole
from isp.denoisers.cnn.network import MULTIPLE, TILE, Layer, reaches
from isp.denoisers.cnn.winograd import TiledConvolution
from isp.recycled import empty

Array = NDArray[np.float32]

_STEP = 4 * MULTIPLE  # rows of the mosaic that the first layer gets at once


def context(network: tuple[Layer, ...]) -> int:
    """Return how many packed pixels around a tile its result depends on, rounded up to `MULTIPLE`."""
    return _up(reaches(network)[0])


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
        pixels = max(layer.pixels for _, layer, _ in self._layers)
        self._beyond = 4 * pixels  # columns that blocks of sums may take right of a tile, on the lowest level a quarter
        self._narrowest = self.context + MULTIPLE * (1 + pixels)  # columns of a region and of what a block may read
        self._rows = self._rows_held()

    def __call__(self, packed: Array) -> Array:
        """Take the noise from scaled and stabilised planes, (height, width, 4), where they lie, and return them.

        The outermost `context` pixels on every side stay as they are.
        """
        height, width = map(_up, packed.shape[:2])
        more = (0, height - packed.shape[0]), (0, max(width, self._narrowest) - packed.shape[1])
        mosaic = np.pad(packed, (*more, (0, 0))) if any(map(any, more)) else packed
        descents = list(self._descents(height, width))
        arrays = list(self._arrays(mosaic, min(self._rows, height)))
        for available in _steps(height):
            for descent, (source, target) in zip(descents, arrays, strict=True):
                part, available = descent.on(available)
                if part.bottom > part.top:
                    descent.convolution(part, source, target)
        if mosaic is not packed:
            inner = tuple(slice(self.context, side - self.context) for side in packed.shape[:2])
            packed[inner] = mosaic[inner]
        return packed

    def _descents(self, height: int, width: int) -> Iterator[_Descent]:
        """Yield the layers at the top of a tile of so many rows and columns."""
        at = 0
        for layer, convolution, reach in self._layers:
            before, at = at, at + layer.down
            where = max(at, before)  # the level whose pixels are counted: the lower one
            margin = (self.context >> where) - (reach if layer.size != 1 else (reach + 1) // 2)
            region = Region(margin, (height >> where) - margin, margin, (width >> where) - margin)
            yield _Descent(layer, convolution, region)

    def _arrays(self, mosaic: Array, rows: int) -> Iterator[tuple[Array, Array]]:
        """Yield of which array each layer is made, and which it makes; one that adds, what its level was left with."""
        width = mosaic.shape[1] + self._beyond
        levels = [
            [empty((rows >> level, width >> level, channels), np.float32) for _ in range(2)]
            for level, channels in enumerate(self._channels)
        ]
        source, at = mosaic, 0
        left: list[Array] = []
        for layer, _, _ in self._layers:
            at += layer.down
            if layer.name == "out":
                target = mosaic
            elif layer.size == 1:
                target = left.pop()
            else:
                target = levels[at][source is levels[at][0]]  # the other one
            if layer.size == 2:
                left.append(source)
            yield source, target
            source = target

    def _rows_held(self) -> int:
        """Return from how many rows of the mosaic something is needed at once, the most on the way down a tall tile."""
        height = 16 * (self.context + _STEP)
        descents, held = list(self._descents(height, height)), 0
        for available in _steps(height):
            held = max(held, available - (descents[-1].made - TILE))  # a row of the lowest level above is needed too
            for descent in descents:
                _, available = descent.on(available)
        return _up(held)


@dataclass
class _Descent:
    """A layer on its way down a tile."""

    layer: Layer
    convolution: Convolution | TiledConvolution
    region: Region  # of the whole tile

    def __post_init__(self) -> None:
        self.made = self.region.top

    def on(self, available: int) -> tuple[Region, int]:
        """Return what can be made of so many rows of the source, and as how many of the target's all then count."""
        possible = {3: available - 1, 2: available // 2, 1: available}[self.layer.size]
        bottom = min(possible, self.region.bottom)
        if self.layer.tiled:
            bottom -= (bottom - self.region.top) % TILE
        part = self.region._replace(top=self.made, bottom=max(bottom, self.made))
        self.made = part.bottom
        return part, 2 * self.made if self.layer.size == 1 else self.made


def _steps(height: int) -> Iterator[int]:
    """Yield how many rows of a tile the first layer has from step to step."""
    return (min(available, height) for available in range(_STEP, height + _STEP, _STEP))


def _made(layer: Layer, weight: Array, bias: Array) -> Convolution | TiledConvolution:
    return (TiledConvolution if layer.tiled else Convolution)(layer, weight, bias)


def _up(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE
