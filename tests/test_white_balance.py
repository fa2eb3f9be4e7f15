import logging

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isp import BlackLevel, ParameterError, StageError, Vignetting, WhiteBalance, colorimetry, geometry
from isp.frame import Rectangle
from isp.geometry import upright

from . import naive
from .frames import (
    COLOUR_CFAS,
    MATRIX,
    MONO,
    RGGB,
    XTRANS,
    camera,
    cfas,
    colour_cfas,
    meta,
    mosaic,
    noise,
    raw,
    refuses,
    run,
    seeds,
    sides,
)  # fmt: skip

GAINS = (1.9, 1.0, 1.4)


def uneven(seed, height, width, **changes):
    """A mosaic with negatives and sites over 1, and a saturation that differs from site to site, masked border."""
    saturation = noise(seed + 1, height, width, low=0.8, high=1.6)
    active = Rectangle(2, 3, height - 5, width - 4)
    return mosaic(noise(seed, height, width, high=1.2), saturation=saturation, active=active, **changes)


def kept(frame, area=None):
    """The sites that may be measured: lit, and in a cell of the pattern, counted from there, that has none clipped."""
    top, left, height, width = area or frame.meta.active
    side = 3 if len(frame.meta.cfa) == 6 else 2  # X-Trans, Bayer
    clipped = frame.data >= np.float32(1 - 1 / 512) * np.float32(frame.saturation)
    keep = np.zeros(frame.data.shape, bool)
    for y in range(top, top + height, side):
        for x in range(left, left + width, side):
            cell = slice(y, min(y + side, top + height)), slice(x, min(x + side, left + width))
            keep[cell] = not clipped[cell].any()
    return keep


# --- applying gains ---


@settings(max_examples=60, deadline=None)
@given(sides, sides, cfas, st.booleans(), st.booleans(), seeds)
def test_each_colour_is_scaled_and_clipped_at_white(height, width, cfa, field, clip, seed):
    saturation = noise(seed, height, width, low=0.7, high=2) if field else 1.0
    frame = mosaic(noise(seed, height, width), cfa, saturation=saturation)
    result = run(WhiteBalance("gains", gains=GAINS, clip=clip), frame)
    gains = (1.0, 1.0, 1.0) if cfa == MONO else GAINS
    assert result.gains == gains
    gain = np.float32(gains)[naive.colours(cfa, height, width)]
    limit = np.minimum(saturation, np.float32(1)) if clip else np.inf
    np.testing.assert_array_equal(result.data, np.minimum(frame.data * gain, limit))  # bit for bit
    np.testing.assert_array_equal(
        np.broadcast_to(np.float32(result.saturation), frame.data.shape),
        np.broadcast_to(limit if clip else gain * np.float32(saturation), frame.data.shape),
    )


def test_gains_are_divided_by_the_smallest_so_that_white_stays_white():
    frame = mosaic(np.ones((4, 4)))
    result = run(WhiteBalance("gains", gains=(1.0, 2.0, 1.5)), frame)
    assert result.gains == (1.0, 2.0, 1.5)
    assert run(WhiteBalance("gains", gains=(0.5, 1.0, 0.75)), frame).gains == (1.0, 2.0, 1.5)
    assert run(WhiteBalance(), mosaic(np.ones((4, 4)), white_balance=(0.8, 1.0, 1.6))).gains == (1.0, 1.25, 2.0)


@pytest.mark.parametrize("cfa", COLOUR_CFAS)
@pytest.mark.parametrize("shading", [(), (0.5,), (0.3, 1.0)])
def test_highlights_are_never_magenta(cfa, shading):
    frame = BlackLevel()(raw(np.full((20, 22), 4000), cfa, white=4000.0, black=((64.0,),)))
    lifted = Vignetting("radial", coefficients=shading)(frame)
    np.testing.assert_array_equal(run(WhiteBalance("gains", gains=GAINS), lifted).data, 1.0)


