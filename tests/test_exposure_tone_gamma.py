import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp import Exposure, Gamma, ParameterError, Space, Tone

from . import naive
from .frames import linear, noise, refuses, run, seeds, sides

# --- exposure ---


@settings(max_examples=30, deadline=None)
@given(sides, sides, st.floats(-20, 20), st.floats(-3, 3), st.booleans(), seeds)
def test_stops_are_powers_of_2(height, width, stops, baseline, with_baseline, seed):
    frame = linear(noise(seed, height, width, 3), baseline_exposure=baseline)
    gain = 2.0 ** (stops + (baseline if with_baseline else 0))
    # the gain and the product are rounded
    result = run(Exposure(stops, baseline=with_baseline), frame)
    np.testing.assert_allclose(result.data, frame.data * gain, rtol=2.0**-23)


def test_one_stop_doubles_and_clips_nothing():
    np.testing.assert_array_equal(run(Exposure(1.0), linear([[[-0.25, 0.5, 2]]])).data, [[[-0.5, 1, 4]]])


def test_the_files_baseline_exposure_counts_unless_told_otherwise():
    frame = linear(np.ones((1, 1, 3)), baseline_exposure=2.0)
    assert run(Exposure(), frame).data[0, 0, 0] == 4
    assert run(Exposure(baseline=False), frame).data[0, 0, 0] == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.sampled_from([0, 0.01, 0.1, 0.5, 1]), st.floats(0.001, 2), seeds)
def test_auto_bright_is_libraws_rule(height, width, share, brightness, seed):
    frame = linear(noise(seed, height, width, 3) * np.float32(brightness))
    gain = naive.auto_bright(frame.data, share)
    stage = Exposure(0.5, auto_bright=True, clipped=share)
    np.testing.assert_allclose(run(stage, frame).data, frame.data * (gain * 2**0.5), rtol=2.0**-23)


def test_auto_bright_lets_one_percent_of_the_brightest_channel_clip():
    data = np.zeros((100, 100, 3))
    data[:, :, 1].flat[:] = np.arange(10000) / 20000  # green 0 .. 0.5, the others black
    result = run(Exposure(auto_bright=True), linear(data)).data
    # T is a bin of 1 / 8192: beyond the 100 pixels that may clip, those within a bin of 2.44 pixels
    assert 100 <= (result[:, :, 1] >= 1).sum() <= 103


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("stops", 21, "-20..20 stops"), ("stops", -20.5, "-20..20 stops"), ("stops", math.nan, "-20..20 stops"),
        ("clipped", -0.1, "a share 0..1"), ("clipped", 1.1, "a share 0..1"), ("clipped", math.nan, "a share 0..1"),
    ],
)  # fmt: skip
def test_exposure_out_of_range(parameter, value, allowed):
    refuses(lambda: Exposure(**{parameter: value}), "Exposure", parameter, value, allowed)


# --- tone ---


@settings(max_examples=30, deadline=None)
@given(sides, sides, seeds)
def test_the_curve(height, width, seed):
    frame = linear(noise(seed, height, width, 3))
    # roundings of x^c (the exponent's own counts |ln x| times), two sums, a product, a quotient: 10 of 2^-24
    np.testing.assert_allclose(run(Tone(), frame).data, naive.tone(frame.data), rtol=0, atol=10 * 1.5 * 2.0**-24)


def test_black_stays_black_white_stays_white_and_below_black_is_black():
    np.testing.assert_array_equal(run(Tone(), linear([[[0, 1, -0.5]]])).data, [[[0, 1, 0]]])


@pytest.mark.parametrize(("light", "level"), [(0.05, 61), (0.18, 135), (0.5, 212)])
def test_the_levels_that_the_curve_was_fitted_for(light, level):
    """In sRGB, 8 bit (quality.md 3; where it prints 211, its formula with the constants as printed gives 212.3)."""
    toned = run(Tone(), linear([[[light] * 3]])).data[0, 0, 0]
    assert np.round(255 * naive.srgb(toned)) == level
    assert np.round(255 * run(Gamma(), linear([[[toned] * 3]])).data[0, 0, 0]) == level


