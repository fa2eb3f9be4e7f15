"""The sensor against its own physics: photon transfer, dark current, row noise, saturation, linearity.

Tolerances are five standard errors: of a mean σ / √n, of a variance √(2 / n) of it (photons add 1 / µ to the 2, which
is nothing from 100 electrons up). The seeds are fixed, so what passes once passes always.
"""

import dataclasses
import math

import numpy as np
import pytest

from isp import BlackLevel
from isp.capture import Shot, capture
from isp.charts import flat, ramp, star_field
from isp.errors import ParameterError
from isp.sensor import PRESETS, preset
from isp.spectra import WAVELENGTHS, eye, illuminant, photons_per_lux_second

from . import naive
from .frames import COLOUR_CFAS, MONO, XTRANS, refuses

APSC, PHONE = PRESETS["apsc"], PRESETS["phone"]
SIGMAS = 5


def changed(sensor, **changes):
    return dataclasses.replace(sensor, **changes)


def quiet(sensor=APSC, **changes):
    """A sensor without any noise but that of photons."""
    return changed(sensor, **({"read_noise": 0.0, "row_noise": 0.0, "converter_noise": 0.0} | changes))


def mosaic(taken):
    """DN on the scale where the stated black is 0 and white is 1."""
    return BlackLevel()(taken.frame).data.astype(np.float64)


# --- light -----------------------------------------------------------------------------------------------------------


def test_white_in_daylight_just_saturates_green_at_every_iso():
    for sensor in PRESETS.values():
        for iso in (100, 400, 25600):
            taken = capture(flat(4, 4, 1.0), sensor, Shot(iso))
            assert taken.expected[0, 1] == pytest.approx(1, rel=1e-4 * iso / 100 * sensor.dark_current + 1e-6)


def test_photons_are_the_integral_of_light_and_filter_over_the_photosite():
    """µ = A H ∫ τ(λ) n(λ) dλ, here as a loop."""
    light = illuminant("3200K")
    per_micrometre = photons_per_lux_second(light)
    for colour, (middle, width) in enumerate(APSC.filters):
        total = sum(
            n * math.exp(-((wave - middle) ** 2) / (2 * width**2))
            for wave, n in zip(WAVELENGTHS, per_micrometre, strict=True)
        )
        assert APSC.photons(light, 0.5)[colour].sum() == pytest.approx(0.5 * 3.9**2 * total, rel=1e-12)


def test_a_spectral_scene_is_weighed_wavelength_by_wavelength():
    spectra = np.random.default_rng(0).uniform(0, 1, (5, 7, len(WAVELENGTHS))).astype(np.float32)
    shot = Shot(iso=200, illuminant="A", exposure=1)
    taken = capture(spectra, APSC, shot)
    expected = np.einsum("yxw,cw->yxc", spectra, APSC.photons(illuminant("A"), 2 * 78 / 200))
    np.testing.assert_allclose(taken.colours, expected, rtol=1e-5)


def test_a_grey_spectrum_is_a_grey_of_srgb():
    """White takes 3 x 3 products of which some are below zero: a few units of float32 beside the sum."""
    grey = capture(np.full((2, 2, len(WAVELENGTHS)), 0.25, np.float32), APSC, Shot(illuminant="A"))
    np.testing.assert_allclose(grey.colours, capture(flat(2, 2, 0.25), APSC, Shot(illuminant="A")).colours, rtol=1e-5)


def test_a_smooth_spectrum_and_its_srgb_give_nearly_the_same():
    """A matrix cannot be right for every spectrum; for broad ones it is within 1 % of white."""
    tilts = np.linspace(-1, 1, 7)[:, None] * np.linspace(-0.4, 0.4, len(WAVELENGTHS)) + 0.5
    spectra = tilts.astype(np.float32)[None]
    light = illuminant("D65")
    xyz = (tilts * light) @ eye().T / (eye() @ light) * naive.SRGB_TO_XYZ.sum(axis=1)
    linear = xyz @ np.linalg.inv(naive.SRGB_TO_XYZ).T
    by_spectrum = capture(spectra, APSC).colours
    by_colour = capture(linear.astype(np.float32)[None], APSC).colours
    white = capture(flat(1, 1, 1.0), APSC).colours
    assert (np.abs(by_spectrum - by_colour) / white).max() < 0.01


