import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from isp.errors import ParameterError
from isp.frame import Meta, Rectangle
from isp.geometry import contiguous, orient, scaled_crop, square_pixels, upright


def meta(size, crop=None, **changes):
    whole = Rectangle(0, 0, *size)
    return Meta(cfa=((0, 1), (1, 2)), white=1.0, size=size, active=whole, crop=crop or whole, **changes)


def noise(*shape):
    return np.random.default_rng(7).random((*shape, 3), np.float32)


def interpolated(image, length, positions, axis):
    def along(line):
        return np.interp(positions, np.arange(length), line)  # holds the last value past the edge

    return np.apply_along_axis(along, axis, image.astype(np.float64))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_all_orientations_are_pillows(orientation, dtype):
    pixels = np.random.default_rng(orientation).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture))
    result = orient(pixels.astype(dtype), orientation)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(upright(pixels, meta((5, 7), orientation=orientation)), expected)


@pytest.mark.parametrize("orientation", [0, 9, -1])
def test_orientation_out_of_range(orientation):
    with pytest.raises(ParameterError, match="orientation"):
        orient(noise(2, 2), orientation)


@settings(deadline=None)  # it compiles
@given(st.integers(1, 9), st.integers(1, 150), st.integers(1, 8), st.booleans(), st.sampled_from(["u1", "u2", "f4"]))
def test_contiguous_is_numpys(height, width, orientation, cut, dtype):
    whole = np.random.default_rng(width).integers(0, 65536, (height + 2, width + 2, 3)).astype(dtype)
    view = orient(whole[1:-1, 1:-1] if cut else whole, orientation)
    result = contiguous(view)
    assert result.flags.c_contiguous and result.dtype == view.dtype
    np.testing.assert_array_equal(result, np.ascontiguousarray(view))


def test_crop():
    image = noise(10, 12)
    cut = upright(image, meta((10, 12), Rectangle(1, 3, 7, 5)))
    np.testing.assert_array_equal(cut, image[1:8, 3:8])


def test_crop_of_a_half_size_image():
    image = noise(10, 12)
    cut = upright(image, meta((20, 24), Rectangle(2, 4, 16, 18)))
    np.testing.assert_array_equal(cut, image[1:9, 2:11])


sides = st.integers(1, 64)


@given(st.data(), sides, sides, sides, sides)
def test_scaled_crop_stays_inside_and_within_half_a_pixel(data, height, width, rows, columns):
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    crop = Rectangle(top, left, data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left)))
    cut = scaled_crop(meta((height, width), crop), (rows, columns, 3))
    assert 0 <= cut.top < cut.top + cut.height <= rows
    assert 0 <= cut.left < cut.left + cut.width <= columns
    assert abs(cut.top - crop.top * rows / height) <= 0.5 or cut.height == 1
    assert abs(cut.left + cut.width - (crop.left + crop.width) * columns / width) <= 0.5 or cut.width == 1


@pytest.mark.parametrize("aspect", [2.0, 1.5, 4 / 3, 1.05, 1 / 0.65])
def test_wide_photosites_are_interpolated_along_rows(aspect):
    image = noise(6, 31)
    width = int(31 * aspect + 0.5)
    expected = interpolated(image, 31, np.arange(width) / aspect, axis=1)
    result = square_pixels(image, aspect)
    assert result.dtype == np.float32 and result.shape == (6, width, 3)
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("aspect", [0.5, 0.7, 0.9, 0.99])
def test_tall_photosites_are_interpolated_along_columns(aspect):
    image = noise(31, 6)
    height = int(31 / aspect + 0.5)
    expected = interpolated(image, 31, np.arange(height) * aspect, axis=0)
    result = square_pixels(image, aspect)
    assert result.dtype == np.float32 and result.shape == (height, 6, 3)
    np.testing.assert_allclose(result, expected, atol=1e-6)


@given(sides, sides, st.floats(0.1, 10))
def test_stretching_invents_no_value(height, width, aspect):
    image = noise(height, width)
    result = square_pixels(image, aspect)
    assert image.min() - 1e-6 <= result.min() and result.max() <= image.max() + 1e-6


def test_square_pixels_are_left_alone():
    image = noise(3, 4)
    assert square_pixels(image, 1.0) is image


def test_integers_are_never_interpolated():
    with pytest.raises(ParameterError, match="float32"):
        square_pixels(np.zeros((4, 4, 3), np.uint8), 2.0)


@pytest.mark.parametrize("aspect", [0.0, -1.0, 11.0, float("nan"), float("inf")])
def test_aspect_out_of_range(aspect):
    with pytest.raises(ParameterError, match="aspect"):
        square_pixels(noise(2, 2), aspect)


def test_crop_then_stretch_then_turn():
    image = noise(20, 30)
    image.flags.writeable = False
    crop = Rectangle(2, 5, 10, 16)
    wide = interpolated(image[2:12, 5:21], 16, np.arange(32) / 2, axis=1)
    result = upright(image, meta((20, 30), crop, pixel_aspect=2.0, orientation=6))
    np.testing.assert_allclose(result, np.rot90(wide, -1), atol=1e-6)  # orientation 6: turn clockwise
