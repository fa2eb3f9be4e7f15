"""The denoiser that the host calls: stabilise, take the network's noise away, go back, less so where noise is low."""

from __future__ import annotations

import functools
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.cnn.inference import Inference, context
from isp.denoisers.cnn.mosaic import of_planes, pack, unpack
from isp.denoisers.cnn.network import MULTIPLE
from isp.denoisers.cnn.trained import Trained, load
from isp.errors import require, require_choice
from isp.noise import GREY, NoiseModel

Array = NDArray[np.float32]

ENGINES = ("numba", "onnx")

# The variance of a mid-grey, below which the image is left as it is, and above which nothing is held back. Between them
# the network gains little, and on single images could lose. A colour with less is stabilised as if it had that much:
# its values would grow beyond what the network has seen.
_FADE = 4e-7, 9e-6

# What an estimate takes for noise at mid-grey in usual photographs without any: their finest texture.
_TEXTURE = 6e-6

# How far off that may be still. That share of the network's result is not taken: where the estimate is right little is
# lost by it, where it is not more is gained.
_DOUBT = 2e-6

# Height and width of the tiles that suit an engine, in sites. Ours runs down a tile: what its channels take grows with
# the width alone.
_TILES = {"numba": (2048, 1536), "onnx": (640, 640)}

_TURNS = (0, 2, 1, 3)  # quarters, counter-clockwise
_CELLS = ((0, 0), (1, 0), (1, 1), (0, 1))  # where the first RGGB of a mosaic begins that is turned so


class Engine(Protocol):
    """What runs the network."""

    def __call__(self, packed: Array, /) -> Array:
        """Return scaled and stabilised planes, (height, width, 4), without noise; only the inner part matters.

        The array may be the one that was given.
        """


@dataclass(frozen=True)
class Cnn:
    """A small convolutional network on the Bayer mosaic: a U-Net at half the resolution that predicts the noise.

    Parameters
    ----------
    weights : str, optional
        A file of weights, as `isp train-denoiser` writes them; by default those in the package.
    engine : {"numba", "onnx"}, default "numba"
        Our own kernels, or ONNX Runtime, which ``pip install "isp[onnx]"`` brings; equal within 1e-4.
    turns : {1, 2, 4}, default 1
        With more than one, the result is the mean of so many: of the mosaic as it lies, and turned by 180, 90 and 270
        degrees. What the network gets wrong differs a little from one to the other, and they cost as much each.

    Examples
    --------
    >>> from isp.denoisers.cnn import Cnn
    >>> Cnn().domain
    'mosaic'
    """

    weights: str | None = None
    engine: str = "numba"
    turns: int = 1

    def __post_init__(self) -> None:
        require_choice("Cnn", "engine", self.engine, ENGINES)
        require(self.turns in (1, 2, 4), "Cnn", "turns", self.turns, "1, 2 or 4")

    @property
    def domain(self) -> Literal["mosaic"]:
        """Where it works: before vignetting and white balance, where the noise model holds as it stands."""
        return "mosaic"

    @property
    def multiple(self) -> int:
        """Sites that all levels of the network have."""
        return 2 * MULTIPLE

    @property
    def halo(self) -> int:
        """Sites around a tile that its result depends on; a turned tile begins a site further in."""
        return 2 * (context(self._trained.network) + (self.turns > 1))

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of the tiles that suit it: its halo is made twice, and channels take memory."""
        return _TILES[self.engine]

    def with_weights(self, path: str, /) -> Cnn:
        """Return one with the weights of a file."""
        return Cnn(path, self.engine, self.turns)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the network as an ONNX file."""
        from isp.denoisers.cnn.onnx import export

        export(self._trained, path)

    @property
    def card(self) -> str:
        """What the weights were trained on, how well they do, and their limits."""
        return self._trained.card

    @functools.cached_property
    def _trained(self) -> Trained:
        return load(None if self.weights is None else Path(self.weights))

    @functools.cached_property
    def _engine(self) -> Engine:
        if self.engine == "numba":
            return Inference(self._trained.network, self._trained.arrays)
        from isp.denoisers.cnn.onnx import OnnxEngine

        return OnnxEngine(self._trained)

    def __call__(self, image: Array, noise: NoiseModel, /) -> Array:
        """Return a tile without its noise; its outermost `halo` sites are context and stay as they are."""
        share = np.ones(4, np.float32)
        if noise.estimated:
            share *= of_planes(*(trusted(noise.shot[c], noise.read[c]) for c in range(3)))
            noise = without_texture(noise)
        share *= of_planes(*(taken(noise.shot[c], noise.read[c]) for c in range(3)))
        inner = slice(self.halo, -self.halo), slice(self.halo, -self.halo)
        if not share.any() or not image[inner].size:
            return image.copy()
        shot = of_planes(*noise.shot)
        read = np.maximum(of_planes(*noise.read), np.float32(_FADE[0]) - np.float32(GREY) * shot)
        first, *others = _TURNS[: self.turns]
        result = self._clean(image, first, shot, read, share)
        if others:
            total = sum((self._clean(image, turn, shot, read, share)[inner] for turn in others), result[inner])
            result = image.copy()
            np.divide(total, np.float32(self.turns), out=result[inner])
        return result

    def _clean(self, image: Array, turn: int, shot: Array, read: Array, share: Array) -> Array:
        """Return a tile that the network saw turned, turned back; the margins of one that was turned are of no use."""
        cell = _CELLS[turn]
        mosaic = np.ascontiguousarray(_rolled(np.rot90(image, turn), (-cell[0], -cell[1])))
        packed = np.empty((mosaic.shape[0] // 2, mosaic.shape[1] // 2, 4), np.float32)
        pack(mosaic, packed, shot, read, self._trained.scale)
        clean, margin, row = self._engine(packed), context(self._trained.network), np.empty_like(packed[0])
        result = clean.reshape(mosaic.shape)  # two rows of it are one of planes
        unpack(clean, margin, mosaic, shot, read, self._trained.scale, share, row, result)
        return np.rot90(_rolled(result, cell), -turn)


def _rolled(mosaic: Array, by: tuple[int, int]) -> Array:
    """Return what `numpy.roll` does, no copy where it has nothing to do."""
    return np.roll(mosaic, by, (0, 1)) if any(by) else mosaic


def without_texture(noise: NoiseModel) -> NoiseModel:
    """Return what is left of an estimate when the finest texture of a usual photograph is taken from it."""
    red, green, blue = (
        1 - _TEXTURE / max(GREY * shot + read, _TEXTURE) for shot, read in zip(noise.shot, noise.read, strict=True)
    )
    shot, read = noise.shot, noise.read
    return NoiseModel(
        (shot[0] * red, shot[1] * green, shot[2] * blue), (read[0] * red, read[1] * green, read[2] * blue)
    )


def trusted(shot: float, read: float) -> float:
    """Return the share of the network's result that is taken where the noise is an estimate."""
    return 1 - _DOUBT / max(GREY * shot + read, _DOUBT)


def taken(shot: float, read: float) -> float:
    """Return how much of the network's result is taken, smoothly by the logarithm of the noise."""
    variance = GREY * shot + read
    low, high = map(math.log, _FADE)
    at = (math.log(max(variance, _FADE[0])) - low) / (high - low)
    return 1.0 if at >= 1 else at * at * (3 - 2 * at)
