"""The noise model: who says it, what it becomes on the way, what it is where nobody says it."""

import logging

import numpy as np
import pytest

import isp
from isp.errors import ParameterError, StageError
from isp.frame import Frame, Space
from isp.noise import NoiseModel, noise_at, noise_of
from isp.noise_estimate import estimate
from isp.opcodes import GainMap

from .dng_files import write_dng
from .frames import BAYER, MONO, RGGB, XTRANS, camera, linear, mosaic, raw
from .naive import colours
from .paths import SAMPLES

GREYS = np.array([0.05, 0.18, 0.5, 0.9])
LEVELS = [(2e-6, 1e-8), (2e-5, 1e-7), (1e-4, 1e-7), (4e-4, 1e-6), (1.6e-3, 1e-5), (6e-3, 1e-4)]
POINTS = tuple(tuple((1.0 + 0.3 * row + 0.2 * column,) for column in range(3)) for row in range(2))


def sensed(light, shot, read, seed=1):
    """What a sensor makes of light: Poisson and Gaussian noise."""
    random = np.random.default_rng(seed)
    return shot * random.poisson(light / shot) + np.sqrt(read) * random.standard_normal(light.shape)


def patches(height, width, low=0.01, high=0.9, side=32):
    """Flats of many levels side by side, which no block should straddle unnoticed."""
    levels = np.random.default_rng(2).uniform(low, high, (-(-height // side), -(-width // side)))
    return levels.repeat(side, 0).repeat(side, 1)[:height, :width]


def off(model, shot, read, colour=1, greys=GREYS):
    """How far standard deviations are from the truth, relatively."""
    found = model.shot[colour] * greys + model.read[colour]
    return np.abs(np.sqrt(found / (shot * greys + read)) - 1).max()


@pytest.mark.parametrize(("shot", "read"), LEVELS)
@pytest.mark.parametrize("cfa", [RGGB, BAYER["GBRG"], XTRANS, MONO])
def test_flats_of_many_levels(shot, read, cfa):
    model = estimate(mosaic(sensed(patches(480, 720, side=96 if cfa == XTRANS else 32), shot, read), cfa))
    assert max(off(model, shot, read, colour) for colour in range(3)) < 0.05
    if cfa == MONO:
        assert len(set(model.shot)) == len(set(model.read)) == 1


@pytest.mark.parametrize(("shot", "read"), LEVELS)
def test_a_ramp(shot, read):
    light = np.broadcast_to(np.linspace(0.002, 0.95, 1200), (400, 1200))
    assert off(estimate(mosaic(sensed(light, shot, read))), shot, read) < 0.1


@pytest.mark.parametrize(("shot", "read"), LEVELS)
@pytest.mark.parametrize("level", [0.05, 0.18, 0.6])
def test_one_flat_is_known_at_its_own_level(shot, read, level):
    model = estimate(mosaic(sensed(np.full((256, 384), level), shot, read)))
    assert off(model, shot, read, greys=np.array([level])) < 0.03


def test_colours_of_different_noise():
    light, shots, reads = patches(800, 1200), (2e-4, 4e-4, 3e-4), (2e-6, 1e-6, 4e-6)
    data, of_site = np.empty(light.shape), colours(RGGB, *light.shape)
    for colour in range(3):
        data = np.where(of_site == colour, sensed(light, shots[colour], reads[colour], colour), data)
    model = estimate(mosaic(data))
    assert max(off(model, shots[colour], reads[colour], colour) for colour in range(3)) < 0.05


@pytest.mark.parametrize("seen", [(0.5, 1.0, 0.6), (0.9, 1.0, 0.4), (0.6, 1.0, 0.6)])
@pytest.mark.parametrize(("shot", "read"), LEVELS[:4])
def test_grain_of_film_is_no_noise(seen, shot, read):
    """Grain is in front of the colour filters, so that it is known by the colours' shares of white's light.

    But for what the noise of colours may differ by chance: 7 % of their mean, along the shares.
    """
    film, grain = patches(800, 1200, low=0.05), 1.2e-4
    film = film + np.sqrt(grain * film) * np.random.default_rng(3).standard_normal(film.shape)
    seen = np.array(seen)
    data = sensed(seen[colours(RGGB, *film.shape)] * film, shot, read)
    model, plain = (estimate(mosaic(data, white_balance=gains)) for gains in (tuple(1 / seen), None))
    left, before = (np.array(each.shot) * 0.18 + each.read for each in (model, plain))
    truth = shot * 0.18 + read
    chance = 0.07 * before.mean() / np.linalg.norm(seen - seen.mean())
    assert np.allclose(before, truth + 0.18 * grain * seen, rtol=0.2)  # within 10 % of the standard deviation
    assert (left > 0.8 * truth).all() and (left < 1.2 * truth + chance * seen).all()
    assert (left < before - 0.6 * 0.18 * grain * seen).all() or shot > grain


@pytest.mark.parametrize(("shot", "read"), LEVELS)
def test_a_sensors_noise_is_not_taken_for_grain(shot, read):
    data = sensed(patches(480, 720), shot, read)
    model = estimate(mosaic(data, white_balance=(2.0, 1.0, 1.6)))
    assert model == estimate(mosaic(data, white_balance=None))


def test_edges_and_texture_are_no_noise():
    """Half of the picture is as rough as can be."""
    light = patches(480, 720)
    light[:, 360:] = np.random.default_rng(3).uniform(0.1, 0.9, (480, 360))
    assert off(estimate(mosaic(sensed(light, 4e-4, 1e-6))), 4e-4, 1e-6) < 0.05


def test_clipped_values_are_left_out():
    shot, read = 1.6e-3, 1e-4
    light = patches(480, 720, low=0.0, high=1.3)
    light[:160] = patches(160, 720, low=-0.001, high=0.02)
    dn = np.clip(np.rint(1000 * sensed(np.maximum(light, 0), shot, read)), 0, 850)  # black at 0, clipped below white
    assert off(estimate(raw(dn, white=1000.0)), shot, read) < 0.05


@pytest.mark.parametrize("sigma", [0.5, 0.7, 2.0])
def test_eight_bits(sigma):
    """Rounding is part of the noise, and read noise is never less than it."""
    dn = np.rint(16 + 239 * patches(480, 720, high=0.8) + sigma * np.random.default_rng(5).standard_normal((480, 720)))
    model = estimate(raw(dn, white=255.0, black=((16.0,),)))
    assert off(model, 1e-9, (sigma**2 + 1 / 12) / 239**2, greys=np.array([0.05, 0.3])) < 0.1
    assert min(model.read) >= 1 / 12 / 239**2 * 0.999


def test_a_noiseless_picture_has_the_noise_of_rounding():
    ramp = np.broadcast_to(np.arange(64, 960, 2).repeat(2), (256, 896))
    model = estimate(raw(ramp, white=1023.0, black=((64.0,),)))
    assert max(model.shot) < 1e-6 and max(model.read) < (2 / 959) ** 2


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 30), (12, 12)])
def test_too_small_to_measure(size, caplog):
    model = estimate(raw(np.full(size, 300), white=1023.0))
    assert model.shot == (0, 0, 0) and "nothing to measure" in caplog.text


