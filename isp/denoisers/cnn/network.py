"""The network as plain data: a U-Net on a Bayer mosaic packed to four planes at half the resolution.

Its input is the stabilised mosaic times a constant, its result the noise in it times that constant, so that
``clean = noisy - network(scale * noisy) / scale``. Three by three convolutions alone work in space; two by two of
stride two lead to the next level, and one by one with a pixel shuffle back, where what was there before is added.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

PLANES = 4  # R, Gr, Gb, B
TILE = 4  # pixels a side, which some layers make at once
_WIDE = 32  # channels from which on that is faster
MULTIPLE = 2 * TILE  # pixels of the packed mosaic that all levels have: whole tiles on the two highest ones
_REPEATED = ("e0", "e1", "m", "f1", "f0")


class Layer(NamedTuple):
    """A convolution and its place in the network.

    Attributes
    ----------
    name : str
        Its weights are ``name.weight`` (outputs, inputs, size, size) and ``name.bias`` (outputs).
    size : {3, 2, 1}
        3 stays on its level, padded with zeros; 2 has a stride of two and leads to the next level; 1 is followed by a
        pixel shuffle, which leads back, and by the sum with what its new level held before.
    inputs, outputs : int
        Channels; the pixel shuffle makes a quarter of its outputs.
    relu : bool
        Whether negative results become 0.
    """

    name: str
    size: int
    inputs: int
    outputs: int
    relu: bool = True

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of its weight."""
        return self.outputs, self.inputs, self.size, self.size

    @property
    def down(self) -> int:
        """By how many levels its result lies below what it is made of."""
        return {3: 0, 2: 1, 1: -1}[self.size]

    @property
    def tiled(self) -> bool:
        """Whether it is made in tiles: on the two highest levels there are whole ones everywhere."""
        return self.size == 3 and self.inputs >= _WIDE and self.name.partition(".")[0] != "m"


def layers(widths: tuple[int, int, int], repeats: tuple[int, int, int, int, int]) -> tuple[Layer, ...]:
    """Return the network, in order, from the channels of its levels and the convolutions at its five places."""
    top, middle, bottom = widths
    e0, e1, m, f1, f0 = (
        [Layer(f"{name}.{number}", 3, width, width) for number in range(count)]
        for name, width, count in zip(_REPEATED, (top, middle, bottom, middle, top), repeats, strict=True)
    )
    return (
        Layer("inp", 3, PLANES, top), *e0,
        Layer("d0", 2, top, middle), *e1,
        Layer("d1", 2, middle, bottom), *m,
        Layer("u1", 1, bottom, 4 * middle, relu=False), *f1,
        Layer("u0", 1, middle, 4 * top, relu=False), *f0,
        Layer("out", 3, top, PLANES, relu=False),
    )  # fmt: skip


def from_shapes(shapes: Mapping[str, tuple[int, ...]]) -> tuple[Layer, ...]:
    """Return the network whose weights and biases have these shapes.

    Raises
    ------
    ValueError
        If there is none; says what is amiss.
    """
    ends = [shapes.get(f"{name}.weight") for name in ("inp", "d0", "d1")]
    if any(shape is None or len(shape) != 4 for shape in ends):
        raise ValueError("inp.weight, d0.weight or d1.weight, of four dimensions, is missing")
    top, middle, bottom = (shape[0] for shape in ends if shape is not None)
    if min(top, middle, bottom) < 1:
        raise ValueError("a level has no channels")
    repeats = [sum(name.startswith(f"{place}.") and name.endswith(".weight") for name in shapes) for place in _REPEATED]
    e0, e1, m, f1, f0 = repeats
    result = layers((top, middle, bottom), (e0, e1, m, f1, f0))
    expected: dict[str, tuple[int, ...]] = {}
    for layer in result:
        expected |= {f"{layer.name}.weight": layer.shape, f"{layer.name}.bias": (layer.outputs,)}
    for name in sorted(expected.keys() | shapes.keys()):
        if shapes.get(name) != expected.get(name):
            raise ValueError(f"{name} has shape {shapes.get(name)}, not {expected.get(name)}")
    return result


def multiply_adds(network: tuple[Layer, ...]) -> float:
    """Return how many multiply-adds the network takes per photosite of the mosaic."""
    total, pixels = 0.0, 1 / PLANES  # of the layer's level, per photosite
    for layer in network:
        if layer.size == 2:
            pixels /= 4
        total += pixels * math.prod(layer.shape)
        if layer.size == 1:
            pixels *= 4
    return total


def reaches(network: tuple[Layer, ...]) -> tuple[int, ...]:
    """Return how far beyond a tile each layer's result is needed, in pixels of its level, then the input's.

    The first entry is that of the input. A tile of the mosaic starts and ends at multiples of `MULTIPLE`, so of `TILE`
    on the two highest levels; an even reach beyond it on both sides leaves whole tiles of a layer's results, the same
    ones wherever the mosaic is cut.
    """
    return tuple(_backward(network))[::-1]


def _backward(network: tuple[Layer, ...]) -> Iterator[int]:
    reach = 0
    added: list[int] = []  # how much of each level above its later half needs of its former
    for layer in reversed(network):
        if layer.tiled:
            reach += reach % 2
        yield reach
        if layer.size == 3:
            reach += 1
        elif layer.size == 1:
            added.append(reach)
            reach = (reach + 1) // 2
        else:
            reach = max(2 * reach, added.pop())
    yield reach
