"""The stages against a sensor whose truth is known: light, lens, colours, through a real file."""

import math
import shutil
import subprocess

import numpy as np
import pytest
import rawpy
import tifffile

import isp
from isp import BlackLevel, Color, Demosaic, Vignetting, WhiteBalance
from isp.capture import Shot, capture
from isp.charts import color_checker, color_checker_patches, flat, ramp
from isp.dng_writer import write_dng
from isp.frame import Frame, Space
from isp.sensor import PRESETS

from . import naive

APSC = PRESETS["apsc"]
SIGMAS = 5
LIGHTS = ["D65", "A", "3200K", "7500K", "E"]


def black(taken):
    return BlackLevel()(taken.frame)


def exact(taken):
    """The mosaic without noise, as the black level leaves it."""
    return Frame(taken.expected, Space.MOSAIC, taken.frame.meta)


def degrees(gains, truth):
    """The angle between two colours of the light, as camera values of a white surface: 1 over the gains."""
    a, b = 1 / np.array(gains), 1 / np.array(truth)
    return math.degrees(math.acos(min(1.0, a @ b / np.linalg.norm(a) / np.linalg.norm(b))))


# --- white balance ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("method", ["as_shot", "gray_world", "white_world:50", "box:30,20,180,120"])
def test_the_light_is_found(tmp_path, light, method):
    """Of a grey flat, from the file: as stated within 1e-6, else within the noise of the mean of the fewest sites.

    A channel's mean over n sites of level x is off by √((shot x + read) / n) / x of itself; an angle in radians is no
    larger than the largest of these in two channels.
    """
    taken = capture(flat(160, 240, 0.5), APSC, Shot(illuminant=light))
    frame = BlackLevel()(isp.read_raw(write_dng(taken.frame, tmp_path / "a.dng")))
    found = WhiteBalance.parse(method).measure(frame)
    sites = (180 * 120 if method.startswith("box") else 160 * 240) / 4
    level = np.array([taken.expected[0, 0], taken.expected[0, 1], taken.expected[1, 1]])
    model = APSC.noise_model(100)
    error = np.sqrt((model.shot[0] * level + model.read[0]) / sites) / level
    rounding = 0.0
    if method.startswith("white_world"):  # a median is less sure than a mean, and one of the levels
        error, rounding = error * math.sqrt(math.pi / 2), 0.5 / (level.min() * 15871)
    bound = 1e-6 if method == "as_shot" else 2 * (SIGMAS * error.max() + rounding)
    assert degrees(found, taken.frame.meta.white_balance) < math.degrees(bound)
    assert math.degrees(bound) < 0.3  # the test can tell


@pytest.mark.parametrize(("light", "knob", "bound"), [
    ("D65", "daylight", 0.02), ("A", "tungsten", 0.5), ("3200K", "3200K", 0.5), ("5500K", "flash", 0.5),
    ("7500K", "shade", 0.5), ("2000K", "2000K", 0.5), ("5000K", "5000K", 0.5),
])  # fmt: skip
def test_a_known_light_through_the_matrix(light, knob, bound):
    """The matrix is exact for daylight alone, but for three decimals of its chromaticity; it fits the other lights."""
    taken = capture(flat(8, 8), APSC, Shot(illuminant=light))
    assert degrees(WhiteBalance.parse(knob).measure(black(taken)), taken.frame.meta.white_balance) < bound


def test_gray_world_is_off_by_as_much_as_the_world_is_not_grey():
    taken = capture(color_checker(96, 144), APSC, Shot(illuminant="A"))
    mean = taken.colours.reshape(-1, 3).mean(axis=0, dtype=np.float64) * APSC.quantum_efficiency
    found = WhiteBalance("gray_world").measure(black(taken))
    assert degrees(found, 1 / mean) < 0.2  # patches are not cut at whole cells
    assert degrees(found, taken.frame.meta.white_balance) > 1


# --- vignetting ------------------------------------------------------------------------------------------------------

LENSES = {
    "radial": Vignetting("radial", coefficients=(0.4, 0.2, -0.05)),
    "natural": Vignetting("natural", angle=32.0),
    "mechanical": Vignetting("mechanical", onset=0.4, loss=0.5),
    "pixel": Vignetting("pixel", angle=32.0, exponent=3.0),
}


