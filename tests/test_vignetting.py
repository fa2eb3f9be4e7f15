import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp import BlackLevel, ParameterError, StageError, Vignetting
from isp.frame import Rectangle
from isp.opcodes import GainMap, RadialGain

from . import naive
from .frames import BAYER, RGGB, XTRANS, camera, mosaic, noise, raw, refuses, rolled, run, seeds, sides

# A gain is rounded to float32 and so is its product with a value: 2 roundings of 2^-24.
ROUNDED_TWICE = 2.0**-23

METHODS = {
    "radial": {"coefficients": (0.3, -0.1, 0.05)},
    "natural": {"angle": 35.0},
    "pixel": {"angle": 35.0, "exponent": 2.5},
    "mechanical": {"onset": 0.4, "loss": 0.6},
}


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.sampled_from(list(METHODS)), st.floats(0, 1), st.floats(0, 1), st.sampled_from([1, 0.5, 1.4]))
def test_gain_times_falloff_is_1(height, width, method, x, y, aspect):
    r = naive.radius(height, width, (x, y), aspect)
    light = naive.light_left(method, r, **METHODS[method])
    frame = mosaic(0.7 * light, pixel_aspect=aspect)
    result = run(Vignetting(method, center=(x, y), **METHODS[method]), frame)
    np.testing.assert_allclose(result.data, 0.7, rtol=2 * ROUNDED_TWICE)  # the input is rounded too
    np.testing.assert_allclose(result.saturation, 1 / light, rtol=ROUNDED_TWICE)


@pytest.mark.parametrize("method", METHODS)
def test_the_farthest_corner_has_radius_1(method):
    field = Vignetting(method, **METHODS[method]).gains(mosaic(np.zeros((3001, 3))).meta)
    corner = 1 / naive.light_left(method, np.array(1.0), **METHODS[method])
    # the corner pixel's middle lies half a pixel, 1/3000 of the radius, before the corner; |d ln gain / dr| < 6
    assert field[0, 0] == pytest.approx(float(corner), rel=6 / 3000)
    assert field[1500, 1] == 1.0


@pytest.mark.parametrize("from_file", [True, False])
def test_the_field_angle_follows_from_focal_length_and_sensor_size(from_file):
    # half the diagonal of 36 x 24 mm is 21.633 mm
    angle = np.degrees(np.arctan(np.hypot(36, 24) / 2 / 35))
    frame = mosaic(np.ones((8, 12)), focal_length=35.0 if from_file else 200.0)
    stage = Vignetting("natural", focal_length=None if from_file else 35.0, sensor_size=(36.0, 24.0))
    light = naive.light_left("natural", naive.radius(8, 12), angle=angle)
    np.testing.assert_allclose(run(stage, frame).data, 1 / light, rtol=ROUNDED_TWICE)


def test_no_focal_length():
    with pytest.raises(StageError, match="no focal length; give focal_length"):
        Vignetting("natural", sensor_size=(36.0, 24.0))(mosaic(np.ones((4, 4))))


@pytest.mark.parametrize("coefficient", [-1.5, -1e9])
def test_a_gain_never_turns_light_negative(coefficient):
    with pytest.raises(StageError, match="above 0"):
        Vignetting("radial", coefficients=(coefficient,))(mosaic(np.ones((9, 9))))


def test_two_stages_multiply_and_so_do_their_saturations():
    frame = mosaic(noise(3, 20, 30))
    natural, pixel = Vignetting("natural", angle=30.0), Vignetting("pixel", angle=30.0, exponent=1.5)
    result = run(pixel, run(natural, frame))
    r = naive.radius(20, 30)
    gain = 1 / (naive.light_left("natural", r, angle=30) * naive.light_left("pixel", r, angle=30, exponent=1.5))
    np.testing.assert_allclose(result.data, frame.data * gain, rtol=2 * ROUNDED_TWICE)
    np.testing.assert_allclose(result.saturation, gain, rtol=2 * ROUNDED_TWICE)


def test_a_uniform_saturation_is_lifted_too():
    result = run(Vignetting("natural", angle=30.0), mosaic(np.ones((6, 6)), saturation=0.5))
    np.testing.assert_array_equal(result.saturation, 0.5 * result.data)


