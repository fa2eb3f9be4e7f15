"""What the host spares a denoiser, beside the whole image at once in plain NumPy, and what it tells of errors."""

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp.denoisers import denoised
from isp.denoisers.host import LocalNoise, rggb_corner
from isp.errors import DenoiserError
from isp.noise import NoiseModel
from isp.threads import over_items, over_rows, thread_count

from .denoisers import Box, Levels
from .frames import BAYER, MONO, XTRANS, noise, rolled, seeds

MODEL = NoiseModel((1e-3, 2e-3, 3e-3), (1e-5, 2e-5, 3e-5))
CORNERS = [(0, 0), (0, 1), (1, 0), (1, 1)]
sides = st.integers(2, 90)


def at_once(image, denoiser, corner=(0, 0)):
    """The whole image, mirrored by NumPy far enough that it begins on an RGGB cell, through the denoiser."""
    height, width = image.shape[:2]
    rows, columns = (corner[0] + 8, 8 + (corner[0] + height) % 2), (corner[1] + 8, 8 + (corner[1] + width) % 2)
    padded = np.pad(image, [rows, columns] + [(0, 0)] * (image.ndim - 2), mode="reflect")
    return denoiser(padded, MODEL)[rows[0] :, columns[0] :][:height, :width]


# --- tiles, borders, phases ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.sampled_from(CORNERS), st.integers(1, 100), seeds)
def test_tiles_and_phases_change_nothing(height, width, corner, tile, seed):
    image = noise(seed, height, width, high=0.9)
    for denoiser in (Box(), Levels()):
        result = denoised(image, denoiser, MODEL, corner=corner, tile=tile)
        np.testing.assert_array_equal(result, at_once(image, denoiser, corner))
        np.testing.assert_array_equal(result, denoised(image, denoiser, MODEL, corner=corner))
    colours = noise(seed, height, width, 3, high=0.9)
    result = denoised(colours, Box("rgb"), MODEL, tile=tile)
    np.testing.assert_array_equal(result, at_once(colours, Box("rgb")))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (2, 2), (1, 130)])
@pytest.mark.parametrize("corner", CORNERS)
def test_an_image_of_one_row_or_column_has_no_more_to_mirror(shape, corner):
    flat = np.full(shape, np.float32(0.25))
    np.testing.assert_array_equal(denoised(flat, Box(), MODEL, corner=corner, tile=8), flat)


@pytest.mark.parametrize("multiple", [1, 2, 3, 8])
def test_tiles_start_on_multiples_and_measure_multiples(multiple):
    met = []

    class Seen(Box):
        def __call__(self, image, noise):
            assert image.flags.c_contiguous and not image.flags.writeable and image.dtype == np.float32
            met.append((image.shape, image[0, 0]))
            return image.copy()

    denoiser = Seen()
    denoiser.multiple, denoiser.halo = multiple, 5
    rows = np.broadcast_to(np.arange(101, dtype=np.float32)[:, None], (101, 67))
    denoised(np.ascontiguousarray(rows), denoiser, MODEL, corner=(1, 0), saturation=1000.0, tile=32)
    step = np.lcm(multiple, 2)
    assert len(met) > 6
    for (height, width), first in met:
        assert height % step == width % step == 0
        assert first < 12 or (first + 1) % step == 0  # of the unified image; the first are mirrored


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_the_same_bytes_for_any_number_of_threads(threads, monkeypatch):
    image = noise(3, 201, 155)
    expected = denoised(image, Box(), MODEL, tile=1000)
    monkeypatch.setenv("ISP_NUM_THREADS", str(threads))
    np.testing.assert_array_equal(denoised(image, Box(), MODEL, tile=32), expected)


def test_little_memory_is_held_beside_the_result():
    image = np.zeros((2000, 3000), np.float32)

    class Copy(Box):
        def __call__(self, image, noise):
            return image.copy()

    tracemalloc.start()
    try:
        denoised(image, Copy(), MODEL)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * image.nbytes


@pytest.mark.parametrize("name", BAYER)
def test_the_corner_of_a_pattern_is_where_it_begins_in_a_cell(name):
    down, across = rggb_corner(BAYER[name])
    assert rolled(BAYER["RGGB"], down, across) == BAYER[name]


def test_the_corner_of_other_patterns():
    assert rggb_corner(MONO) == (0, 0) and rggb_corner(XTRANS) is None and rggb_corner(((0, 0), (1, 2))) is None


# --- strength, clipped sites, noise ----------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.7, 1.0])
def test_strength_blends_linearly_and_clipped_sites_stay(strength):
    image = noise(4, 40, 50)
    field = noise(5, 40, 50, low=0.2, high=1.5)
    full = denoised(image, Box(), MODEL, saturation=np.inf)
    for saturation in (1.0, field):
        expected = np.where(image >= saturation, image, image + np.float32(strength) * (full - image))
        result = denoised(image, Box(), MODEL, saturation=saturation, strength=strength, tile=16)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(result[image >= saturation], image[image >= saturation])
        if strength == 1:
            np.testing.assert_array_equal(result, np.where(image >= saturation, image, full))


