"""Light by its wavelength, against the chromaticities that the CIE gives and against the SI."""

import numpy as np
import pytest

from isp import spectra
from isp.colorimetry import D65, ILLUMINANT_A, daylight, planckian
from isp.errors import ParameterError

# Sums of bells for the eye, 10 nm steps and no light beyond 400..700 nm: the chromaticity of equal energy, which is
# 1/3, 1/3 by definition, comes out 0.0007 off; that of light with half of it at one end may be some times that.
OFF = 0.003


def chromaticity(light):
    x, y, z = spectra.eye() @ light
    return x / (x + y + z), y / (x + y + z)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("E", (1 / 3, 1 / 3)),
        ("A", ILLUMINANT_A),
        ("a", ILLUMINANT_A),
        ("D65", D65),
        ("D50", (0.34567, 0.35850)),
        ("3200K", planckian(3200)),
        ("2000k", planckian(2000)),
        ("5500K", daylight(5500)),
        ("12000K", daylight(12000)),
    ],
)
def test_a_light_has_the_chromaticity_that_the_cie_gives_it(name, expected):
    assert chromaticity(spectra.illuminant(name)) == pytest.approx(expected, abs=OFF)


def test_a_lux_second_at_555_nm_is_so_many_photons():
    """1 / 683 W s / m^2, each photon h c / λ: 4.09e15 per square metre; the fit's peak may be 1.5 % off."""
    line = np.where(spectra.WAVELENGTHS == 560, 1.0, 0.0)
    expected = 1 / 683 * 560e-9 / (6.62607015e-34 * 299792458) * 1e-12
    assert spectra.photons_per_lux_second(line).sum() == pytest.approx(expected / 0.995, rel=0.015)  # V(560 nm) = 0.995


def test_photons_do_not_depend_on_the_scale_of_a_spectrum():
    light = spectra.illuminant("D50")
    np.testing.assert_allclose(spectra.photons_per_lux_second(7 * light), spectra.photons_per_lux_second(light), 1e-12)


@pytest.mark.parametrize("name", ["", "D", "sun", "500K", "30000K", "hotK", "nanK"])
def test_no_such_light(name):
    with pytest.raises(ParameterError) as caught:
        spectra.illuminant(name)
    assert "illuminant" in str(caught.value) and "\n" not in str(caught.value)
