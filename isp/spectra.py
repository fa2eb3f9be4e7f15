"""Light by its wavelength: illuminants, the eye's sensitivity, and how many photons a lux is.

All spectra are sampled at `WAVELENGTHS`; beyond them a camera's filter lets nothing through.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isp.colorimetry import daylight
from isp.errors import ParameterError, require
from isp.stages.options import number

Spectrum = NDArray[np.float64]

STEP = 10  # nm
WAVELENGTHS: Spectrum = np.arange(400.0, 701.0, STEP)  # nm

PLANCK, LIGHT, BOLTZMANN = 6.62607015e-34, 299792458.0, 1.380649e-23  # J s, m/s, J/K: exact in the SI
LUMENS = 683.0  # per watt at 555 nm: the SI's definition of the candela

# Mean and first two components of daylight, 400 to 700 nm (CIE 15:2018, table 6).
_DAYLIGHT = np.array((
    (94.8, 104.8, 105.9, 96.8, 113.9, 125.6, 125.5, 121.3, 121.3, 113.5, 113.1, 110.8, 106.5, 108.8, 105.3, 104.4,
     100.0, 96.0, 95.1, 89.1, 90.5, 90.3, 88.4, 84.0, 85.1, 81.9, 82.6, 84.9, 81.3, 71.9, 74.3),
    (43.4, 46.3, 43.9, 37.1, 36.7, 35.9, 32.6, 27.9, 24.3, 20.1, 16.2, 13.2, 8.6, 6.1, 4.2, 1.9,
     0.0, -1.6, -3.5, -3.5, -5.8, -7.2, -8.6, -9.5, -10.9, -10.7, -12.0, -14.0, -13.6, -12.0, -13.3),
    (-1.1, -0.5, -0.7, -1.2, -2.6, -2.9, -2.8, -2.6, -2.6, -1.8, -1.5, -1.3, -1.2, -1.0, -0.5, -0.3,
     0.0, 0.2, 0.5, 2.1, 3.2, 4.1, 4.7, 5.1, 6.7, 7.3, 8.6, 9.8, 10.2, 8.3, 9.6),
))  # fmt: skip
_DAYLIGHT_FROM, _HOTTEST, _COLDEST = 4000.0, 25000.0, 1000.0  # K

NAMED = {"A": 2856.0, "D50": 5003.0, "D55": 5503.0, "D65": 6504.0, "D75": 7504.0}  # K


def illuminant(name: str) -> Spectrum:
    """Return the spectrum of a light: ``E`` (equal energy), a name of `NAMED`, or a temperature as ``3200K``.

    Below 4000 K it is a black body, from there up CIE daylight.

    Raises
    ------
    ParameterError
        If it is neither a name nor 1000..25000 K.
    """
    if name.upper() == "E":
        return np.ones_like(WAVELENGTHS)
    if name.upper() not in NAMED and name[-1:] not in ("K", "k"):
        known = ", ".join(("E", *NAMED))
        raise ParameterError(f"illuminant = {name!r} is not known; give one of {known}, or a temperature as 3200K")
    kelvin = NAMED.get(name.upper()) or number("illuminant", "temperature", name[:-1])
    allowed = f"{_COLDEST:g}K..{_HOTTEST:g}K"
    require(_COLDEST <= kelvin <= _HOTTEST, "simulate", "illuminant", name, allowed)
    return black_body(kelvin) if kelvin < _DAYLIGHT_FROM else daylight_spectrum(kelvin)


def black_body(kelvin: float) -> Spectrum:
    """Return Planck's law, 1 at 560 nm: λ^-5 / (exp(hc / λkT) - 1)."""
    metres = WAVELENGTHS * 1e-9
    radiance = metres**-5 / np.expm1(PLANCK * LIGHT / (metres * BOLTZMANN * kelvin))
    return np.asarray(radiance / radiance[WAVELENGTHS == 560])


def daylight_spectrum(kelvin: float) -> Spectrum:
    """Return the CIE daylight of a correlated colour temperature: S0 + M1 S1 + M2 S2, its M from x, y (CIE 15:2018)."""
    x, y = daylight(kelvin)
    common = 0.0241 + 0.2562 * x - 0.7341 * y
    first, second = (-1.3515 - 1.7703 * x + 5.9114 * y) / common, (0.0300 - 31.4424 * x + 30.0717 * y) / common
    return np.asarray((1.0, first, second) @ _DAYLIGHT) / 100


def eye() -> NDArray[np.float64]:
    """Return the CIE 1931 colour matching functions x, y, z as sums of bells, (3, wavelengths).

    They are the fits of Wyman, Sloan and Shirley, "Simple analytic approximations to the CIE XYZ color matching
    functions", JCGT 2 (2), 2013, table 1.
    """

    def bell(height: float, middle: float, below: float, above: float) -> Spectrum:
        slope = np.where(WAVELENGTHS < middle, below, above)
        return np.asarray(height * np.exp(-0.5 * ((WAVELENGTHS - middle) * slope) ** 2))

    x = bell(0.362, 442.0, 0.0624, 0.0374) + bell(1.056, 599.8, 0.0264, 0.0323) + bell(-0.065, 501.1, 0.0490, 0.0382)
    y = bell(0.821, 568.8, 0.0213, 0.0247) + bell(0.286, 530.9, 0.0613, 0.0322)
    z = bell(1.217, 437.0, 0.0845, 0.0278) + bell(0.681, 459.0, 0.0385, 0.0725)
    return np.stack((x, y, z))


def photons_per_lux_second(light: Spectrum) -> Spectrum:
    """Return how many photons of each wavelength's interval fall on a square micrometre in a lux second.

    The light's power P(λ) is scaled to one lux, 683 lm/W ∫ P V dλ = 1, and divided by a photon's energy h c / λ.
    """
    watts = light / (LUMENS * STEP * (light @ eye()[1]))  # per square metre and nm
    return np.asarray(watts * STEP * (WAVELENGTHS * 1e-9) / (PLANCK * LIGHT) * 1e-12)