@pytest.mark.parametrize("cfa", [RGGB, XTRANS])
def test_clipped_sites_lie_exactly_at_the_saturation(cfa):
    clipped = BlackLevel()(raw(np.full((20, 21), 4000), cfa, white=4000.0, black=((64.0,),)))
    result = run(Vignetting("mechanical", loss=0.5), run(Vignetting("radial", coefficients=(-0.2, 0.3)), clipped))
    np.testing.assert_array_equal(result.data, result.saturation)


def test_the_masked_border_stays_as_it_is():
    frame = mosaic(noise(4, 12, 14), active=Rectangle(1, 3, 10, 8))
    result = run(Vignetting("natural", angle=40.0), frame)
    light = np.ones((12, 14))
    light[1:11, 3:11] = naive.light_left("natural", naive.radius(10, 8), angle=40)
    np.testing.assert_allclose(result.data, frame.data / light, rtol=ROUNDED_TWICE)
    np.testing.assert_allclose(result.saturation, 1 / light, rtol=ROUNDED_TWICE)


@pytest.mark.parametrize("method", METHODS)
def test_a_demosaiced_image_gets_one_gain_for_all_colours(method):
    frame = camera(noise(5, 10, 12, 3), demosaiced=True)
    result = run(Vignetting(method, **METHODS[method]), frame)
    gain = 1 / naive.light_left(method, naive.radius(10, 12), **METHODS[method])
    np.testing.assert_allclose(result.data, frame.data * gain[:, :, None], rtol=ROUNDED_TWICE)
    assert result.saturation.shape == (10, 12, 3)


def test_none_and_a_file_that_says_nothing_change_nothing():
    frame = mosaic(noise(6, 5, 5))
    assert Vignetting("none")(frame) is frame and Vignetting()(frame) is frame


# --- flat field ---


@pytest.mark.parametrize("cfa", [RGGB, XTRANS])
def test_without_smoothing_a_flat_field_is_brightest_over_value_per_site(cfa):
    flat = noise(7, 13, 15, low=0.2, high=0.9)
    result = run(Vignetting("flat", flat=flat, smoothing=0), mosaic(np.ones((13, 15)), cfa))
    expected = naive.on_each_site(flat, cfa, lambda site: site.max() / site.astype(np.float64))
    np.testing.assert_allclose(result.data, expected, rtol=ROUNDED_TWICE)


@pytest.mark.parametrize("smoothing", [1, 3, 100])
def test_a_flat_field_is_averaged_over_a_box_of_cells_that_shrinks_towards_the_border(smoothing):
    flat = noise(8, 17, 12, low=0.2, high=0.9)

    def around(index, size):
        reach = min(smoothing, index, size - 1 - index)
        return slice(index - reach, index + reach + 1)

    def gain(site):
        smooth = np.empty(site.shape)
        for y, x in np.ndindex(site.shape):
            smooth[y, x] = site[around(y, site.shape[0]), around(x, site.shape[1])].mean(dtype=np.float64)
        return smooth.max() / smooth

    result = run(Vignetting("flat", flat=flat, smoothing=smoothing), mosaic(np.ones((17, 12))))
    # the box sums are float64 differences of sums below 17 * 12: exact to 1e-14, far below float32
    np.testing.assert_allclose(result.data, naive.on_each_site(flat, RGGB, gain), rtol=ROUNDED_TWICE)


