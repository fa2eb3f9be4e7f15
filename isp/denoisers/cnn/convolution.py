"""The network's layers as loops over rows of pixels, whose channels lie side by side.

A layer makes one array of another of the same level or the next. They may hold fewer rows than their level has: row y
lies at y modulo so many. Each result is summed in the same order wherever it lies in a tile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.cnn.network import PLANES, Layer
from isp.denoisers.cnn.registers import LANES, Sums, block
from isp.jit import Kernel, combination, kernel

Array = NDArray[np.float32]


class Region(NamedTuple):
    """Which pixels of its level a layer makes: of its source's, where it leads to the level above."""

    top: int
    bottom: int
    left: int
    right: int


class Convolution:
    """A layer with its weights laid out for blocks of sums, channels filled up to whole vectors with zeros."""

    def __init__(self, layer: Layer, weight: Array, bias: Array) -> None:
        places = 4 if layer.size == 1 else 1  # of a pixel's results, after the shuffle
        outputs, inputs = layer.outputs // places, PLANES if layer.name == "inp" else whole(layer.inputs)
        self.pixels, vectors = block(whole(outputs))
        channels, depth = vectors * LANES, layer.size * inputs
        more = (0, inputs - layer.inputs), (0, whole(outputs) - outputs)
        weight = weight.reshape(outputs, places, *layer.shape[1:]).transpose(1, 3, 4, 2, 0)
        weight = np.pad(weight, ((0, 0), (0, 0), (0, 0), *more)).reshape(places, layer.size, depth, -1, channels)
        weight = np.ascontiguousarray(weight.transpose(0, 3, 1, 2, 4))
        bias = np.ascontiguousarray(np.pad(bias.reshape(outputs, places).T, ((0, 0), more[1])))
        self._weights, self._bias = weight.reshape(-1, layer.size, depth, channels), bias.reshape(-1, channels)
        self._subtracts = subtracts(layer)
        self._kernel = _layer((self.pixels, vectors), layer.size, inputs, weight.shape[1], self._subtracts)

    def __call__(self, region: Region, source: Array, target: Array) -> None:
        """Make a region of the target, (height, width, channels); the last block may reach beyond its right side."""
        made = target
        if self._subtracts:
            made = np.empty((1, max(region.right, region.left + self.pixels), self._weights.shape[3]), np.float32)
        self._kernel(*region, source, self._weights, self._bias, made, target)


def whole(channels: int) -> int:
    """Return how many channels a level's array has for so many: whole vectors."""
    return -(-channels // LANES) * LANES


def subtracts(layer: Layer) -> bool:
    """Return whether a layer's results are taken from what is there; otherwise they take its place."""
    return layer.name == "out"


@kernel
def subtract(made, target, y, left, right):  # type: ignore[no-untyped-def]
    """Subtract the first channels of what was made of a row from what is there."""
    for x in range(left, right):
        values, place = made[y % len(made), x], target[y, x]
        for c in range(len(place)):
            place[c] -= values[c]


@combination
def _layer(block: tuple[int, int], size: int, inputs: int, blocks: int, subtracts: bool) -> Kernel:
    """Return the kernel of a layer: rows of the target by blocks of sums."""
    pixels, channels = block[0], block[1] * LANES
    stride, before = 2 if size == 2 else 1, size // 2 if size == 3 else 0
    shuffled = size == 1
    larger = 2 if shuffled else 1  # how many pixels of the target, along a side, are made of one
    apart = larger * blocks * channels
    rectified = not (shuffled or subtracts)
    sums: Any = Sums(block, size, size * inputs, stride * inputs, apart, rectified=rectified, added=shuffled)

    @kernel
    def layer(top, bottom, left, right, source, weights, bias, made, target):  # type: ignore[no-untyped-def]
        line, rows, width = source.shape[1] * inputs, len(made), made.shape[1]
        last = max(right - pixels, left)  # blocks may overlap, unless they add: what is made twice is the same
        for y in range(top, bottom):
            first = (stride * y - before) % len(source)
            below = ((first + 1) % len(source) - first) * line, ((first + 2) % len(source) - first) * line
            for start in range(left, right, pixels):
                x = start if shuffled else min(start, last)
                at = first * line + (stride * x - before) * inputs
                for number in range(len(weights)):
                    place, part = number // blocks, number % blocks
                    pixel = (larger * y + place // 2) % rows * width + larger * x + place % 2
                    to = (pixel * blocks + part) * channels
                    sums(source, at, below, weights, bias, number, made, to)
            if subtracts:
                subtract(made, target, y, left, right)

    return layer