def test_a_clipped_picture(caplog):
    estimate(raw(np.full((300, 300), 1023), white=1023.0))
    assert "nothing to measure" in caplog.text


def test_a_small_picture():
    assert off(estimate(mosaic(sensed(patches(64, 64), 4e-4, 1e-6))), 4e-4, 1e-6) < 0.25


def test_raw_mosaic_and_border():
    frame = isp.read_raw(SAMPLES / "g2_0304.CRW", crop="full")
    model = estimate(frame)
    assert model == estimate(isp.BlackLevel()(frame)) and 5e-5 < model.shot[1] < 3e-4


@pytest.mark.parametrize(
    ("name", "boxes"),
    [("s40_0101.CRW", [(290, 1180), (590, 1180), (900, 1180), (1210, 1180), (1520, 1180), (1830, 1180), (290, 260)]),
     ("g2_0304.CRW", [(260, 1230), (590, 1230), (920, 1230), (1250, 1230), (1590, 1230), (1920, 1230), (260, 250)])],
)  # fmt: skip
def test_patches_of_a_colour_chart(name, boxes):
    """The grey row of a ColorChecker and a brown patch: differences of neighbouring sites of one colour say it too."""
    frame = isp.BlackLevel()(isp.read_raw(SAMPLES / name))
    model = estimate(frame)
    for x, y in boxes:
        for (down, right), colour in np.ndenumerate(RGGB):
            sites = frame.data[y + down : y + 140 : 2, x + right : x + 140 : 2].astype(float)
            measured = np.diff(sites, axis=1).std() / np.sqrt(2)
            expected = np.sqrt(model.shot[colour] * sites.mean() + model.read[colour])
            assert expected == pytest.approx(measured, rel=0.1)