@pytest.mark.parametrize("cfa", [*COLOUR_CFAS, MONO, ((0, 1, 2),)])
def test_every_site_sees_through_its_own_filter(cfa):
    scene = np.random.default_rng(1).uniform(0, 1, (300, 14, 3)).astype(np.float32)  # three bands
    taken = capture(scene, changed(APSC, cfa=cfa))
    site = naive.colours(cfa, 300, 14)
    np.testing.assert_array_equal(taken.photons, np.take_along_axis(taken.colours, site[..., None], 2)[..., 0])
    assert taken.frame.meta.cfa == cfa


def test_a_colour_that_no_surface_has_is_not_below_zero():
    taken = capture(np.full((4, 4, 3), (-1, 0.1, -1), np.float32), APSC)
    assert taken.colours.min() == 0 and taken.photons.min() >= 0


# --- electrons -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("efficiency", [(0.2, 0.5, 1.0), (0.9, 0.9, 0.9)])
def test_the_quantum_efficiency_is_the_share_of_photons_that_count_and_their_noise_is_poissons(efficiency):
    taken = capture(flat(256, 256, 0.2), quiet(quantum_efficiency=efficiency))
    site = naive.colours(APSC.cfa, 256, 256)
    for colour in range(3):
        count = taken.photoelectrons[site == colour].astype(np.float64)
        mean = efficiency[colour] * taken.photons[site == colour].mean(dtype=np.float64)
        assert count.mean() == pytest.approx(mean, abs=SIGMAS * math.sqrt(mean / count.size))
        assert count.var() == pytest.approx(mean, rel=SIGMAS * math.sqrt((2 + 1 / mean) / count.size))
        np.testing.assert_array_equal(count, np.round(count))


@pytest.mark.parametrize(("celsius", "seconds", "doublings"), [(20, 100, 0), (32, 100, 2), (8, 100, -2), (38, 10, 3)])
def test_dark_current_doubles_every_six_kelvin_and_is_as_noisy_as_it_is_large(celsius, seconds, doublings):
    taken = capture(flat(256, 256, 0.0), APSC, Shot(celsius=celsius, seconds=seconds))
    mean = 0.1 * seconds * 2.0**doublings
    n = taken.dark.size
    assert taken.dark.mean(dtype=np.float64) == pytest.approx(mean, abs=SIGMAS * math.sqrt(mean / n))
    assert taken.dark.var(dtype=np.float64) == pytest.approx(mean, rel=SIGMAS * math.sqrt((2 + 1 / mean) / n))
    # the black that the file states has the dark signal in it; rows have noise of their own
    noise = APSC.noise_model(100, celsius, seconds).read[1]
    row = (APSC.row_noise * APSC.gain(100) / (16383 - 512)) ** 2
    assert mosaic(taken).mean() == pytest.approx(0, abs=SIGMAS * math.sqrt(noise / n + row / 256))


def test_dark_current_that_leaves_no_room_for_light_is_refused():
    with pytest.raises(ParameterError, match="fill the sensor with dark current"):
        capture(flat(4, 4), PHONE, Shot(25600, seconds=600, celsius=40))


def test_row_noise_is_shared_by_a_row():
    sensor, (height, width) = quiet(PHONE, row_noise=20.0, read_noise=5.0), (2000, 64)
    taken = capture(flat(height, width, 0.1), sensor)
    rows = (taken.read_out - taken.charge).astype(np.float64)
    expected = 20.0**2 + 5.0**2 / width
    assert rows.mean(axis=1).var() == pytest.approx(expected, rel=SIGMAS * math.sqrt(2 / height))
    within = (rows - rows.mean(axis=1, keepdims=True)).var() * width / (width - 1)
    assert within == pytest.approx(5.0**2, rel=SIGMAS * math.sqrt(2 / rows.size))


def test_what_a_well_cannot_hold_is_lost_and_white_says_so():
    sensor = quiet(full_well=10_000.0)
    taken = capture(flat(32, 32, 5.0), sensor)
    assert taken.charge.max() == taken.charge.min() == 10_000
    assert taken.photoelectrons.min() > 10_000
    level = int(512 + sensor.gain(100) * 10_000)
    assert taken.frame.meta.white == level < 16383
    np.testing.assert_allclose(taken.frame.data, level, atol=1)
    assert capture(flat(2, 2), sensor, Shot(iso=800)).frame.meta.white == 16383  # there the converter ends first


