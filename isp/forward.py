"""What a lens, a sensor and its converter do to light, a function for each step, on rows of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isp.colorimetry import SRGB_TO_XYZ
from isp.frame import Meta
from isp.sensor import Sensor
from isp.spectra import Spectrum
from isp.stages.vignetting import Vignetting

Field = NDArray[np.float32]

_FLOODED = 1e9  # electrons: more cannot be drawn, and no photosite holds them


def seen(scene: Field, sensor: Sensor, light: Spectrum, lux_seconds: float) -> Field:
    """Return the photons per photosite behind each filter: (height, width, 3).

    From reflectance ρ(λ): Σ ρ(λ) µ(λ), µ(λ) being the photons from white, see `Sensor.photons`. From linear sRGB s:
    (K s) Σ µ(λ), with K = XYZ_to_camera sRGB_to_XYZ, its rows divided by their sums. So any light scales the camera's
    colours in daylight channel by channel (von Kries 1902), which white balance takes back exactly. What would be
    below zero, a colour that no surface has, is nothing.
    """
    white = sensor.photons(light, lux_seconds)
    if scene.shape[2] == 3:
        to_camera = np.array(sensor.xyz_to_camera) @ SRGB_TO_XYZ
        weights = to_camera / to_camera.sum(axis=1, keepdims=True) * white.sum(axis=1, keepdims=True)
    else:
        weights = white
    return np.asarray(np.maximum(scene @ weights.T.astype(np.float32), np.float32(0)))


def falloff(vignetting: tuple[Vignetting, ...], meta: Meta) -> Field:
    """Return the share of the light that the lens leaves: 1 over the product of the gains that would undo it."""
    lens = np.ones(meta.size, np.float32)
    for stage in vignetting:
        lens /= stage.gains(meta)
    return lens


def through_filters(colours: Field, site: NDArray[np.intp]) -> Field:
    """Return of three colours the one that the filter at each site lets through."""
    return np.take_along_axis(colours, site[:, :, None], axis=2)[:, :, 0]


def counted(electrons: Field, random: np.random.Generator) -> Field:
    """Return Poisson(µ_e) for a mean µ_e: photons and heat set electrons free one by one (EMVA 1288, σ_e² = µ_e).

    A photon counts with the probability η, and a Poisson variable of µ_p of which each count is kept with that
    probability is one of η µ_p; so photons need not be drawn.
    """
    return random.poisson(np.minimum(electrons, _FLOODED)).astype(np.float32)


def held(electrons: Field, full_well: float) -> Field:
    """Return min(e, full well); what is more is lost (Janesick 2007, full well)."""
    return np.minimum(electrons, np.float32(full_well))


def with_read_noise(electrons: Field, read_noise: float, random: np.random.Generator) -> Field:
    """Return e + N(0, σ_read): the noise before the amplifier, of every site by itself."""
    return electrons + np.float32(read_noise) * random.standard_normal(electrons.shape, np.float32)


def with_row_noise(electrons: Field, row_noise: float, random: np.random.Generator) -> Field:
    """Return e + N(0, σ_row), one draw for all of a row, which is read at one moment."""
    return electrons + np.float32(row_noise) * random.standard_normal((len(electrons), 1), np.float32)


def converted(electrons: Field, sensor: Sensor, gain: float, random: np.random.Generator) -> NDArray[np.uint16]:
    """Return floor(black + K e + N(0, σ_converter) + 1/2), clipped to 0..2^bits - 1 DN."""
    noise = np.float32(sensor.converter_noise) * random.standard_normal(electrons.shape, np.float32)
    levels = np.float32(gain) * electrons + noise + np.float32(sensor.black + 0.5)
    return np.clip(levels, 0, 2**sensor.bits - 1).astype(np.uint16)