def test_values_over_1_go_on_up_to_1_plus_the_shoulder():
    result = run(Tone(), linear([[[2, 100, 3e38]]])).data[0, 0]
    assert 1 < result[0] < result[1] < result[2] <= np.float32(1.456)


@settings(max_examples=200, deadline=None)
@given(st.floats(0.1, 10), st.floats(1e-6, 100), st.lists(st.floats(-1e9, 1e9, width=32), min_size=3, max_size=3))
def test_the_curve_is_a_rising_number_for_any_light(contrast, shoulder, values):
    result = run(Tone("camera", contrast, shoulder), linear([[sorted(values)]])).data[0, 0]
    assert (result >= 0).all() and (result <= (1 + shoulder) * (1 + 1e-6)).all()
    assert (np.diff(result) >= -1e-6 * result[1:]).all()


def test_no_tone_changes_nothing():
    frame = linear(noise(1, 4, 5, 3))
    assert Tone("none")(frame) is frame


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("method", "filmic", "one of camera, none"),
        ("contrast", 0.05, "0.1..10"), ("contrast", 11, "0.1..10"), ("contrast", math.nan, "0.1..10"),
        ("shoulder", 0, "above 0 up to 100"), ("shoulder", 101, "above 0 up to 100"),
        ("shoulder", math.nan, "above 0 up to 100"),
    ],
)  # fmt: skip
def test_tone_out_of_range(parameter, value, allowed):
    refuses(lambda: Tone(**{parameter: value}), "Tone", parameter, value, allowed)


# --- gamma ---

BT709 = (2.222, 4.5, 0.018050, 0.099258)  # power, slope, knee, offset (render.md 8, measured in LibRaw)


@pytest.mark.parametrize(
    ("stage", "levels"),
    [
        (Gamma("bt709"), (11.5, 47.5, 104.3, 179.9)),
        (Gamma("srgb"), (25.5, 63.2, 117.6, 187.5)),
        (Gamma("power", 2.2), (31.4, 65.3, 117.0, 186.1)),
    ],
)
def test_the_levels_of_the_three_curves(stage, levels):
    """Linear 0.01, 0.05, 0.18, 0.5 on the scale of 8 bit, printed to 0.1 (render.md 8)."""
    result = run(stage, linear([[[0.01, 0.05, 0.18]], [[0.5, 0, 1]]])).data
    np.testing.assert_allclose(255 * result.ravel()[:4], levels, atol=0.0501)
    np.testing.assert_array_equal(result.ravel()[4:], [0, 1])


@settings(max_examples=30, deadline=None)
@given(sides, sides, seeds)
def test_each_curve_by_its_two_equations(height, width, seed):
    frame = linear(noise(seed, height, width, 3))
    light = frame.data
    expected = {
        Gamma("srgb"): naive.srgb(light),
        Gamma("bt709"): naive.gamma(light, *BT709),
        Gamma("linear"): np.clip(light, 0, 1),
        Gamma("power", 2.2): np.clip(light, 0, 1).astype(np.float64) ** (1 / 2.2),
    }
    for stage, values in expected.items():
        result = run(stage, frame)
        assert result.space is Space.DISPLAY
        assert result.data.min() >= 0 and result.data.max() <= 1
        # float32: a power and two roundings of values up to 1.1; the constants of BT.709 are known to 6 digits
        np.testing.assert_allclose(result.data, values, rtol=0, atol=1e-6)


def test_bt709_is_what_libraw_calls_2_222_and_4_5():
    power, slope, knee, offset = Gamma("bt709").curve()
    assert (1 / power, slope) == pytest.approx(BT709[:2], rel=1e-12)
    assert (knee, offset) == pytest.approx(BT709[2:], abs=5e-7)
    assert Gamma("two_part", 2.222, 4.5).curve() == Gamma("bt709").curve()