@pytest.mark.parametrize("sensor", PRESETS.values(), ids=PRESETS)
def test_more_light_than_white_is_white(sensor):
    for shot in (Shot(exposure=3), Shot(exposure=20), Shot(iso=25600, exposure=6)):
        data = capture(flat(16, 16, 1.0), sensor, shot).frame.data
        assert data.min() == data.max() == 2**sensor.bits - 1


def test_the_converter_rounds_to_whole_levels():
    taken = capture(ramp(4, 400), quiet(PHONE))
    exact = PHONE.black + PHONE.gain(100) * taken.read_out.astype(np.float64)
    off = np.abs(taken.frame.data - np.clip(exact, 0, 1023))
    assert off.max() < 0.5 + 1e-3  # float32 of 1000 DN


# --- photon transfer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("iso", [100, 3200])
def test_the_variance_over_the_mean_has_the_gain_for_its_slope(name, iso):
    """EMVA 1288: σ² = K (µ - µ_dark) + σ_dark², from half the variance of the difference of two pictures."""
    sensor, side = PRESETS[name], 160
    means, variances = [], []
    for level in np.linspace(0.05, 0.6, 8):
        pair = [
            capture(flat(side, side, level), sensor, Shot(iso, seed=seed)).frame.data[::2, 1::2].astype(np.float64)
            for seed in (1, 2)
        ]
        means.append((pair[0].mean() + pair[1].mean()) / 2 - sensor.dark_level(iso, 20, 0.01))
        variances.append((pair[0] - pair[1]).var() / 2)
    means, variances = np.array(means), np.array(variances)
    error = variances * math.sqrt(2 / (side * side / 4))
    design = np.stack((means, np.ones(8)), axis=1) / error[:, None]
    covariance = np.linalg.inv(design.T @ design)
    slope, dark = covariance @ design.T @ (variances / error)
    gain = sensor.gain(iso)
    assert slope == pytest.approx(gain, abs=SIGMAS * math.sqrt(covariance[0, 0]))
    expected = (gain * sensor.read_electrons(iso)) ** 2 + gain**2 * sensor.dark_electrons(20, 0.01)
    # rows have noise of their own, of which a picture has but 80 draws
    rows = SIGMAS * (gain * sensor.row_noise) ** 2 * math.sqrt(2 / (side / 2))
    assert dark == pytest.approx(expected, abs=SIGMAS * math.sqrt(covariance[1, 1]) + rows)
    assert math.sqrt(covariance[0, 0]) < 0.02 * gain  # the test can tell


@pytest.mark.parametrize(
    ("name", "iso"), [(name, iso) for name in PRESETS for iso in (100, 1600, 25600) if (name, iso) != ("phone", 25600)]
)
def test_the_noise_model_is_the_noise(name, iso):
    """But where the noise reaches below 0 DN and is cut off there: a phone's at its highest speed."""
    sensor = PRESETS[name]
    taken = capture(flat(200, 200, 0.3), sensor, Shot(iso, exposure=-1, illuminant="A"))
    model, site = sensor.noise_model(iso), naive.colours(sensor.cfa, 200, 200)
    assert taken.frame.meta.noise == tuple(zip(model.shot, model.read, strict=True))
    for colour in range(3):
        values, level = mosaic(taken)[site == colour], taken.expected[site == colour][0]
        expected = float(model.variance(np.float32(level), colour))
        electrons = level / model.shot[colour]
        assert values.var() == pytest.approx(expected, rel=SIGMAS * math.sqrt((2 + 1 / electrons) / values.size))


