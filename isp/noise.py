"""The noise of a sensor: how much a value varies, by its colour and its level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isp.frame import Gains


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Photon and read noise per colour: ``var(x) = shot · x + read``, on the scale where 0 is black and 1 white.

    Attributes
    ----------
    shot : (float, float, float)
        For R, G, B: one over the electrons that white stands for.
    read : (float, float, float)
        For R, G, B: the variance at black.
    """

    shot: Gains
    read: Gains

    def variance(self, x: NDArray[np.float32], colour: int) -> NDArray[np.float32]:
        """Return the variance of values of one colour (0 red, 1 green, 2 blue)."""
        return np.maximum(x, np.float32(0)) * np.float32(self.shot[colour]) + np.float32(self.read[colour])

    def amplified(self, gains: Gains) -> NoiseModel:
        """Return what holds after each colour has been multiplied by a gain: shot · g, read · g²."""
        red, green, blue = (float(gain) for gain in gains)
        shot = (self.shot[0] * red, self.shot[1] * green, self.shot[2] * blue)
        return NoiseModel(shot, (self.read[0] * red**2, self.read[1] * green**2, self.read[2] * blue**2))