def test_highlights_that_a_falling_gain_field_lowers_stay_equal():
    frame = BlackLevel()(raw(np.full((20, 22), 4000), white=4000.0, black=((64.0,),)))
    lowered = Vignetting("radial", coefficients=(-0.4,))(frame)
    result = run(WhiteBalance("gains", gains=GAINS), lowered)
    assert lowered.saturation.min() < 0.7
    np.testing.assert_array_equal(result.data, lowered.saturation)
    np.testing.assert_array_equal(result.data, result.saturation)


def test_without_clipping_the_excess_is_kept_and_its_sites_stay_known():
    frame = uneven(5, 24, 26)
    result = run(WhiteBalance("gains", gains=GAINS, clip=False), frame)
    assert result.data.max() > 1.8
    clipped = [np.asarray(each.data >= each.saturation) for each in (result, frame)]
    np.testing.assert_array_equal(*clipped)  # the product is monotone


def test_a_demosaiced_file_is_balanced_too():
    frame = camera(noise(8, 9, 10, 3), demosaiced=True, white_balance=GAINS)
    result = run(WhiteBalance(), frame)
    np.testing.assert_array_equal(result.data, np.minimum(frame.data * np.float32(GAINS), np.float32(1)))
    assert result.gains == GAINS


@pytest.mark.parametrize("method", ["gray_world", "white_world"])
def test_a_demosaiced_file_is_measured_per_channel(method):
    data = noise(9, 40, 30, 3, low=0.1, high=1.3)
    frame = camera(data, demosaiced=True, active=Rectangle(1, 2, 30, 20))
    inside = data[1:31, 2:22].astype(np.float64)
    statistic = np.mean if method == "gray_world" else lambda values: np.percentile(values, 99.9)
    usable = (inside < 1 - 1 / 512).all(axis=2)
    level = [statistic(inside[usable][:, c]) for c in range(3)]
    np.testing.assert_allclose(run(WhiteBalance(method), frame).gains, max(level) / np.array(level), rtol=1e-6)


@pytest.mark.parametrize("method", ["as_shot", "gray_world", "white_world", "box", "daylight"])
def test_a_monochrome_sensor_has_nothing_to_balance(method):
    frame = mosaic(noise(1, 6, 6), MONO)
    result = run(WhiteBalance(method, box=(0, 0, 2, 2)), frame)
    assert result.gains == (1, 1, 1)
    np.testing.assert_array_equal(result.data, np.minimum(frame.data, 1))


# --- measuring ---


@pytest.mark.parametrize("cfa", COLOUR_CFAS)
def test_gray_world(cfa):
    frame = uneven(11, 47, 53, cfa=cfa)
    site = naive.colours(cfa, 47, 53)
    expected = naive.balance_gains(frame.data, site, kept(frame), np.mean)
    np.testing.assert_allclose(run(WhiteBalance("gray_world"), frame).gains, expected, rtol=1e-6)


@pytest.mark.parametrize("cfa", COLOUR_CFAS)
@pytest.mark.parametrize("percentile", [99.9, 100, 50])
def test_white_world(cfa, percentile):
    frame = uneven(12, 47, 53, cfa=cfa)
    site = naive.colours(cfa, 47, 53)
    expected = naive.balance_gains(frame.data, site, kept(frame), lambda values: np.percentile(values, percentile))
    gains = run(WhiteBalance("white_world", percentile=percentile), frame).gains
    np.testing.assert_allclose(gains, expected, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(6, 64), st.integers(6, 64), colour_cfas, st.data(), seeds)
def test_box_is_grey_world_of_its_sites(height, width, cfa, data, seed):
    top, left = data.draw(st.integers(0, height - 6)), data.draw(st.integers(0, width - 6))
    box = Rectangle(top, left, data.draw(st.integers(6, height - top)), data.draw(st.integers(6, width - left)))
    frame = mosaic(noise(seed, height, width, low=0.05, high=1.2), cfa)
    keep = kept(frame, box)
    site = naive.colours(cfa, height, width)
    stage = WhiteBalance("box", box=(left, top, box.width, box.height))
    if any(not keep[site == colour].any() for colour in range(3)):
        with pytest.raises(StageError, match="no unclipped"):
            stage(frame)
        return
    np.testing.assert_allclose(run(stage, frame).gains, naive.balance_gains(frame.data, site, keep, np.mean), rtol=1e-6)


