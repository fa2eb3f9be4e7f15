"""Colour as the eye measures it: the sRGB primaries and the light that pictures are taken in.

CIE 15:2018; IEC 61966-2-1; the Planckian locus after Kim et al. (US patent 7024034, 2002).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isp.errors import require

SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)

D65 = (0.3127, 0.3290)
ILLUMINANT_A = (0.44757, 0.40745)
F2 = (0.37208, 0.37529)

KELVIN_RANGE = (1667.0, 25000.0)
_DAYLIGHT_FROM = 4000.0  # the CIE defines the daylight locus from here up

Chromaticity = tuple[float, float]


def planckian(kelvin: float) -> Chromaticity:
    """Return x, y of a black body (cubic splines of US patent 7024034, Kim et al., 1667 to 25000 K)."""
    t = 1000.0 / kelvin
    if kelvin <= 4000.0:
        x = ((-0.2661239 * t - 0.2343589) * t + 0.8776956) * t + 0.179910
    else:
        x = ((-3.0258469 * t + 2.1070379) * t + 0.2226347) * t + 0.240390
    if kelvin <= 2222.0:
        y = ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683
    elif kelvin <= 4000.0:
        y = ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867
    else:
        y = ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483
    return x, y


def daylight(kelvin: float) -> Chromaticity:
    """Return x, y of the CIE daylight phase at a correlated colour temperature of 4000 to 25000 K (CIE 15:2018)."""
    t = 1000.0 / kelvin
    if kelvin <= 7000.0:
        x = ((-4.6070 * t + 2.9678) * t + 0.09911) * t + 0.244063
    else:
        x = ((-2.0064 * t + 1.9018) * t + 0.24748) * t + 0.237040
    return x, (-3.000 * x + 2.870) * x - 0.275


def temperature(kelvin: float) -> Chromaticity:
    """Return x, y of the light that photographers mean by a colour temperature.

    A black body up to 4000 K, daylight from 5000 K, and a linear blend of both between, so that nothing jumps.

    Raises
    ------
    ParameterError
        Outside 1667..25000 K.
    """
    low, high = KELVIN_RANGE
    require(low <= kelvin <= high, "WhiteBalance", "kelvin", kelvin, f"{low:g}..{high:g} K")
    share = min(max((kelvin - _DAYLIGHT_FROM) / 1000.0, 0.0), 1.0)
    if share == 0.0:
        return planckian(kelvin)
    warm, cool = planckian(kelvin), daylight(kelvin)
    return (1 - share) * warm[0] + share * cool[0], (1 - share) * warm[1] + share * cool[1]


def xyz(chromaticity: Chromaticity) -> tuple[float, float, float]:
    """Return CIE XYZ at Y = 1."""
    x, y = chromaticity
    return x / y, 1.0, (1.0 - x - y) / y


def srgb_to_linear(encoded: ArrayLike) -> NDArray[Any]:
    """Return the light that sRGB values in 0..1 stand for (IEC 61966-2-1)."""
    v = np.asarray(encoded)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


PRESETS: dict[str, Chromaticity] = {
    "tungsten": ILLUMINANT_A,
    "fluorescent": F2,
    "daylight": D65,
    "flash": daylight(5500.0),
    "cloudy": daylight(6500.0),
    "shade": daylight(7500.0),
}
