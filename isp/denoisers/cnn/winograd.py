"""The 3×3 convolutions that take most of the time, with 36 products where there are 144.

A tile of 4×4 results is made of 6×6 values: both and the weights go through small linear transforms, between which
every place of a tile has its own product of matrices over the channels (Winograd's F(4×4, 3×3): Lavin and Gray, Fast
Algorithms for Convolutional Neural Networks, CVPR 2016). Rounding adds some millionths of the largest value. As all of
a tile's values enter each of its results, tiles must lie alike in every cut of a mosaic; see `network.reaches`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.cnn.convolution import Region, subtract, subtracts, whole
from isp.denoisers.cnn.network import TILE, Layer
from isp.denoisers.cnn.registers import LANES, Sums, block
from isp.jit import Kernel, combination, kernel

Array = NDArray[np.float32]

_AT_A_TIME = 24  # tiles: the caches hold them, and blocks of sums come out even
_SIDE = TILE + 2  # of the values that a tile is made of
_PLACES = _SIDE * _SIDE
_OF_WEIGHTS = np.array(  # the paper's G
    ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6), (1 / 24, 1 / 12, 1 / 6),
     (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
)  # fmt: skip


class TiledConvolution:
    """A layer of size 3 that is made in tiles; otherwise as `convolution.Convolution`."""

    def __init__(self, layer: Layer, weight: Array, bias: Array) -> None:
        inputs, outputs = whole(layer.inputs), whole(layer.outputs)
        self.pixels, vectors = block(outputs)
        self._channels, self._inputs = vectors * LANES, inputs
        blocks, more = outputs // self._channels, (0, outputs - layer.outputs)
        transformed = np.einsum("ai,ocij,bj->aboc", _OF_WEIGHTS, weight.astype(np.float64), _OF_WEIGHTS)
        transformed = np.pad(transformed, ((0, 0), (0, 0), more, (0, inputs - layer.inputs)))
        transformed = transformed.reshape(_PLACES, blocks, self._channels, inputs).transpose(0, 1, 3, 2)
        self._weights = np.ascontiguousarray(transformed, np.float32).reshape(-1, 1, inputs, self._channels)
        self._nothing = np.zeros((len(self._weights), self._channels), np.float32)
        self._bias = np.pad(bias, more).reshape(blocks, self._channels)
        self._subtracts = subtracts(layer)
        self._kernel = _layer((self.pixels, vectors), inputs, blocks, self._subtracts)

    def __call__(self, region: Region, source: Array, target: Array) -> None:
        """Make a region of the target, whose sides are multiples of `TILE`."""
        channels, inputs, outputs = self._channels, self._inputs, self._bias.size
        sizes = _SIDE * _line(inputs), _AT_A_TIME * _tile(inputs), _PLACES * _place(outputs), TILE * _SIDE * channels
        between = (np.empty(size, np.float32) for size in sizes)
        made = np.empty((TILE, region.right, outputs), np.float32) if self._subtracts else target
        self._kernel(*region, source, self._weights, self._nothing, self._bias, *between, made, target)


# How far apart things lie: lines of pixels around some tiles, the values of two tiles, the products of two places. The
# latter a vector more than they take, or they would lie a power of two apart, for which a cache has few places.


def _line(inputs: int) -> int:
    return (TILE * _AT_A_TIME + 2) * inputs


def _tile(inputs: int) -> int:
    return _PLACES * inputs + LANES


def _place(outputs: int) -> int:
    return _AT_A_TIME * outputs + LANES


@kernel
def _of_values(a, b, c, d, e, f):  # type: ignore[no-untyped-def]
    """Transform six values in a line: the paper's Bᵀ."""
    even, odd = e - np.float32(4) * c, d - np.float32(4) * b
    least, more = e - c, np.float32(2) * (d - b)
    first = np.float32(4) * a - np.float32(5) * c + e
    last = np.float32(4) * b - np.float32(5) * d + f
    return first, even + odd, even - odd, least + more, least - more, last


@kernel
def _of_products(a, b, c, d, e, f):  # type: ignore[no-untyped-def]
    """Make four results of six products in a line: the paper's Aᵀ."""
    near, near_odd, far, far_odd = b + c, b - c, d + e, d - e
    return (
        a + near + far,
        near_odd + np.float32(2) * far_odd,
        near + np.float32(4) * far,
        near_odd + np.float32(8) * far_odd + f,
    )


@kernel
def _rectified(value):  # type: ignore[no-untyped-def]
    return max(value, np.float32(0))


@kernel
def _as_it_is(value):  # type: ignore[no-untyped-def]
    return value


# What lies constants apart, LLVM makes loops over vectors of, so the arrays between are lines of single values.