def test_the_two_greens_are_one_colour():
    """Means 0.2 and 0.6 over unequal numbers of sites: 12 sites of one row, 6 of the other."""
    data = np.full((3, 6), 0.3)
    data[0::2, 1::2], data[1::2, 0::2] = 0.2, 0.6  # RG RG RG / GB GB GB / RG RG RG
    gains = run(WhiteBalance("gray_world"), mosaic(data)).gains
    green = (6 * 0.2 + 3 * 0.6) / 9
    np.testing.assert_allclose(gains, np.array([green / 0.3, 1, green / 0.3]) / min(1, green / 0.3), rtol=1e-6)


def test_nothing_unclipped_to_measure():
    """Every cell has a clipped blue site, so nothing is left of the other colours either."""
    data = np.full((4, 4), 0.5)
    data[1::2, 1::2] = 1.0
    for stage in (WhiteBalance("gray_world"), WhiteBalance("white_world"), WhiteBalance("box", box=(0, 0, 4, 4))):
        with pytest.raises(StageError, match="no unclipped R site"):
            stage(mosaic(data))


def test_a_colour_that_is_black_cannot_be_measured():
    data = np.where(naive.colours(RGGB, 4, 4) == 0, -0.01, 0.5)
    with pytest.raises(StageError, match="R is not above black"):
        WhiteBalance("gray_world")(mosaic(data))


def test_as_shot():
    assert run(WhiteBalance(), mosaic(noise(1, 4, 4), white_balance=GAINS)).gains == GAINS


def test_as_shot_that_is_missing_is_white_world_and_a_warning(caplog):
    frame = mosaic(noise(13, 60, 60), name="a.kdc")
    with caplog.at_level(logging.WARNING):
        gains = run(WhiteBalance(), frame).gains
    (record,) = caplog.records
    assert "a.kdc" in record.getMessage() and "white world at 99.9 %" in record.getMessage()
    site = naive.colours(RGGB, 60, 60)
    expected = naive.balance_gains(frame.data, site, kept(frame), lambda values: np.percentile(values, 99.9))
    np.testing.assert_allclose(gains, expected, rtol=1e-6)


STAGES = {
    "as_shot": WhiteBalance(),
    "gains": WhiteBalance("gains", gains=(1.2, 1.0, 3.0)),
    "gray_world": WhiteBalance("gray_world"),
    "white_world": WhiteBalance("white_world", percentile=100),
    "box": WhiteBalance("box", box=(2, 3, 20, 10)),
    "kelvin": WhiteBalance("kelvin", kelvin=5000),
    "tungsten": WhiteBalance("tungsten"),
}


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("method", STAGES)
def test_balancing_twice_is_balancing_once(method, clip):
    """Where nothing clips; the measured gains then agree up to the rounding of the mean of the balanced values."""
    stage = STAGES[method]
    stage = WhiteBalance(method, gains=stage.gains, kelvin=stage.kelvin, box=stage.box, percentile=100, clip=clip)
    frame = mosaic(noise(14, 30, 40, low=-0.02, high=0.2), white_balance=GAINS, xyz_to_camera=MATRIX)
    once = run(stage, frame)
    twice = run(stage, once)
    np.testing.assert_allclose(twice.gains, once.gains, rtol=1e-6)
    np.testing.assert_allclose(twice.data, once.data, rtol=1e-6)
    assert once.gains != (1, 1, 1)


@pytest.mark.parametrize("second", STAGES)
def test_the_last_of_two_white_balances_counts(second):
    frame = mosaic(noise(15, 30, 40, low=-0.02, high=0.2), white_balance=GAINS, xyz_to_camera=MATRIX)
    alone = run(STAGES[second], frame)
    after = run(STAGES[second], run(WhiteBalance("gains", gains=(2.5, 1.3, 1.0), clip=False), frame))
    np.testing.assert_allclose(after.gains, alone.gains, rtol=1e-6)
    np.testing.assert_allclose(after.data, alone.data, rtol=1e-6)