@pytest.mark.parametrize("name", LENSES)
def test_what_a_lens_takes_its_stage_gives_back(name):
    lens = LENSES[name]
    taken = capture(flat(120, 180, 0.5), APSC, Shot(vignetting=(lens,)))
    assert taken.lens.min() < 0.75 and taken.lens.max() > 0.999
    np.testing.assert_allclose(taken.lens, naive_lens(lens, 120, 180), rtol=1e-6)
    plain = capture(flat(120, 180, 0.5), APSC).expected
    np.testing.assert_allclose(lens(exact(taken)).data, plain, rtol=1e-6)
    residual = lens(black(taken)).data.astype(np.float64) - plain
    assert_noise_alone(residual, taken)


def naive_lens(lens, height, width):
    parameters = {name: getattr(lens, name) for name in ("coefficients", "onset", "loss", "exponent")}
    return naive.light_left(lens.method, naive.radius(height, width), angle=lens.angle or 0.0, **parameters)


def assert_noise_alone(residual, taken):
    """In no block of 20 x 20 is the residual's mean more than the noise that the gains have lifted, rows' included."""
    model = APSC.noise_model(100)
    variance = (model.shot[0] * taken.expected + model.read[0]) / taken.lens**2
    height, width = residual.shape
    blocks = residual.reshape(height // 20, 20, width // 20, 20).mean(axis=(1, 3))
    error = np.sqrt(variance.reshape(height // 20, 20, width // 20, 20).mean(axis=(1, 3)) / 400)
    rows = APSC.row_noise * model.shot[0] / taken.lens.min() / math.sqrt(20)
    assert (np.abs(blocks) < SIGMAS * (error + rows)).all()
    assert SIGMAS * (error + rows).max() < 0.01  # the test can tell


@pytest.mark.parametrize("name", LENSES)
def test_the_gain_map_of_the_file_gives_back_what_the_lens_took(tmp_path, name):
    """But for its curvature between points h pixels apart, h^2 max |g''| / 8 an axis, and that of the points, h = 1."""
    taken = capture(flat(120, 180, 0.5), APSC, Shot(vignetting=(LENSES[name],), gain_map=True))
    read = isp.read_raw(write_dng(taken.frame, tmp_path / "a.dng"))
    gains = Vignetting().gains(read.meta)
    truth = 1 / taken.lens.astype(np.float64)
    points = np.array(read.meta.lens_shading[0].points).shape
    steps = [(side - 1) / (count - 1) for side, count in zip(truth.shape, points, strict=False)]
    bound = sum((step**2 + 1) * np.abs(np.diff(truth, 2, axis)).max() / 8 for axis, step in enumerate(steps))
    assert np.abs(gains - truth).max() < bound + 1e-6
    assert np.abs(gains / truth - 1).max() < 0.01
    residual = Vignetting()(BlackLevel()(read)).data / (gains * taken.lens) - taken.expected / taken.lens
    assert_noise_alone(residual.astype(np.float64), taken)


def test_two_lenses_multiply():
    both = (LENSES["natural"], LENSES["pixel"])
    taken = capture(flat(40, 60), APSC, Shot(vignetting=both))
    np.testing.assert_allclose(taken.lens, naive_lens(both[0], 40, 60) * naive_lens(both[1], 40, 60), rtol=1e-6)


# --- colour ----------------------------------------------------------------------------------------------------------

CHECKER = (200, 300)  # pixels; a patch is 40 x 40


def patches():
    """The inner 32 x 32 pixels of every patch."""
    for rows, columns in color_checker_patches(*CHECKER):
        yield slice(rows.start + 4, rows.stop - 4), slice(columns.start + 4, columns.stop - 4)


def differences(linear):
    """ΔE00 of the means of the patches to what the chart's maker published."""
    published = naive.srgb_to_lab(color_checker(*CHECKER))
    means = [linear[inner].reshape(-1, 3).mean(axis=0, dtype=np.float64) for inner in patches()]
    return np.array([
        naive.ciede2000(naive.srgb_to_lab(mean), published[inner][0, 0])
        for mean, inner in zip(means, patches(), strict=True)
    ])  # fmt: skip


def due_to_noise(taken, sensor, level):
    """ΔE00 by which noise may put a patch off: what five standard errors in red, in green and in blue make, added up.

    The mean of a patch is that of its sites: 256 of red, 512 of green, 256 of blue, in 32 rows that share some noise.
    """
    meta = taken.frame.meta
    site, gains = naive.colours(sensor.cfa, *CHECKER), np.array(meta.white_balance) / min(meta.white_balance)
    to_srgb = Color().camera_to_srgb(meta)
    bounds = []
    for inner in patches():
        truth = color_checker(*CHECKER)[inner][0, 0].astype(np.float64)
        bound = 0.0
        for colour, (shot, read) in enumerate(meta.noise):
            x = taken.expected[inner][site[inner] == colour].astype(np.float64)
            error = math.sqrt((shot * x.mean() + read) / x.size + (sensor.row_noise * shot) ** 2 / 32)
            off = SIGMAS * error * gains[colour] / level * to_srgb[:, colour]
            bound += naive.ciede2000(naive.srgb_to_lab(truth), naive.srgb_to_lab(truth + off))
        bounds.append(bound)
    return np.array(bounds)


def white(sensor, shot):
    """Where white balance puts a white surface: at the level of the colour that sees most of it."""
    return float(capture(flat(2, 2, 1.0), sensor, shot).expected.max())


def developed(frame):
    return Color()(Demosaic()(WhiteBalance()(frame))).data


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("light", LIGHTS)
def test_colours_are_those_of_the_chart(name, light):
    """Without noise exactly, but for float32; with it, but for the noise."""
    sensor, shot = PRESETS[name], Shot(illuminant=light, exposure=-0.5)
    taken = capture(color_checker(*CHECKER), sensor, shot)
    level = white(sensor, shot)
    assert differences(developed(exact(taken)) / level).max() < 2e-3
    found, bound = differences(developed(black(taken)) / level), due_to_noise(taken, sensor, level)
    assert (found < bound).all()
    assert found.max() < 1  # what an eye can just see


def test_light_in_proportion_gives_numbers_in_proportion(tmp_path):
    """Through a file and the whole linear chain: a ramp over exposures, within 0.1 % of white."""
    chain = isp.default_pipeline(tone="none", gamma="linear")
    for stops in (-2, -1, -0.2):
        taken = capture(ramp(256, 64), APSC, Shot(exposure=stops))
        frame = isp.read_raw(write_dng(taken.frame, tmp_path / f"{stops}.dng"))
        columns = chain(frame).data.mean(axis=(0, 2), dtype=np.float64)
        truth = np.linspace(0, 1, 64) * 2.0**stops
        inner = slice(1, -1)  # bilinear interpolation keeps a ramp but at its ends
        assert np.abs(columns - truth)[inner].max() < 1e-3


# --- other converters ------------------------------------------------------------------------------------------------


def by_isp(path):
    return developed(BlackLevel()(isp.read_raw(path)))


def by_rawpy(path):
    with rawpy.imread(str(path)) as raw:
        return raw.postprocess(
            gamma=(1, 1), no_auto_bright=True, use_camera_wb=True, adjust_maximum_thr=0.0, output_bps=16,
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
        ) / 65535  # fmt: skip


def by_dcraw_emu(path):
    if shutil.which("dcraw_emu") is None:
        pytest.skip("needs dcraw_emu, which is not installed")
    options = ("-4", "-T", "-w", "-c", "0", "-q", "0")  # linear 16 bits, as shot, white from the file, bilinear
    subprocess.run(["dcraw_emu", *options, str(path)], check=True, capture_output=True, timeout=60)
    return tifffile.imread(f"{path}.tiff") / 65535


@pytest.mark.parametrize("convert", [by_isp, by_rawpy, by_dcraw_emu])
@pytest.mark.parametrize("light", ["D65", "3200K"])
def test_converters_agree_with_the_truth(tmp_path, convert, light):
    shot = Shot(illuminant=light, exposure=-0.5)
    taken, level = capture(color_checker(*CHECKER), APSC, shot), white(APSC, shot)
    path = write_dng(taken.frame, tmp_path / "a.dng")
    found = differences(convert(path) / level)
    # LibRaw cuts off what is below one of 65535 and of a level of black
    assert (found < due_to_noise(taken, APSC, level) + 0.05).all()