@pytest.mark.parametrize("cfa", [*BAYER.values(), XTRANS])
def test_a_falloff_is_removed_by_its_own_flat_field(cfa):
    """To 1 %, colour shading too.

    The mean over 2 * 16 + 1 cells of 2 (Bayer) or 6 (X-Trans) sites, s = 19 or 57 sites of standard deviation, takes
    f + s^2 f'' / 2 per axis for f; with cos^4 at 30 degrees |f''| <= 4/3 per squared half diagonal of 1081 sites: less
    than 1 % for both.
    """
    height, width = 1200, 1800
    y, x = np.mgrid[:height, :width]
    r2 = ((x + 0.5 - width / 2) ** 2 + (y + 0.5 - height / 2) ** 2) / (width**2 + height**2) * 4
    tint = np.array([0.6, 0.9, 0.5])[np.tile(np.array(cfa), (height // len(cfa), width // len(cfa)))]
    light = tint / (1 + r2 / 3) ** 2
    result = Vignetting("flat", flat=light)(mosaic(0.4 * light, cfa))
    expected = 0.4 * tint  # the brightest spot keeps its level
    assert np.abs(result.data / expected - 1).max() < 0.01
    assert np.abs(result.saturation * light / tint - 1).max() < 0.01


@pytest.mark.parametrize("shape", [(10, 11), (11, 10), (5, 5)])
def test_a_flat_field_of_another_size(shape):
    with pytest.raises(StageError, match="flat field is"):
        Vignetting("flat", flat=np.ones(shape))(mosaic(np.ones((10, 10))))


@pytest.mark.parametrize("dark", [0.0, -0.1, float("nan")])
def test_a_flat_field_must_be_above_black(dark):
    flat = np.ones((10, 10))
    flat[4, 5] = dark
    with pytest.raises(StageError, match="not above black"):
        Vignetting("flat", flat=flat, smoothing=0)(mosaic(np.ones((10, 10))))


# --- what the file says ---


def gain_map(points, **changes):
    """A map over everything, unless changed."""
    points = tuple(tuple(tuple(np.atleast_1d(point).tolist()) for point in row) for row in points)
    spacing = tuple(1 / max(count - 1, 1) for count in (len(points), len(points[0])))
    fields = {
        "top": 0, "left": 0, "bottom": 1000, "right": 1000, "row_pitch": 1, "column_pitch": 1, "plane": 0, "planes": 1,
        "spacing": spacing, "origin": (0.0, 0.0), "points": points, "after_demosaic": False,
    }  # fmt: skip
    return GainMap(**(fields | changes))


def points(seed, rows, columns, planes=1):
    return np.random.default_rng(seed).uniform(0.5, 3, (rows, columns, planes)).astype(np.float32).astype(float)


@settings(max_examples=30, deadline=None)
@given(sides, sides, st.integers(1, 5), st.integers(1, 5), st.floats(-0.2, 0.6), st.floats(0.05, 1), seeds)
def test_a_gain_map_is_bilinear_between_its_points_and_constant_beyond(h, w, rows, columns, origin, spacing, seed):
    grid = points(seed, rows, columns)
    shading = gain_map(grid, origin=(origin, origin / 2), spacing=(spacing, 2 * spacing))
    result = run(Vignetting(), mosaic(np.ones((h, w)), lens_shading=(shading,)))
    expected = naive.gain_map(h, w, grid[:, :, 0], (spacing, 2 * spacing), (origin, origin / 2))
    np.testing.assert_allclose(result.data, expected, rtol=ROUNDED_TWICE)
    np.testing.assert_array_equal(result.saturation, result.data)


def test_a_gain_map_per_cfa_site():
    maps, expected = [], np.empty((11, 14))
    for y, x in np.ndindex(2, 2):
        grid = points(10 * y + x, 3, 4)
        maps.append(gain_map(grid, top=y, left=x, row_pitch=2, column_pitch=2))
        expected[y::2, x::2] = naive.gain_map(11, 14, grid[:, :, 0], (1 / 2, 1 / 3), (0, 0))[y::2, x::2]
    result = run(Vignetting(), mosaic(np.ones((11, 14)), lens_shading=tuple(maps)))
    np.testing.assert_allclose(result.data, expected, rtol=ROUNDED_TWICE)


@settings(max_examples=30, deadline=None)
@given(sides, sides, st.sampled_from([1, 2]), st.sampled_from([(), (0.3,), (0.2, -0.1, 0.05, 0.1, 0.02, 0.01)]), seeds)
def test_gains_computed_with_the_row_are_the_field_to_the_last_bit(height, width, cell, coefficients, seed):
    maps = [
        gain_map(points(seed + y + x, 4, 3), top=y, left=x, row_pitch=cell, column_pitch=cell)
        for y, x in np.ndindex(cell, cell)
    ]
    frame = mosaic(noise(seed, height, width), lens_shading=tuple(maps))
    for stage in (Vignetting(), Vignetting("radial", coefficients=coefficients, center=(0.4, 0.7))):
        result, field = run(stage, frame), stage.gains(frame.meta)
        np.testing.assert_array_equal(result.saturation, field)
        np.testing.assert_array_equal(result.data, frame.data * field)


def test_a_gain_map_of_a_part_lies_relative_to_the_active_area():
    grid = points(1, 2, 2)
    shading = gain_map(grid, top=2, left=1, bottom=7, right=30, row_pitch=3, column_pitch=2)
    frame = mosaic(np.ones((14, 16)), active=Rectangle(3, 5, 9, 10), lens_shading=(shading,))
    expected = np.ones((14, 16))
    expected[3:12, 5:15][2:7:3, 1:30:2] = naive.gain_map(9, 10, grid[:, :, 0], (1, 1), (0, 0))[2:7:3, 1:30:2]
    np.testing.assert_allclose(run(Vignetting(), frame).data, expected, rtol=ROUNDED_TWICE)


@pytest.mark.parametrize("offset", [(0, 0), (1, 0), (1, 1)])
@pytest.mark.parametrize("map_planes", [1, 2, 3])
def test_colour_planes_of_list_3_reach_the_sites_of_their_colour(offset, map_planes):
    """Planes beyond the map's last share the last (DNG specification 1.7.1, GainMap, MapPlanes)."""
    grid = points(2, 3, 3, map_planes)
    shading = gain_map(grid, planes=3, after_demosaic=True)
    gain = np.stack(
        [naive.gain_map(10, 12, grid[:, :, min(plane, map_planes - 1)], (0.5, 0.5), (0, 0)) for plane in range(3)], -1
    )
    result = run(Vignetting(), camera(np.ones((10, 12, 3)), demosaiced=True, lens_shading=(shading,)))
    np.testing.assert_allclose(result.data, gain, rtol=ROUNDED_TWICE)

    top, left = offset
    active = Rectangle(top, left, 10, 12)
    cfa = rolled(RGGB, -top, -left)  # RGGB at the corner of the active area
    frame = mosaic(np.ones((12, 14)), cfa, active=active, lens_shading=(shading,))
    site = naive.colours(RGGB, 10, 12)
    expected = np.ones((12, 14))
    expected[active.slices] = np.take_along_axis(gain, site[:, :, None], 2)[:, :, 0]
    np.testing.assert_allclose(run(Vignetting(), frame).data, expected, rtol=ROUNDED_TWICE)


@pytest.mark.parametrize("plane", [1, 2])
def test_a_map_for_one_colour_leaves_the_others(plane):
    shading = gain_map([[2.0]], plane=plane, after_demosaic=True)
    result = run(Vignetting(), mosaic(np.ones((6, 6)), lens_shading=(shading,)))
    np.testing.assert_array_equal(result.data, np.where(naive.colours(RGGB, 6, 6) == plane, 2.0, 1.0))


def test_planes_that_the_image_does_not_have_are_left_out():
    """The one plane of a mosaic gets a list 2 map once, whatever number of planes it claims; colours end at 2."""
    one = dataclasses.replace(mosaic(np.ones((4, 4))).meta, lens_shading=(gain_map([[2.0]], planes=3),))
    np.testing.assert_array_equal(run(Vignetting(), mosaic(np.ones((4, 4))).replace(meta=one)).data, 2.0)
    beyond = (gain_map([[2.0]], plane=1), gain_map([[3.0]], plane=3, planes=5, after_demosaic=True))
    np.testing.assert_array_equal(run(Vignetting(), mosaic(np.ones((4, 4)), lens_shading=beyond)).data, 1.0)
    many = (gain_map([[2.0]], plane=1, planes=7),)
    result = run(Vignetting(), camera(np.ones((4, 4, 3)), demosaiced=True, lens_shading=many))
    np.testing.assert_array_equal(result.data, np.broadcast_to(np.float32([1, 2, 2]), (4, 4, 3)))


def test_radial_and_map_of_a_file_multiply_in_order():
    shading = (RadialGain((0.1, 0.2, 0.0, 0.3, 0.05), (0.4, 0.7), True), gain_map([[1.5]], planes=3))
    for frame in (
        mosaic(np.ones((9, 12)), lens_shading=shading, pixel_aspect=0.5),
        camera(np.ones((9, 12, 3)), demosaiced=True, lens_shading=shading, pixel_aspect=0.5),
    ):
        r = naive.radius(9, 12, (0.4, 0.7), 0.5)
        gain = 1.5 / naive.light_left("radial", r, coefficients=(0.1, 0.2, 0.0, 0.3, 0.05))
        result = run(Vignetting(), frame).data.reshape(9, 12, -1)
        np.testing.assert_allclose(result, np.broadcast_to(gain[:, :, None], result.shape), rtol=2 * ROUNDED_TWICE)


@pytest.mark.parametrize("coefficient", [-3.0, float("nan")])
def test_a_damaged_radial_gain_of_a_file_is_refused_and_not_drawn(coefficient):
    shading = (RadialGain((coefficient, 0.0, 0.0, 0.0, 0.0), (0.5, 0.5), True),)
    with pytest.raises(StageError, match="Vignetting"):
        Vignetting()(mosaic(np.ones((9, 9)), lens_shading=shading))


# --- parameters ---


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("file", Vignetting()),
        ("none", Vignetting("none")),
        ("flat:a,b=c.dng", Vignetting("flat", flat="a,b=c.dng")),
        ("radial:0.3", Vignetting("radial", coefficients=(0.3,))),
        ("radial:0.3,-.1,1e-2", Vignetting("radial", coefficients=(0.3, -0.1, 0.01))),
        (
            "radial:coefficients=0.3/0.1,center=0.4x0.6",
            Vignetting("radial", coefficients=(0.3, 0.1), center=(0.4, 0.6)),
        ),
        ("natural:angle=30", Vignetting("natural", angle=30.0)),
        (
            "natural:focal_length=50,sensor_size=36x24",
            Vignetting("natural", focal_length=50.0, sensor_size=(36.0, 24.0)),
        ),
        ("mechanical:onset=.6,loss=.3", Vignetting("mechanical", onset=0.6, loss=0.3)),
        ("pixel:angle=20,exponent=2", Vignetting("pixel", angle=20.0, exponent=2.0)),
    ],
)
def test_parse(text, stage):
    assert Vignetting.parse(text) == stage


@pytest.mark.parametrize(
    "text",
    [
        "", "lens", "radial", "radial:", "radial:a", "radial:1,,2", "natural", "natural:30", "natural:angle=x",
        "natural:angle=", "natural:color=3", "natural:focal_length=50", "natural:sensor_size=36,angle=3", "flat",
        "flat:", "pixel", "mechanical:loss=1", "mechanical:smoothing=nan", "mechanical:smoothing=inf",
        "mechanical:smoothing=1.5",
    ],
)  # fmt: skip
def test_parse_refuses_in_one_line(text):
    with pytest.raises(ParameterError) as caught:
        Vignetting.parse(text)
    assert str(caught.value).startswith("Vignetting: ") and "\n" not in str(caught.value)


NAN = float("nan")


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("method", "optical", "one of file, none, radial"),
        ("coefficients", (0.1,) * 11, "up to 10 numbers"),
        ("coefficients", (NAN,), "up to 10 numbers"),
        ("angle", 90, "0..89 degrees"), ("angle", -1, "0..89 degrees"), ("angle", NAN, "0..89 degrees"),
        ("focal_length", 0, "above 0"), ("focal_length", NAN, "above 0"),
        ("sensor_size", (36, 0), "width and height"), ("sensor_size", (36,), "a list of 2 numbers"),
        ("sensor_size", (36, NAN), "width and height"),
        ("onset", 1, "0 up to, not including, 1"), ("onset", -0.1, "0 up to"), ("onset", NAN, "0 up to"),
        ("loss", 1, "0 up to, not including, 1"), ("loss", -0.1, "0 up to"),
        ("exponent", 11, "0..10"), ("exponent", -1, "0..10"),
        ("center", (0.5, 1.1), "within 0..1"), ("center", (0.5,), "a list of 2 numbers"),
        ("center", (0.5, NAN), "within 0..1"),
        ("smoothing", -1, "0..1000"), ("smoothing", 1001, "0..1000"), ("smoothing", 1.5, "a whole number"),
    ],
)  # fmt: skip
def test_parameters_out_of_range(parameter, value, allowed):
    refuses(lambda: Vignetting(**{parameter: value}), "Vignetting", parameter, value, allowed)


def test_a_method_needs_its_own_parameter():
    refuses(lambda: Vignetting("flat"), "Vignetting", "flat", None, "path of a raw file or an array")
    for method in ("natural", "pixel"):
        with pytest.raises(ParameterError, match=f"Vignetting: {method} needs angle"):
            Vignetting(method)


def test_a_hostile_radial_gain_is_said_not_applied():
    huge = RadialGain((1e300, 0.0, 0.0, 0.0, 0.0), (0.5, 0.5), after_demosaic=False)
    with pytest.raises(StageError, match=r"the file's gains reach .*; it is damaged, use none"):
        Vignetting()(mosaic(np.ones((6, 6)), lens_shading=(huge,)))