@pytest.mark.parametrize("name", PRESETS)
def test_it_is_linear_within_a_tenth_of_a_percent(name):
    """Over five stops, from the mean of green, whose standard error is less than a fifth of the promise."""
    sensor, side = PRESETS[name], 512
    for stops in range(-2, 3):
        taken = capture(flat(side, side, 0.2), sensor, Shot(exposure=stops))
        green = naive.colours(sensor.cfa, side, side) == 1
        light = taken.expected[green].astype(np.float64)
        model = sensor.noise_model(100)
        rows = (sensor.row_noise * model.shot[1]) ** 2 / side
        error = math.sqrt(float(model.variance(light[:1], 1)[0]) / light.size + rows)
        assert SIGMAS * error < 1e-3 * light.mean()
        assert light.mean() == pytest.approx(0.2 * 2.0**stops, rel=1e-5)
        assert mosaic(taken)[green].mean() == pytest.approx(light.mean(), rel=1e-3)


# --- the same again --------------------------------------------------------------------------------------------------


def test_the_same_for_any_number_of_threads_and_another_for_another_seed(monkeypatch):
    scene = star_field(400, 50)
    monkeypatch.setenv("ISP_NUM_THREADS", "1")
    one = capture(scene, changed(PHONE, cfa=XTRANS), Shot(3200, seed=5))
    monkeypatch.setenv("ISP_NUM_THREADS", "3")
    for field in dataclasses.fields(one):
        again = getattr(capture(scene, changed(PHONE, cfa=XTRANS), Shot(3200, seed=5)), field.name)
        if field.name == "frame":
            np.testing.assert_array_equal(again.data, one.frame.data)
            assert again.meta == one.frame.meta
        else:
            np.testing.assert_array_equal(again, getattr(one, field.name))
    assert (capture(scene, PHONE, Shot(3200, seed=6)).frame.data != one.frame.data).mean() > 0.5


def test_a_source_of_noise_leaves_the_others_as_they_were():
    scene = flat(30, 30)
    plain, noisy = capture(scene, APSC), capture(scene, changed(APSC, row_noise=30.0, dark_current=1e4))
    np.testing.assert_array_equal(noisy.photoelectrons, plain.photoelectrons)
    assert not np.array_equal(noisy.dark, plain.dark)


# --- parameters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("pitch", 0.0, "micrometres"), ("pitch", math.nan, "micrometres"), ("bits", 7, "8..16"), ("bits", 17, "8..16"),
        ("black", -1, "DN"), ("black", 8192, "DN"), ("full_well", 0.0, "electrons"), ("read_noise", -1.0, "0 or more"),
        ("converter_noise", math.inf, "0 or more"), ("row_noise", math.nan, "0 or more"),
        ("dark_current", -1.0, "0 or more"), ("dark_doubling", 0.0, "kelvin"),
        ("quantum_efficiency", (0.5, 1.1, 0.5), "up to 1"), ("filters", ((500.0, 10.0),), "3 pairs"),
        ("cfa", ((0, 3), (1, 2)), "rows of 0, 1, 2"),
    ],
)  # fmt: skip
def test_a_sensor_out_of_range(parameter, value, allowed):
    refuses(lambda: changed(APSC, **{parameter: value}), "Sensor", parameter, value, allowed)


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("iso", 99.0, "100..25600"), ("iso", 25601, "100..25600"), ("iso", math.nan, "100..25600"),
        ("exposure", 21, "-20..20 stops"), ("celsius", -101, "°C"), ("seconds", -1, "seconds"),
        ("orientation", 0, "1..8"), ("seed", -1, "0 or more"), ("seed", 1.5, "a whole number"),
        ("vignetting", ("natural",), "a list of Vignettings"),
    ],
)  # fmt: skip
def test_a_shot_out_of_range(parameter, value, allowed):
    with pytest.raises(ParameterError) as caught:
        Shot(**{parameter: value})
    assert parameter in str(caught.value) and repr(value) in str(caught.value) and allowed in str(caught.value)


@pytest.mark.parametrize(
    "scene",
    [
        np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.float32), np.zeros((0, 4, 3), np.float32),
        np.zeros((4, 4, 3)), np.full((4, 4, 3), np.nan, np.float32), [[0.5]],
    ],
)  # fmt: skip
def test_what_is_no_scene(scene):
    with pytest.raises(ParameterError, match="capture: scene"):
        capture(scene, APSC)


def test_a_preset_by_its_name():
    assert preset("apsc") is APSC
    with pytest.raises(ParameterError, match="one of phone, apsc, fullframe"):
        preset("apsx")
