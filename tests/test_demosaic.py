import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp import Demosaic, Space, StageError

from . import naive
from .frames import (
    BAYER,
    CFAS,
    COLOUR_CFAS,
    MONO,
    RGGB,
    XTRANS,
    cfas,
    colour_cfas,
    mosaic,
    noise,
    refuses,
    rolled,
    seeds,
    sides,
)  # fmt: skip
from .frames import run as run_stage

# A sum of up to 25 weighted samples, first 5 down and then 5 across: at most 13 roundings of 2^-24 = 7.7e-7, relative
# to the sum of their magnitudes.
ROUNDED = 1e-6


def run(frame, method="bilinear"):
    result = run_stage(Demosaic(method), frame)
    assert result.space is Space.CAMERA and result.saturation == 1.0
    return result.data


def tent(cfa):
    """1 2 1 where all colours are in every 2x2 block, 1 2 3 2 1 for X-Trans, where they are in every 3x3 block."""
    return (1, 2, 1) if len(cfa) == 2 else (1, 2, 3, 2, 1)


# --- bilinear ---


@settings(max_examples=100, deadline=None)
@given(sides, sides, colour_cfas, seeds)
def test_missing_colours_are_the_weighted_mean_of_the_samples_around(height, width, cfa, seed):
    frame = mosaic(noise(seed, height, width), cfa)
    expected = naive.bilinear(frame.data, cfa, tent(cfa))
    magnitude = naive.bilinear(np.abs(frame.data), cfa, tent(cfa))
    assert (np.abs(run(frame) - expected) <= ROUNDED * magnitude).all()


@settings(max_examples=50, deadline=None)
@given(sides, sides, cfas, seeds)
def test_a_sites_own_sample_is_kept_bit_for_bit(height, width, cfa, seed):
    frame = mosaic(noise(seed, height, width), cfa)
    own = np.take_along_axis(run(frame), naive.colours(cfa, height, width)[:, :, None], 2)
    np.testing.assert_array_equal(own[:, :, 0], frame.data)


@settings(max_examples=100, deadline=None)
@given(sides, sides, cfas, st.floats(1e-3, 10))
def test_a_flat_field_stays_flat_and_neutral_to_the_last_pixel(height, width, cfa, level):
    result = run(mosaic(np.full((height, width), level), cfa))
    np.testing.assert_allclose(result, np.float32(level), rtol=ROUNDED)


@st.composite
def any_cfa(draw):
    """Any pattern of up to 4x4 with all three colours."""
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    sites = draw(st.lists(st.integers(0, 2), min_size=height * width, max_size=height * width))
    pattern = tuple(tuple(sites[y * width : (y + 1) * width]) for y in range(height))
    return pattern if set(sites) == {0, 1, 2} else ((0, 1, 2),)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), any_cfa())
def test_any_periodic_pattern_works(height, width, cfa):
    np.testing.assert_allclose(run(mosaic(np.full((height, width), 0.3), cfa)), np.float32(0.3), rtol=2e-6)
    colour = np.array([0.2, 0.5, 0.4])
    result = run(mosaic(colour[naive.colours(cfa, 24, 24)], cfa))
    # 8 x 8 weights at most: 24 roundings
    np.testing.assert_allclose(result, np.broadcast_to(colour, result.shape), rtol=2e-6)
    result = run(mosaic(colour[naive.colours(cfa, 24, 24)], cfa), "half")
    np.testing.assert_allclose(result, np.broadcast_to(colour, result.shape), rtol=2e-6)


@pytest.mark.parametrize("cfa", BAYER.values(), ids=BAYER)
def test_a_plane_is_reproduced_inside(cfa):
    y, x = np.mgrid[:17, :22]
    plane = 0.2 + 0.03 * x - 0.01 * y
    result = run(mosaic(plane, cfa))[1:-1, 1:-1]
    # 1e-6 of the largest value, 0.83
    np.testing.assert_allclose(result, np.broadcast_to(plane[1:-1, 1:-1, None], result.shape), rtol=0, atol=0.83e-6)


