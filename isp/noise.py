"""The noise of a sensor: how much a value varies, by its colour and its level, and who knows it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.errors import require
from isp.frame import Frame, Gains

logger = logging.getLogger(__name__)

GREY = 0.18  # mid-grey, the level at which one variance stands for a model


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Photon and read noise per colour: ``var(x) = shot · x + read``, on the scale where 0 is black and 1 white.

    Attributes
    ----------
    shot : (float, float, float)
        For R, G, B: one over the electrons that white stands for.
    read : (float, float, float)
        For R, G, B: the variance at black.
    estimated : bool
        Whether it was measured in the image itself: finest texture may have been taken for noise.
    """

    shot: Gains
    read: Gains
    estimated: bool = False

    def variance(self, x: NDArray[np.float32], colour: int) -> NDArray[np.float32]:
        """Return the variance of values of one colour (0 red, 1 green, 2 blue)."""
        return np.maximum(x, np.float32(0)) * np.float32(self.shot[colour]) + np.float32(self.read[colour])

    def amplified(self, gains: Gains) -> NoiseModel:
        """Return what holds after each colour has been multiplied by a gain: shot · g, read · g²."""
        red, green, blue = (float(gain) for gain in gains)
        shot = (self.shot[0] * red, self.shot[1] * green, self.shot[2] * blue)
        read = (self.read[0] * red**2, self.read[1] * green**2, self.read[2] * blue**2)
        return NoiseModel(shot, read, self.estimated)


def noise_of(frame: Frame, given: NoiseModel | Any = None) -> tuple[NoiseModel, str]:
    """Return the noise of the sensor behind a frame, and whose word it is: "given", "file" or "image".

    It is that of the mosaic between black level and vignetting; see `noise_at` for later stages.

    Parameters
    ----------
    frame : Frame
        Where it is to be estimated from the image: RAW, MOSAIC before vignetting and white balance, or CAMERA of a
        demosaiced file.
    given : NoiseModel or pairs of float, optional
        What the user says: (shot, read) for all colours, or for each of R, G, B. Else the file's NoiseProfile counts,
        and where it has none, or one that cannot be, the image.

    Raises
    ------
    ParameterError
        If `given` is no noise.
    StageError
        If it would have to be estimated from a frame that no longer shows it.
    """
    if given is not None:
        return (given if isinstance(given, NoiseModel) else of_pairs(given)), "given"
    stated = frame.meta.noise
    if stated:
        if len(stated) in (1, 3) and all(plausible(*pair) for pair in stated):
            return of_pairs(stated), "file"
        logger.warning("%s: NoiseProfile %s cannot be; the noise is estimated", frame.meta.name, stated)
    from isp.noise_estimate import estimate

    return estimate(frame), "image"


def noise_at(frame: Frame, model: NoiseModel) -> tuple[NoiseModel, float | NDArray[np.float32]]:
    """Return what the noise of a sensor has become in a MOSAIC or CAMERA frame made from it.

    Returns
    -------
    NoiseModel
        With the gains of white balance.
    float or ndarray
        The gain g of vignetting, (H, W) or (H, W, 3): shot · g and read · g² hold at a pixel.
    """
    return model.amplified(frame.gains or (1.0, 1.0, 1.0)), frame.known_lens_gain


def of_pairs(pairs: Any) -> NoiseModel:
    """Return the model of one pair (shot, read) for all colours, or of one for each of R, G, B.

    Raises
    ------
    ParameterError
        If these are other numbers, or no noise.
    """
    numbers = np.array(pairs, np.float64)
    fits = numbers.shape in ((2,), (1, 2), (3, 2)) and all(plausible(*pair) for pair in numbers.reshape(-1, 2))
    require(fits, "noise", "shot, read", pairs, "variances of 0..1, not both 0: one pair, or one for each of R, G, B")
    shot, read = np.broadcast_to(numbers, (3, 2)).T.tolist()
    return NoiseModel((shot[0], shot[1], shot[2]), (read[0], read[1], read[2]))


def plausible(shot: float, read: float) -> bool:
    """Whether these can be variances of noise on the scale where white is 1; False for NaN."""
    return 0 <= shot <= 1 and 0 <= read <= 1 and shot + read > 0
