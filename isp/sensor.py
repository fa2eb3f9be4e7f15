"""A sensor in physical units: what it does to light and electrons, and the noise model that follows from it.

The terms and the linear model are those of the EMVA Standard 1288, release 4.0 (2021), and of J. Janesick, "Photon
Transfer", SPIE Press 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isp import spectra
from isp.cfa import CFA
from isp.colorimetry import SRGB_TO_XYZ
from isp.errors import require, require_choice
from isp.frame import GREEN, Gains, Matrix
from isp.noise import NoiseModel
from isp.parameters import settle

ISO_RANGE = (100.0, 25600.0)
SATURATION = 78.0  # lux seconds times ISO speed: the exposure that saturates a sensor (ISO 12232, saturation based)
DARK_AT = 20.0  # °C, the temperature that `Sensor.dark_current` holds at
_QUANTISATION = 1 / 12  # DN^2, the variance of what rounding cuts off


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor, its colour filters and its analogue-to-digital converter.

    Parameters
    ----------
    name : str
        For the file.
    pitch : float
        Side of a photosite in micrometres; all of it takes in light.
    bits : int
        Of the converter, 8..16; its highest value is 2^bits - 1 DN.
    black : int
        Pedestal in DN.
    full_well : float
        Electrons that a photosite holds.
    read_noise : float
        Electrons, before the amplifier: the same at every ISO.
    converter_noise : float
        DN, after the amplifier.
    row_noise : float
        Electrons that a whole row shares.
    dark_current : float
        Electrons per second at 20 °C.
    dark_doubling : float, default 6
        Kelvin by which the dark current doubles.
    quantum_efficiency : (float, float, float), default (0.5, 0.55, 0.5)
        Electrons per photon that a red, green or blue filter lets through, above 0 up to 1.
    filters : 3 x (float, float)
        Middle and standard deviation in nm of the filters' transmission, which is a bell with a peak of 1.
    cfa : tuple of tuple of int
        Periodic colour filter array: 0 red, 1 green, 2 blue.

    Raises
    ------
    ParameterError
        If a value is out of its range.
    """

    name: str
    pitch: float
    bits: int
    black: int
    full_well: float
    read_noise: float
    converter_noise: float
    row_noise: float
    dark_current: float
    dark_doubling: float = 6.0
    quantum_efficiency: Gains = (0.5, 0.55, 0.5)
    filters: tuple[tuple[float, float], ...] = ((590.0, 40.0), (540.0, 45.0), (450.0, 28.0))
    cfa: CFA = ((0, 1), (1, 2))

    def __post_init__(self) -> None:
        settle(self)

        def check(condition: bool, parameter: str, allowed: str) -> None:
            require(condition, f"Sensor {self.name}", parameter, getattr(self, parameter), allowed)

        check(0 < self.pitch < np.inf, "pitch", "micrometres above 0")
        check(8 <= self.bits <= 16, "bits", "8..16")
        check(0 <= self.black < 2**self.bits // 2, "black", "0 to below half of the range, in DN")
        check(0 < self.full_well < np.inf, "full_well", "electrons above 0")
        for name in ("read_noise", "converter_noise", "row_noise", "dark_current"):
            check(0 <= getattr(self, name) < np.inf, name, "0 or more")
        check(0 < self.dark_doubling < np.inf, "dark_doubling", "kelvin above 0")
        check(all(0 < share <= 1 for share in self.quantum_efficiency), "quantum_efficiency", "shares above 0 up to 1")
        check(len(self.filters) == 3 and all(width > 0 for _, width in self.filters), "filters", "3 pairs of nm")
        check({c for row in self.cfa for c in row} <= {0, 1, 2}, "cfa", "rows of 0, 1, 2")

    @property
    def transmission(self) -> NDArray[np.float64]:
        """What the filters let through of each wavelength: exp(-(λ - middle)^2 / 2 width^2), (3, wavelengths)."""
        middle, width = np.array(self.filters).T[:, :, None]
        return np.asarray(np.exp(-0.5 * ((spectra.WAVELENGTHS - middle) / width) ** 2))

    def photons(self, light: spectra.Spectrum, lux_seconds: float) -> NDArray[np.float64]:
        """Return the photons that reach a photosite behind each filter from a white surface, by wavelength.

        H A τ_c(λ) n(λ), with the exposure H in lux seconds, the photosite's area A and the light's photons per lux
        second n: the µ_p of EMVA 1288, for light of many wavelengths. (3, wavelengths).
        """
        return np.asarray(lux_seconds * self.pitch**2 * self.transmission * spectra.photons_per_lux_second(light))

    def electrons(self, light: spectra.Spectrum, lux_seconds: float) -> NDArray[np.float64]:
        """Return the electrons that a white surface gives, for R, G, B: η times the photons."""
        return np.asarray(self.photons(light, lux_seconds).sum(axis=1) * np.array(self.quantum_efficiency))

    def white_electrons(self, iso: float) -> float:
        """Return the electrons of the converter's highest value: of green, from white in daylight at 78 / ISO lux s."""
        return float(self.electrons(spectra.illuminant("D65"), SATURATION / iso)[GREEN])

    def gain(self, iso: float) -> float:
        """Return K in DN per electron."""
        return float((2**self.bits - 1 - self.black) / self.white_electrons(iso))

    def white(self, iso: float) -> int:
        """Return the level in DN at which it saturates: the converter's, or the full well's where that is lower."""
        return int(min(2**self.bits - 1, self.black + self.gain(iso) * self.full_well))

    def dark_electrons(self, celsius: float, seconds: float) -> float:
        """Return the mean dark signal: I t 2^((T - 20 °C) / T_d) (EMVA 1288, dark current)."""
        return self.dark_current * seconds * float(2.0 ** ((celsius - DARK_AT) / self.dark_doubling))

    def dark_level(self, iso: float, celsius: float, seconds: float) -> float:
        """Return the mean in DN of what no light reaches, which cameras measure on the border of the sensor."""
        return self.black + self.gain(iso) * self.dark_electrons(celsius, seconds)

    def noise_model(self, iso: float, celsius: float = DARK_AT, seconds: float = 0.01) -> NoiseModel:
        """Return the noise on the scale where the dark level is 0 and white is 1.

        In DN it is σ² = K e + K² (σ_read² + σ_row² + dark) + σ_converter² + 1/12, e being the electrons of the light
        (EMVA 1288, photon transfer method). A row's pixels share their part of it.
        """
        span = self.white(iso) - self.dark_level(iso, celsius, seconds)
        gain = self.gain(iso)
        variance = self.read_electrons(iso) ** 2 + self.dark_electrons(celsius, seconds)
        return NoiseModel((gain / span,) * 3, (variance * (gain / span) ** 2,) * 3)

    def read_electrons(self, iso: float) -> float:
        """Return the noise of reading a site, in electrons: √(σ_read² + σ_row² + (σ_converter² + 1/12) / K²)."""
        after = (self.converter_noise**2 + _QUANTISATION) / self.gain(iso) ** 2
        return float((self.read_noise**2 + self.row_noise**2 + after) ** 0.5)

    @property
    def xyz_to_camera(self) -> Matrix:
        """CIE XYZ (D65) to the camera's colours, whose largest answer to white is 1.

        It is the M for which M [x y z] is nearest to the sensitivities in daylight, its rows scaled to be exact for
        white.
        """
        light, eye = spectra.illuminant("D65"), spectra.eye()
        per_photon = self.transmission * np.array(self.quantum_efficiency)[:, None]
        camera = per_photon * spectra.WAVELENGTHS  # per watt, as the eye's are
        matrix = np.linalg.lstsq((eye * light).T, (camera * light).T, rcond=None)[0].T
        white = camera @ light
        matrix *= (white / white.max() / (matrix @ SRGB_TO_XYZ.sum(axis=1)))[:, None]
        red, green, blue = (tuple(row) for row in matrix.tolist())
        return red, green, blue


PRESETS = {
    "phone": Sensor("phone", 1.4, 10, 64, 5_000, 1.5, 0.4, 0.15, 0.5, quantum_efficiency=(0.65, 0.7, 0.65)),
    "apsc": Sensor("apsc", 3.9, 14, 512, 40_000, 1.6, 1.5, 0.12, 0.1),
    "fullframe": Sensor("fullframe", 5.9, 14, 512, 90_000, 1.3, 0.8, 0.1, 0.1),
}


def preset(name: str) -> Sensor:
    """Return one of `PRESETS`.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    require_choice("simulate", "sensor", name, tuple(PRESETS))
    return PRESETS[name]