@combination
def _spread(inputs: int) -> Kernel:
    """Return what transforms the values around some tiles: along the columns, then along the rows."""
    of_line, of_tile = _line(inputs), _tile(inputs)

    @kernel
    def spread(source, y, x, count, lines, values):  # type: ignore[no-untyped-def]
        n, end = len(source), x + TILE * count + 2
        a, b = source[y % n, x:end].reshape(-1), source[(y + 1) % n, x:end].reshape(-1)
        c, d = source[(y + 2) % n, x:end].reshape(-1), source[(y + 3) % n, x:end].reshape(-1)
        e, f = source[(y + 4) % n, x:end].reshape(-1), source[(y + 5) % n, x:end].reshape(-1)
        for k in range(len(a)):
            (
                lines[k], lines[of_line + k], lines[2 * of_line + k],
                lines[3 * of_line + k], lines[4 * of_line + k], lines[5 * of_line + k],
            ) = _of_values(a[k], b[k], c[k], d[k], e[k], f[k])  # fmt: skip
        for tile in range(count):
            for line in range(_SIDE):
                given = lines[line * of_line + TILE * tile * inputs :]
                made = values[tile * of_tile + line * _SIDE * inputs :]
                for k in range(inputs):
                    (
                        made[k], made[inputs + k], made[2 * inputs + k],
                        made[3 * inputs + k], made[4 * inputs + k], made[5 * inputs + k],
                    ) = _of_values(
                        given[k], given[inputs + k], given[2 * inputs + k],
                        given[3 * inputs + k], given[4 * inputs + k], given[5 * inputs + k],
                    )  # fmt: skip

    return spread


@combination
def _gather(channels: int, blocks: int, finish: Kernel) -> Kernel:
    """Return what transforms the products of some tiles: along the columns, then along the rows; and adds the bias."""
    of_block, of_pixel, of_place = _AT_A_TIME * channels, blocks * channels, _place(blocks * channels)
    of_line = _SIDE * of_place

    @kernel
    def gather(products, bias, y, x, count, columns, target):  # type: ignore[no-untyped-def]
        for part in range(blocks):
            more = bias[part]
            for tile in range(count):
                for column in range(_SIDE):
                    given = products[column * of_place + part * of_block + tile * channels :]
                    made = columns[column * channels :]
                    for k in range(channels):
                        (
                            made[k], made[_SIDE * channels + k],
                            made[2 * _SIDE * channels + k], made[3 * _SIDE * channels + k],
                        ) = _of_products(
                            given[k], given[of_line + k], given[2 * of_line + k],
                            given[3 * of_line + k], given[4 * of_line + k], given[5 * of_line + k],
                        )  # fmt: skip
                for line in range(TILE):
                    given = columns[line * _SIDE * channels :]
                    made = target[(y + line) % len(target), x + TILE * tile :].reshape(-1)[part * channels :]
                    for k in range(channels):
                        first, second, third, fourth = _of_products(
                            given[k], given[channels + k], given[2 * channels + k],
                            given[3 * channels + k], given[4 * channels + k], given[5 * channels + k],
                        )  # fmt: skip
                        made[k], made[of_pixel + k] = finish(first + more[k]), finish(second + more[k])
                        made[2 * of_pixel + k] = finish(third + more[k])
                        made[3 * of_pixel + k] = finish(fourth + more[k])

    return gather


@combination
def _layer(block: tuple[int, int], inputs: int, blocks: int, subtracts: bool) -> Kernel:
    """Return the kernel of a layer: four rows of the target at a time, by so many tiles."""
    pixels, channels = block[0], block[1] * LANES
    of_tile, of_block, of_place = _tile(inputs), _AT_A_TIME * channels, _place(blocks * channels)
    spread, gather = _spread(inputs), _gather(channels, blocks, _as_it_is if subtracts else _rectified)
    sums: Any = Sums(block, 1, inputs, of_tile, channels)

    @kernel
    def layer(  # type: ignore[no-untyped-def]
        top, bottom, left, right, source, weights, nothing, bias, lines, values, products, columns, made, target
    ):
        for y in range(top, bottom, TILE):
            for x in range(left, right, TILE * _AT_A_TIME):
                count = min(_AT_A_TIME, (right - x) // TILE)
                spread(source, y - 1, x - 1, count, lines, values)
                last = max(count - pixels, 0)  # blocks may overlap, and reach beyond the last tile
                for place in range(_PLACES):
                    for part in range(blocks):
                        for start in range(0, count, pixels):
                            tile = min(start, last)
                            to = place * of_place + part * of_block + tile * channels
                            at, number = tile * of_tile + place * inputs, place * blocks + part
                            sums(values, at, (0, 0), weights, nothing, number, products, to)
                gather(products, bias, y, x, count, columns, made)
            if subtracts:
                for line in range(TILE):
                    subtract(made, target, y + line, left, right)

    return layer