def test_same_for_any_number_of_threads(monkeypatch):
    frame = isp.BlackLevel()(isp.read_raw(SAMPLES / "s40_0117.CRW"))
    monkeypatch.setenv("ISP_NUM_THREADS", "1")
    model = estimate(frame)
    monkeypatch.setenv("ISP_NUM_THREADS", "3")
    assert estimate(frame) == model


def test_only_the_sensors_own_mosaic_shows_it():
    frame = mosaic(patches(64, 64), white_balance=(2.0, 1.0, 1.5))
    for changed in (isp.WhiteBalance(), isp.Vignetting("radial", coefficients=(0.2,)), isp.Demosaic()):
        with pytest.raises(StageError, match="give it"):
            noise_of(changed(frame))
    with pytest.raises(StageError):
        noise_of(linear(np.zeros((8, 8, 3))))
    light = patches(240, 360)[..., None].repeat(3, -1)
    assert off(estimate(camera(sensed(light, 4e-4, 1e-6), demosaiced=True)), 4e-4, 1e-6) < 0.05


def test_who_says_it():
    stated = ((1e-4, 1e-6),)
    frame = mosaic(np.zeros((64, 64)), noise=stated)
    assert noise_of(frame) == (NoiseModel((1e-4,) * 3, (1e-6,) * 3), "file")
    assert noise_of(frame, (2e-4, 0)) == (NoiseModel((2e-4,) * 3, (0.0,) * 3), "given")
    three = ((1e-4, 1e-6), (2e-4, 2e-6), (3e-4, 3e-6))
    of_three = NoiseModel((1e-4, 2e-4, 3e-4), (1e-6, 2e-6, 3e-6))
    assert noise_of(frame, three) == (of_three, "given") and noise_of(frame, of_three) == (of_three, "given")
    assert noise_of(mosaic(np.zeros((64, 64)), noise=three)) == (of_three, "file")
    measured = mosaic(sensed(patches(240, 360), 4e-4, 1e-6))
    assert noise_of(measured) == (estimate(measured), "image")


@pytest.mark.parametrize(
    "stated",
    [((0.0, 0.0),), ((1e-4, -1e-6),), ((-1e-4, 1e-6),), ((1.5, 1e-6),), ((float("nan"), 1e-6),),
     ((1e-4, float("inf")),), ((1e-4, 1e-6), (1e-4, 1e-6))],
)  # fmt: skip
def test_what_a_file_cannot_mean(stated, caplog):
    frame = mosaic(sensed(patches(240, 360), 4e-4, 1e-6), noise=stated)
    assert noise_of(frame) == (estimate(frame), "image")
    assert "NoiseProfile" in caplog.text and caplog.records[-1].levelno == logging.WARNING