@pytest.mark.parametrize("offset", [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)])
@pytest.mark.parametrize("cfa", COLOUR_CFAS)
def test_the_phase_of_a_crop_does_not_shift_the_picture(cfa, offset):
    whole = noise(4, 40, 43)
    down, across = offset
    crop = run(mosaic(whole[down:, across:], rolled(cfa, down, across)))
    margin = len(tent(cfa)) // 2
    inside = run(mosaic(whole, cfa))[down + margin : -margin, across + margin : -margin]
    np.testing.assert_array_equal(crop[margin:-margin, margin:-margin], inside)


def test_an_example_by_hand():
    """RGGB: at the corner only what exists counts; at a blue site red is the mean of four diagonal neighbours."""
    result = run(mosaic([[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    np.testing.assert_allclose(result[0, 0], [1, (2 + 4) / 2, 5], rtol=ROUNDED)
    np.testing.assert_allclose(result[1, 1], [(1 + 3 + 7 + 9) / 4, (2 + 4 + 6 + 8) / 4, 5], rtol=ROUNDED)
    np.testing.assert_allclose(result[0, 1], [(1 + 3) / 2, 2, 5], rtol=ROUNDED)
    np.testing.assert_allclose(result[1, 0], [(1 + 7) / 2, 4, 5], rtol=ROUNDED)


def test_a_single_site_is_grey():
    np.testing.assert_array_equal(run(mosaic([[0.3]])), np.full((1, 1, 3), np.float32(0.3)))


@pytest.mark.parametrize("colour", [0, 1, 2])
def test_a_monochrome_sensor_is_grey(colour):
    frame = mosaic(noise(1, 7, 9), ((colour,),))
    np.testing.assert_array_equal(run(frame), np.repeat(frame.data[:, :, None], 3, 2))
    expected = np.repeat(naive.half(frame.data, ((1,),), 2)[:, :, 1:2], 3, 2)
    np.testing.assert_allclose(run(frame, "half"), expected, rtol=0, atol=ROUNDED * 1.5)


# --- half ---


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 64), st.integers(3, 64), colour_cfas, seeds)
def test_half_is_the_mean_of_each_colour_in_a_cell(height, width, cfa, seed):
    cell = 3 if cfa == XTRANS else 2
    frame = mosaic(noise(seed, height, width), cfa)
    result = run(frame, "half")
    assert result.shape == (height // cell, width // cell, 3)
    # at most 5 values of at most 1.5: 5 roundings
    np.testing.assert_allclose(result, naive.half(frame.data, cfa, cell), rtol=0, atol=5 * 1.5 * 2**-24)


def test_half_gives_one_picture_whatever_the_phase():
    """As the two DSC_1339 sample files, whose cells hold the same numbers in another order."""
    red, green1, green2, blue = noise(9, 4, 10, 12)
    pictures = []
    for cfa in BAYER.values():
        data, greens = np.empty((20, 24), np.float32), iter((green1, green2))
        for y, x in np.ndindex(2, 2):
            data[y::2, x::2] = {0: red, 2: blue}[cfa[y][x]] if cfa[y][x] != 1 else next(greens)
        pictures.append(run(mosaic(data, cfa), "half"))
    np.testing.assert_array_equal(pictures[0][:, :, 0], red)
    np.testing.assert_array_equal(pictures[0][:, :, 2], blue)
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])


@pytest.mark.parametrize(("cfa", "size"), [(RGGB, (1, 9)), (RGGB, (9, 1)), (XTRANS, (2, 9)), (MONO, (1, 1))])
def test_half_needs_a_whole_cell(cfa, size):
    with pytest.raises(StageError, match=r"smaller than one .* cell; use bilinear"):
        run(mosaic(np.ones(size), cfa), "half")


@pytest.mark.parametrize("cfa", CFAS)
def test_half_of_the_smallest_image_is_one_pixel(cfa):
    side = 3 if cfa == XTRANS else 2
    np.testing.assert_allclose(run(mosaic(np.full((side, side), 0.4), cfa), "half"), np.full((1, 1, 3), 0.4), rtol=1e-6)


def test_parameters_out_of_range():
    refuses(lambda: Demosaic("ahd"), "Demosaic", "method", "ahd", "one of bilinear, half")