# --- the box, as a viewer shows it ---


ASPECTS = [1.0, 2.0, 0.5, 1.5, 4 / 3, 1 / 0.65, 0.7, 0.99]


@st.composite
def scenes(draw):
    """A size, a crop in it, and in that a patch of 5x5 sites or more."""

    def inside(first, length, least):
        size = draw(st.integers(least, length))
        return first + draw(st.integers(0, length - size)), size

    height, width = draw(st.integers(8, 48)), draw(st.integers(8, 48))
    (top, rows), (left, columns) = inside(0, height, 6), inside(0, width, 6)
    (y, patch_rows), (x, patch_columns) = inside(top, rows, 5), inside(left, columns, 5)
    return (height, width), Rectangle(top, left, rows, columns), Rectangle(y, x, patch_rows, patch_columns)


@settings(max_examples=150, deadline=None)
@given(scenes(), st.integers(1, 8), st.sampled_from(ASPECTS), seeds)
@example(((8, 9), Rectangle(0, 0, 8, 7), Rectangle(0, 0, 8, 7)), 2, 1.5, 1)  # 10.5 columns are shown as 11
@example(((8, 9), Rectangle(0, 0, 7, 9), Rectangle(1, 1, 6, 6)), 3, 1.5, 1)  # 13.5 as 14
@example(((9, 8), Rectangle(0, 0, 9, 8), Rectangle(0, 0, 9, 8)), 4, 2 / 3, 1)  # 13.5 rows as 14
def test_a_box_measures_the_sites_that_a_viewer_shows_there(scene, orientation, aspect, seed):
    size, crop, patch = scene
    facts = {"crop": crop, "orientation": orientation, "pixel_aspect": aspect}
    neutral = np.array([0.2, 0.5, 0.3])  # on the patch only; noise elsewhere would shift the mean
    data = noise(seed, *size, low=0.05, high=0.95)
    data[patch.slices] = neutral[naive.colours(RGGB, *size)][patch.slices]
    frame = mosaic(data, **facts)

    mask = np.zeros((*size, 3), np.float32)
    mask[patch.slices] = 1
    shown = upright(mask, frame.meta)[:, :, 0] == 1  # pixels that are interpolated from the patch alone
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    box = (int(columns[0]), int(rows[0]), len(columns), len(rows))
    assert shown[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()

    gains = run(WhiteBalance("box", box=box), frame).gains
    np.testing.assert_allclose(gains, 0.5 / neutral, rtol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("aspect", ASPECTS)
def test_a_box_of_the_whole_picture_is_the_crop(aspect, orientation):
    """But for the last row or column, of which a stretched picture may show a part only."""
    facts = meta((20, 30), crop=Rectangle(2, 3, 9, 11), orientation=orientation, pixel_aspect=aspect)
    height, width = upright(np.zeros((20, 30, 3), np.float32), facts).shape[:2]
    top, left, rows, columns = geometry.picture_to_frame((0, 0, width, height), facts)
    assert (top, left) == (2, 3)
    assert 9 - (aspect < 1) <= rows <= 9 and 11 - (aspect > 1) <= columns <= 11


@pytest.mark.parametrize("box", [(0, 0, 9, 1), (8, 0, 1, 1), (0, 6, 1, 1), (3, 3, 6, 3)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_box_outside_of_the_picture(box, orientation):
    if orientation == 6:
        box = (box[1], box[0], box[3], box[2])
    frame = mosaic(noise(1, 10, 10), crop=Rectangle(2, 1, 6, 8), orientation=orientation)
    with pytest.raises(StageError, match="out of the picture of"):
        WhiteBalance("box", box=box)(frame)


# --- known lights ---

# CIE 15:2018, tables: 2 degree observer.
A, D50, D55, D65, D75 = (
    (0.44757, 0.40745), (0.34567, 0.35851), (0.33242, 0.34743), (0.31272, 0.32903), (0.29902, 0.31485),
)  # fmt: skip


@pytest.mark.parametrize(("kelvin", "published"), [(5003, D50), (5503, D55), (6504, D65), (7504, D75)])
def test_daylight_is_the_cies(kelvin, published):
    """x to the rounding of the temperature (1 K is 3e-5 at most); y to that of the locus.

    The CIE prints the constant of its locus y = -3.000 x^2 + 2.870 x - 0.275 to 5e-4, and tabulates the illuminants by
    way of spectra: they lie 1e-4 beside their own locus.
    """
    for x, y in (colorimetry.daylight(kelvin), colorimetry.temperature(kelvin)):
        assert x == pytest.approx(published[0], abs=5e-5) and y == pytest.approx(published[1], abs=2e-4)


def test_a_black_body_of_2856_kelvin_is_illuminant_a():
    np.testing.assert_allclose(colorimetry.planckian(2856), A, atol=0.001)  # the splines' stated accuracy
    np.testing.assert_allclose(colorimetry.temperature(2856), A, atol=0.001)


def test_presets_are_the_published_illuminants():
    published = {"tungsten": A, "daylight": D65, "flash": D55, "cloudy": D65, "shade": D75}
    assert set(colorimetry.PRESETS) == {*published, "fluorescent"}
    for name, chromaticity in published.items():
        # nominal 5500, 6500, 7500 K are up to 4 K off the illuminants': 2e-4 in x
        np.testing.assert_allclose(colorimetry.PRESETS[name], chromaticity, atol=3e-4)
    np.testing.assert_allclose(colorimetry.PRESETS["fluorescent"], (0.37208, 0.37529))  # CIE F2


def test_temperature_is_monotone_in_x_and_nowhere_jumps():
    kelvin = np.arange(1667.0, 25000.5, 0.5)
    x, y = np.array([colorimetry.temperature(k) for k in kelvin]).T
    assert (np.diff(x) < 0).all()
    # on either side of 1667 K, where it is steepest, x falls 2e-5 and y 7e-6 per half kelvin; a seam of the published
    # splines may add the accuracy to which they are printed
    assert np.abs(np.diff(x)).max() < 1e-4 and np.abs(np.diff(y)).max() < 1e-4


@pytest.mark.parametrize("kelvin", [1666, 25001, 0, -1, float("nan")])
def test_temperature_out_of_range(kelvin):
    refuses(lambda: colorimetry.temperature(kelvin), "WhiteBalance", "kelvin", kelvin, "1667..25000 K")
    refuses(lambda: WhiteBalance("kelvin", kelvin=kelvin), "WhiteBalance", "kelvin", kelvin, "1667..25000 K")


LIGHTS = [
    (WhiteBalance("tungsten"), A),
    (WhiteBalance("fluorescent"), (0.37208, 0.37529)),
    (WhiteBalance("daylight"), (0.3127, 0.3290)),
    (WhiteBalance("kelvin", kelvin=5500), colorimetry.daylight(5500)),
    (WhiteBalance("kelvin", kelvin=3000), colorimetry.planckian(3000)),
    (WhiteBalance("gray_world"), A),
    (WhiteBalance("white_world", percentile=100), A),
    (WhiteBalance("box", box=(2, 2, 12, 12)), A),
]


@pytest.mark.parametrize("cfa", [RGGB, XTRANS])
@pytest.mark.parametrize(("stage", "light"), LIGHTS)
def test_a_grey_scene_under_a_light_comes_out_grey(stage, light, cfa):
    x, y = light
    response = np.array(MATRIX) @ [x / y, 1, (1 - x - y) / y]
    grey = np.full((24, 24), 0.1)
    grey[6:12, 6:12] = 0.2  # whole periods of both patterns, so the mean of each colour sees the same share
    scene = grey * (response / response.max())[naive.colours(cfa, 24, 24)]
    result = run(stage, mosaic(scene, cfa, xyz_to_camera=MATRIX)).data
    np.testing.assert_allclose(result / grey, result[0, 0] / 0.1, rtol=1e-6)


@pytest.mark.parametrize("stage", [WhiteBalance("daylight"), WhiteBalance("kelvin", kelvin=5000)])
def test_a_light_needs_a_matrix(stage):
    with pytest.raises(StageError, match="no colour matrix"):
        stage(mosaic(noise(1, 4, 4)))
    negative = (MATRIX[0], MATRIX[1], (-1.0, -1.0, -1.0))
    with pytest.raises(StageError, match="below 0"):
        stage(mosaic(noise(1, 4, 4), xyz_to_camera=negative))


# --- parameters ---


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("as_shot", WhiteBalance()),
        ("gray_world", WhiteBalance("gray_world")),
        ("shade", WhiteBalance("shade")),
        ("2,1,1.5", WhiteBalance("gains", gains=(2.0, 1.0, 1.5))),
        ("5200K", WhiteBalance("kelvin", kelvin=5200.0)),
        ("5200k", WhiteBalance("kelvin", kelvin=5200.0)),
        ("box:1,2,30,40", WhiteBalance("box", box=(1, 2, 30, 40))),
        ("white_world", WhiteBalance("white_world")),
        ("white_world:99", WhiteBalance("white_world", percentile=99.0)),
    ],
)
def test_parse(text, stage):
    assert WhiteBalance.parse(text) == stage


@pytest.mark.parametrize(
    "text",
    [
        "", "auto", "1,2", "1,2,3,4", "1,,2", "a,b,c", "0,1,1", "-1,1,1", "nan,1,1", "K", "xK", "100K", "nanK", "infK",
        "box:", "box:1,2,3", "box:1,2,3,4,5", "box:1,2,3,0", "box:-1,2,3,4", "box:1.5,2,3,4", "box:a,2,3,4",
        "box:1,2,nan,4", "box:1,2,inf,4", "white_world:", "white_world:0", "white_world:101", "white_world:x",
        "white_world:nan", "box", "gains", "kelvin",
    ],
)  # fmt: skip
def test_parse_refuses_in_one_line(text):
    with pytest.raises(ParameterError) as caught:
        WhiteBalance.parse(text)
    assert str(caught.value).startswith("WhiteBalance: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("method", "auto", "one of as_shot, gray_world"),
        ("gains", (1.0, 0.0, 1.0), "R, G, B above 0"), ("gains", (1.0, 1.0), "a list of 3 numbers"),
        ("gains", (float("nan"), 1.0, 1.0), "R, G, B above 0"), ("gains", (1.0, 1.0, float("inf")), "R, G, B above 0"),
        ("kelvin", 1000, "1667..25000 K"),
        ("box", (0, 0, 0, 5), "x, y, width, height in pixels"), ("box", (-1, 0, 5, 5), "x, y, width, height in pixels"),
        ("box", (0, 0, 5), "a list of 4 whole numbers"),
        ("percentile", 0, "above 0 up to 100"), ("percentile", 101, "above 0 up to 100"),
    ],
)  # fmt: skip
def test_parameters_out_of_range(parameter, value, allowed):
    refuses(lambda: WhiteBalance(**{parameter: value}), "WhiteBalance", parameter, value, allowed)


@pytest.mark.parametrize("method", ["gains", "kelvin", "box"])
def test_a_method_needs_its_own_parameter(method):
    with pytest.raises(ParameterError, match=f"method '{method}' needs the parameter {method}"):
        WhiteBalance(method)


@pytest.mark.parametrize("cfa", COLOUR_CFAS)
def test_gains_do_not_depend_on_where_the_pattern_begins(cfa):
    frame = mosaic(np.array([0.2, 0.5, 0.4])[naive.colours(cfa, 12, 12)], cfa)
    np.testing.assert_allclose(run(WhiteBalance("gray_world"), frame).gains, (2.5, 1.0, 1.25), rtol=1e-6)