@pytest.mark.parametrize("corner", CORNERS)
def test_every_site_is_denoised_under_the_noise_of_its_colour(corner):
    image = np.full((31, 45), np.float32(0.4))
    y, x = np.indices(image.shape)
    colour = (y + corner[0]) % 2 + (x + corner[1]) % 2
    expected = image + np.sqrt(0.4 * np.array(MODEL.shot)[colour] + np.array(MODEL.read)[colour])
    np.testing.assert_allclose(denoised(image, Levels(), MODEL, corner=corner, tile=16), expected, rtol=1e-6)


def test_gains_of_a_field_amplify_the_noise_of_every_pixel():
    image, gain = np.full((50, 70, 3), np.float32(0.4)), noise(6, 50, 70, low=1, high=3)
    for field, of_colours in ((gain, gain[:, :, None]), (noise(7, 50, 70, 3, low=1, high=3),) * 2):
        expected = image + np.sqrt(0.4 * of_colours * MODEL.shot + of_colours**2 * MODEL.read)
        result = denoised(image, Levels("rgb"), LocalNoise(MODEL, field), tile=16)
        np.testing.assert_allclose(result, expected, rtol=1e-6)


# --- threads ---------------------------------------------------------------------------------------------------------


def test_what_a_denoiser_runs_in_threads_itself_does_not_wait_for_its_own_pool(monkeypatch):
    monkeypatch.setenv("ISP_NUM_THREADS", "3")
    counts = set()

    class Nested(Box):
        def __call__(self, image, noise):
            out = np.empty_like(image)
            counts.add(thread_count())
            over_rows(lambda first, last: np.copyto(out[first:last], image[first:last]), len(image))
            return out

    image = noise(8, 300, 300)
    np.testing.assert_array_equal(denoised(image, Nested(), MODEL, tile=64), image)
    assert counts == {1} and thread_count() == 3


@pytest.mark.parametrize("threads", [1, 4])
def test_every_item_is_met_once_and_an_error_ends_the_work(threads, monkeypatch):
    monkeypatch.setenv("ISP_NUM_THREADS", str(threads))
    met, lock = [], threading.Lock()

    def work(item):
        with lock:
            met.append(item)
        if item == 500:
            raise IndexError("of the work itself")

    over_items(work, range(400))
    assert sorted(met) == list(range(400))
    with pytest.raises(IndexError, match="of the work itself"):
        over_items(work, range(400, 100_000))
    assert len(met) < 10_000
    over_items(work, ())


# --- denoisers that break the contract -------------------------------------------------------------------------------


def raises(image):
    raise ValueError("no\nsuch thing")


def writes(image):
    image *= 2
    return image


def nan(image):
    result = image.copy()
    result[7, 7] = np.nan
    return result


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (raises, "failed: ValueError: no such thing"),
        (writes, "failed: ValueError: output array is read-only"),
        (lambda image: 1 / 0, "failed: ZeroDivisionError: division by zero"),
        (nan, "returned values that are not finite"),
        (lambda image: image / 0, "returned values that are not finite"),
        (lambda image: image.astype(np.float64), "returned a float64 array of shape (84, 84), not a new float32"),
        (
            lambda image: image[:-1].copy(),
            "returned a float32 array of shape (83, 84), not a new float32 array of shape",
        ),
        (lambda image: None, "returned a NoneType, not a new float32 array"),
        (lambda image: image.tolist(), "returned a list"),
        (lambda image: image, "returned the array that it was given"),
        (lambda image: image[::-1], "returned the array that it was given"),
    ],
)
@pytest.mark.parametrize("threads", ["1", "3"])
def test_what_breaks_the_contract_is_named_in_one_line(work, says, threads, monkeypatch):
    monkeypatch.setenv("ISP_NUM_THREADS", threads)

    class Odd(Box):
        def __call__(self, image, noise):
            with np.errstate(all="ignore"):
                return work(image)

    with pytest.raises(DenoiserError) as caught:
        denoised(noise(1, 150, 150), Odd(), MODEL, tile=76, title="denoiser 'odd' of isp-odd 1")
    text = str(caught.value)
    assert text.startswith("denoiser 'odd' of isp-odd 1 ") and says in text and "\n" not in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"domain": "raw"}, "declares domain = 'raw'; it must be one of mosaic, rgb"),
        ({"halo": -1}, "declares halo = -1; it must be a whole number from 0 up"),
        ({"halo": 1.5}, "declares halo = 1.5"),
        ({"multiple": 0}, "declares multiple = 0; it must be a whole number from 1 up"),
    ],
)
def test_a_declaration_that_cannot_be(changes, says):
    denoiser = Box()
    vars(denoiser).update(changes)
    with pytest.raises(DenoiserError, match=says):
        denoised(noise(1, 8, 8), denoiser, MODEL)


def test_what_is_no_denoiser_at_all():
    with pytest.raises(DenoiserError, match="lacks domain, halo, multiple, a call"):
        denoised(noise(1, 8, 8), object(), MODEL)
    with pytest.raises(DenoiserError, match="is a class, Box; give an instance"):
        denoised(noise(1, 8, 8), Box, MODEL)
    with pytest.raises(DenoiserError, match="Box works on a mosaic image, not on an array of shape \\(8, 8, 3\\)"):
        denoised(noise(1, 8, 8, 3), Box(), MODEL)


def test_a_frame_that_is_not_finite_is_not_the_denoisers_fault():
    image = noise(1, 40, 40)
    image[3, 3] = np.inf
    assert np.isinf(denoised(image, Levels(), MODEL)[3, 3])
