import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp import Denoise, ParameterError, Space

from . import naive
from .frames import camera, cfas, mosaic, noise, refuses, run, seeds, sides

ULP = 2.0**-23  # of float32, relative


def grid(seed, *shape, steps=65536):
    """Random multiples of 1 / steps: sums of 49 of them are exact in float64, so their order does not matter."""
    return np.round(noise(seed, *shape) * steps).astype(np.float32) / np.float32(steps)


def cv2_median(image, window):
    """OpenCV repeats the border here always; it has no border argument."""
    return cv2.medianBlur(image, window).reshape(image.shape)


def cv2_mean(image, window):
    return cv2.blur(image, (window, window), borderType=cv2.BORDER_REPLICATE).reshape(image.shape)


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.sampled_from([3, 5]), st.sampled_from([4, 65536]), seeds)
def test_the_median_is_opencvs_bit_for_bit(height, width, window, steps, seed):
    frame = camera(grid(seed, height, width, 3, steps=steps))  # steps = 4: many equal values
    result = run(Denoise("median", window), frame)
    assert result.space is Space.CAMERA
    for colour in range(3):
        plane = np.ascontiguousarray(frame.data[:, :, colour])
        np.testing.assert_array_equal(result.data[:, :, colour], cv2_median(plane, window))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4400), st.sampled_from([0, 1, 3]), seeds)
def test_the_median_of_wide_images_is_opencvs_whatever_is_negative(height, width, negative, seed):
    image = np.abs(grid(seed, height, width, 3))
    places = np.random.default_rng(seed).integers(0, image.size, negative)  # most blocks of a row have none
    image.flat[places] = np.resize(np.float32([-0.5, -0.0, np.inf]), negative)
    result = run(Denoise("median"), camera(image)).data
    for colour in range(3):
        np.testing.assert_array_equal(result[:, :, colour], cv2_median(image[:, :, colour].copy(), 3))


@settings(max_examples=40, deadline=None)
@given(sides, sides, st.sampled_from([3, 5, 7]), seeds)
def test_the_median_is_the_middle_of_the_sorted_window(height, width, window, seed):
    frame = camera(grid(seed, height, width, 3))
    expected = naive.window_filter(frame.data, window, np.median)
    np.testing.assert_array_equal(run(Denoise("median", window), frame).data, expected)


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.sampled_from([3, 5, 7]), seeds)
def test_the_mean_is_summed_in_float64_and_rounded_once(height, width, window, seed):
    frame = camera(grid(seed, height, width, 3))
    result = run(Denoise("mean", window), frame).data
    np.testing.assert_array_equal(result, naive.window_filter(frame.data, window, np.mean).astype(np.float32))
    # OpenCV multiplies by the rounded 1 / count instead of dividing
    np.testing.assert_allclose(result, cv2_mean(frame.data, window), rtol=ULP, atol=0)


@settings(max_examples=60, deadline=None)
@given(sides, sides, cfas, st.sampled_from(["mean", "median"]), st.sampled_from([3, 5]), seeds)
def test_on_the_mosaic_each_place_of_the_pattern_is_a_plane_of_its_own(height, width, cfa, method, window, seed):
    frame = mosaic(grid(seed, height, width), cfa, saturation=np.full((height, width), np.float32(1.2)))
    result = run(Denoise(method, window, "mosaic"), frame)
    assert result.space is Space.MOSAIC and result.saturation is frame.saturation
    opencv = cv2_median if method == "median" else cv2_mean
    expected = naive.on_each_site(frame.data, cfa, lambda plane: opencv(plane, window))
    np.testing.assert_allclose(result.data, expected, rtol=0 if method == "median" else ULP, atol=0)


@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("method", ["mean", "median"])
@pytest.mark.parametrize("level", [0.3, -0.02, 1.7])
def test_a_constant_stays_constant(level, method, window):
    image = camera(np.full((5, 40, 3), level))
    np.testing.assert_array_equal(run(Denoise(method, window), image).data, image.data)
    raw = mosaic(np.full((5, 40), level))
    np.testing.assert_array_equal(run(Denoise(method, window, "mosaic"), raw).data, raw.data)


def test_a_median_removes_a_hot_pixel_and_keeps_an_edge():
    image = np.zeros((9, 10, 3))
    image[:, 5:] = 1
    hot = image.copy()
    hot[4, 2] = 50
    np.testing.assert_array_equal(run(Denoise("median"), camera(hot)).data, image)


def test_none_changes_nothing():
    frame = camera(noise(1, 4, 5, 3))
    assert Denoise()(frame) is frame


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("none", Denoise()),
        ("median", Denoise("median", 3)),
        ("mean:5", Denoise("mean", 5)),
        ("median:7:mosaic", Denoise("median", 7, "mosaic")),
        ("mean:3:camera", Denoise("mean", 3, "camera")),
    ],
)
def test_parse(text, stage):
    assert Denoise.parse(text) == stage
    assert Denoise.parse(text).reads is Denoise.parse(text).writes


@pytest.mark.parametrize(
    "text", ["", "wavelet", "median:", "median:x", "median:4", "median:nan", "median:3:raw", "median:3:mosaic:1"]
)
def test_parse_refuses_in_one_line(text):
    with pytest.raises(ParameterError) as caught:
        Denoise.parse(text)
    assert str(caught.value).startswith("Denoise: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("method", "gaussian", "one of none, mean, median"),
        ("window", 4, "3, 5 or 7 pixels"), ("window", 9, "3, 5 or 7 pixels"), ("window", 3.0, "a whole number"),
        ("window", "3", "a whole number"),
        ("where", "raw", "one of camera, mosaic"),
    ],
)  # fmt: skip
def test_parameters_out_of_range(parameter, value, allowed):
    refuses(lambda: Denoise(**{parameter: value}), "Denoise", parameter, value, allowed)