def test_srgb_parameters_follow_from_2_4_and_12_92():
    """IEC 61966-2-1 prints the knee to 7 digits and rounds the offset to 0.055."""
    _, _, knee, offset = Gamma("two_part", 2.4, 12.92).curve()
    assert knee == pytest.approx(0.0031308, abs=1e-4) and offset == pytest.approx(0.055, abs=2e-3)


@settings(max_examples=200, deadline=None)
@given(st.floats(1.2, 10), st.floats(1.01, 1000))  # below, the knee is lost in rounding: 1000^-21 at 1.05
def test_value_and_slope_of_the_two_parts_meet(g, s):
    power, slope, knee, offset = Gamma("two_part", g, s).curve()
    assert slope == s and power == pytest.approx(1 / g)
    assert 0 < knee < 1 / s
    assert (1 + offset) * knee**power - offset == pytest.approx(slope * knee, rel=1e-9, abs=1e-12)
    assert (1 + offset) * power * knee ** (power - 1) == pytest.approx(slope, rel=1e-9)
    light = np.linspace(0, 1, 999, dtype=np.float32).reshape(333, 1, 3)
    result = run(Gamma("two_part", g, s), linear(light)).data.ravel()
    assert result[0] == 0 and result[-1] == 1 and result.max() == 1
    assert (np.diff(result) >= -(1 + offset) * 2**-22).all()


def test_a_power_of_1_is_a_line():
    frame = linear(noise(1, 4, 5, 3))
    for stage in (Gamma("power", 1.0), Gamma("two_part", 1.0, 3.0), Gamma("linear")):
        np.testing.assert_array_equal(run(stage, frame).data, np.clip(frame.data, 0, 1))


def test_a_power_has_no_linear_part():
    frame = linear(noise(1, 4, 5, 3))
    np.testing.assert_array_equal(run(Gamma("power", 2.0, 4.5), frame).data, run(Gamma("power", 2.0), frame).data)


def test_the_writer_learns_which_curve_it_was():
    frame = linear(noise(1, 2, 2, 3))
    encodings = [Gamma(name)(frame).encoding for name in ("srgb", "linear", "bt709")]
    assert encodings == ["srgb", "linear", None]
    assert Gamma("power", 2.2)(frame).encoding is None


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("srgb", Gamma()),
        ("bt709", Gamma("bt709")),
        ("linear", Gamma("linear")),
        ("2.2", Gamma("power", 2.2)),
        ("2.222,4.5", Gamma("two_part", 2.222, 4.5)),
    ],
)
def test_gamma_parse(text, stage):
    assert Gamma.parse(text) == stage


@pytest.mark.parametrize(
    "text", ["", "rec2020", "power", "two_part", "2.2,", "0.5", "2.2,1", "2.2,4.5,1", "nan", "2.2,nan", "inf"]
)
def test_gamma_parse_refuses_in_one_line(text):
    with pytest.raises(ParameterError) as caught:
        Gamma.parse(text)
    assert str(caught.value).startswith("Gamma: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("method", "rec2020", "one of srgb, bt709, linear, power, two_part"),
        ("power", 0.9, "1..10"), ("power", 11, "1..10"), ("power", math.nan, "1..10"),
        ("slope", 1, "above 1 up to 1000"), ("slope", 1001, "above 1 up to 1000"),
        ("slope", math.nan, "above 1 up to 1000"),
    ],
)  # fmt: skip
def test_gamma_out_of_range(parameter, value, allowed):
    refuses(lambda: Gamma(**{parameter: value}), "Gamma", parameter, value, allowed)


@pytest.mark.parametrize("stage", [{"method": "power"}, {"method": "two_part"}, {"method": "two_part", "power": 2.2}])
def test_a_curve_needs_its_own_parameters(stage):
    with pytest.raises(ParameterError, match=f"Gamma: {stage['method']} needs (power|slope)"):
        Gamma(**stage)