@pytest.mark.parametrize("given", [(0, 0), (1, -1), (2, 0), (float("nan"), 0), (1e-4,), (1, 2, 3), [[1e-4, 0]] * 2])
def test_what_a_user_cannot_mean(given):
    with pytest.raises(ParameterError, match="shot, read"):
        noise_of(mosaic(np.zeros((64, 64))), given)


def test_white_balance_and_vignetting_amplify_it():
    """Measured on flats: the standard deviation after the stages is what the model says at every place."""
    shot, read, level, (height, width) = 1e-4, 1e-6, 0.2, (512, 768)
    model = NoiseModel((shot,) * 3, (read,) * 3)
    frame = mosaic(sensed(np.full((height, width), level), shot, read), white_balance=(2.0, 1.0, 1.5))
    for stage in (isp.Vignetting("radial", coefficients=(0.5, 0.2)), isp.WhiteBalance()):
        frame = stage(frame)
    amplified, gain = noise_at(frame, model)
    assert amplified == model.amplified((2.0, 1.0, 1.5)) and gain.shape == (height, width)
    of_site = colours(RGGB, height, width)
    for colour in range(3):
        here = of_site == colour
        mean = level * frame.gains[colour]
        variance = amplified.shot[colour] * mean * gain[here] ** 2 + amplified.read[colour] * gain[here] ** 2
        normal = (frame.data[here] - mean * gain[here]) / np.sqrt(variance)
        assert normal.std() == pytest.approx(1, abs=0.01)


def test_the_lens_gain_of_stages_and_of_the_fast_path():
    lens = GainMap(0, 0, 60, 90, 1, 1, 0, 1, (1.0, 0.5), (0.0, 0.0), points=POINTS, after_demosaic=False)
    frame = raw(np.full((60, 90), 500), white=1000.0, lens_shading=(lens,), white_balance=(2.0, 1.0, 1.5))
    stages = (
        isp.BlackLevel(), isp.Vignetting(), isp.Vignetting("natural", angle=20.0), isp.WhiteBalance(),
    )  # fmt: skip
    first = isp.Vignetting()(isp.BlackLevel()(frame))
    np.testing.assert_array_equal(first.known_lens_gain, first.saturation)
    both = isp.Vignetting("natural", angle=20.0)(first)
    np.testing.assert_allclose(both.known_lens_gain, both.saturation, rtol=1e-6)
    for method, gain in (
        ("bilinear", both.known_lens_gain),
        ("half", both.known_lens_gain.reshape(30, 2, 45, 2).mean((1, 3))),
    ):
        fast, plain = (isp.Pipeline((*stages, isp.Demosaic(method)), fuse=fuse)(frame) for fuse in (True, False))
        assert fast.space is Space.CAMERA and fast.saturation == 1
        np.testing.assert_array_equal(fast.known_lens_gain, plain.known_lens_gain)
        np.testing.assert_array_equal(fast.known_lens_gain, gain)
    assert isp.Color()(fast).known_lens_gain == 1.0
    assert isp.BlackLevel()(frame).known_lens_gain == 1.0


def test_a_lens_gain_that_does_not_fit():
    frame = mosaic(np.zeros((4, 6)))
    with pytest.raises(ParameterError, match="lens_gain"):
        frame.replace(lens_gain=np.ones((4, 5), np.float32))


def test_a_dngs_own_word(tmp_path):
    pixels = np.random.default_rng(3).integers(600, 15_000, (64, 96)).astype(np.uint16)
    write_dng(tmp_path / "a.dng", pixels, BlackLevel=512, NoiseProfile=(1e-4, 1e-6))
    frame: Frame = isp.read_raw(tmp_path / "a.dng")
    assert noise_of(frame) == (NoiseModel((1e-4,) * 3, (1e-6,) * 3), "file")
