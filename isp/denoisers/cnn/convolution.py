"""The network's layers as loops over rows of pixels, whose channels lie side by side.

A layer may work within one array: a row is put in place once the row below has been made of what was there. So a level
needs no second array, and what it held when it was left is still there when it is come back to. Each result is summed
in the same order wherever it lies in a tile.
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
        self._kernel = _layer(self.pixels, vectors, layer.size, inputs, put(layer))

    def __call__(self, region: Region, source: Array, target: Array) -> None:
        """Make a region of the target: (height, width, channels), which may be the source."""
        blocks, *_, channels = self._weights.shape
        rows = np.empty((2, blocks, max(region.right, region.left + self.pixels), channels), np.float32)
        self._kernel(*region, source, self._weights, self._bias, rows, target)


def whole(channels: int) -> int:
    """Return how many channels a level's array has for so many: whole vectors."""
    return -(-channels // LANES) * LANES


@kernel
def _rectified(row, target, y, left, right):  # type: ignore[no-untyped-def]
    """Replace what is there, by zero where negative."""
    width = row.shape[2]
    for part in range(len(row)):
        for x in range(left, right):
            values, place = row[part, x], target[y, x, part * width : (part + 1) * width]
            for c in range(width):
                place[c] = max(values[c], np.float32(0))


@kernel
def _added(row, target, y, left, right):  # type: ignore[no-untyped-def]
    """Add to what is there, a quarter of the channels at each of four pixels."""
    width = row.shape[2]
    parts = len(row) // 4
    for part in range(len(row)):
        down, across, first = part // parts // 2, part // parts % 2, part % parts * width
        for x in range(left, right):
            values, place = row[part, x], target[2 * y + down, 2 * x + across, first : first + width]
            for c in range(width):
                place[c] += values[c]


@kernel
def _subtracted(row, target, y, left, right):  # type: ignore[no-untyped-def]
    """Subtract the first channels from what is there."""
    for x in range(left, right):
        values, place = row[0, x], target[y, x]
        for c in range(len(place)):
            place[c] -= values[c]


def put(layer: Layer) -> Kernel:
    """Return what puts a layer's results in place: ``(row, target, y, left, right)``, by blocks of channels."""
    return _added if layer.size == 1 else _rectified if layer.relu else _subtracted


@combination
def _layer(pixels: int, vectors: int, size: int, inputs: int, put: Kernel) -> Kernel:
    """Return the kernel of a layer: rows of the target by blocks of sums."""
    stride, before = 2 if size == 2 else 1, size // 2 if size == 3 else 0
    sums: Any = Sums(pixels, vectors, size, size * inputs, stride * inputs)
    channels = vectors * LANES

    @kernel
    def layer(top, bottom, left, right, source, weights, bias, rows, target):  # type: ignore[no-untyped-def]
        width, columns = source.shape[1], rows.shape[2]
        last = max(right - pixels, left)  # blocks may overlap: what is made twice is the same
        for y in range(top, bottom):
            for part in range(len(weights)):
                for start in range(left, right, pixels):
                    x = min(start, last)
                    at = ((y * stride - before) * width + x * stride - before) * inputs
                    to = ((y % 2 * len(weights) + part) * columns + x) * channels
                    sums(source, at, width * inputs, weights, bias, part, rows, to)
            if y > top:
                put(rows[(y - 1) % 2], target, y - 1, left, right)
        put(rows[(bottom - 1) % 2], target, bottom - 1, left, right)

    return layer
