"""Charts and pictures as linear light, against plain statements of what they should be."""

import math

import cv2
import numpy as np
import pytest
import tifffile

from isp import charts
from isp.charts import CHARTS, COLOR_CHECKER
from isp.errors import ParameterError, RawError
from isp.scenes import open_scene, read_picture

from . import naive


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("size", [(40, 61), (8, 8), (1, 1)])
def test_every_chart_is_light_of_the_size_asked_for_and_the_same_twice(name, size):
    light = CHARTS[name](*size)
    assert light.shape == (*size, 3) and light.dtype == np.float32
    assert light.min() >= 0 and np.isfinite(light).all()
    np.testing.assert_array_equal(CHARTS[name](*size), light)


def test_greys():
    np.testing.assert_array_equal(charts.flat(3, 4, 0.5), np.full((3, 4, 3), 0.5, np.float32))
    np.testing.assert_array_equal(charts.ramp(2, 11)[1, :, 2], (np.arange(11) / 10).astype(np.float32))
    bars = charts.steps(2, 60, count=6, stops=1)[0, :, 0]
    np.testing.assert_array_equal(bars.reshape(6, 10), np.repeat(0.5 ** np.arange(6)[:, None], 10, axis=1))


def test_the_color_checker_is_what_its_maker_published():
    height, width = 97, 143
    picture = naive.srgb(charts.color_checker(height, width)) * 255
    patches = charts.color_checker_patches(height, width)
    assert len(patches) == 24
    for (rows, columns), colour in zip(patches, COLOR_CHECKER, strict=True):
        patch = picture[rows, columns]
        assert min(patch.shape[:2]) >= 12  # of 24 x 23 pixels, 0.8 of the side
        np.testing.assert_allclose(patch, np.broadcast_to(colour, patch.shape), atol=1e-3)


def test_the_edge_is_the_mean_of_finer_ones_and_slants_by_5_degrees():
    height, width, finer = 20, 30, 16
    y, x = (np.mgrid[: height * finer, : width * finer] + 0.5) / finer
    beyond = (x - width / 2) * math.cos(math.radians(5)) + (y - height / 2) * math.sin(math.radians(5)) > 0
    share = beyond.reshape(height, finer, width, finer).mean(axis=(1, 3))
    # of a pixel that the edge crosses, the samples nearest to it are in doubt: one in `finer`
    np.testing.assert_allclose(charts.slanted_edge(height, width)[..., 1], 0.09 + 0.27 * share, atol=0.27 / finer)


def test_the_zone_plate_reaches_half_a_cycle_per_pixel_at_its_nearer_edge():
    middle_row = charts.zone_plate(200, 300)[100, :, 0].astype(float)
    near_the_edge = middle_row[40:60]  # 90..110 pixels from the middle: the sign changes from pixel to pixel
    assert (np.diff(np.sign(np.diff(near_the_edge))) != 0).mean() > 0.9
    assert np.abs(np.diff(middle_row[148:152])).max() < 0.05


def test_text_is_dark_on_bright():
    page = charts.text(120, 200)
    assert page.max() == np.float32(0.8) and page.min() < 0.1 and page.mean() > 0.5


def test_stars_are_points_on_a_dark_sky_and_differ_by_their_seed():
    sky = charts.star_field(200, 200)
    assert np.median(sky) < 0.002 and sky.max() > 0.1
    assert not np.array_equal(sky, charts.star_field(200, 200, seed=1))


# --- pictures --------------------------------------------------------------------------------------------------------


def linear(values):
    """IEC 61966-2-1, backwards."""
    v = values.astype(np.float64) / np.iinfo(values.dtype).max
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_picture_becomes_light(tmp_path, dtype, suffix):
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (9, 14, 3), dtype, endpoint=True)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(cv2.imencode(suffix, values[..., ::-1])[1])
    light = read_picture(path)
    assert light.dtype == np.float32 and light.flags.c_contiguous
    np.testing.assert_allclose(light, linear(values), rtol=1e-6, atol=1e-9)


def test_a_jpeg_becomes_light(tmp_path):
    values = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8), 16, 0), 16, 1)
    cv2.imwrite(str(tmp_path / "a.jpg"), values)
    decoded = cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1]
    np.testing.assert_allclose(read_picture(tmp_path / "a.jpg"), linear(decoded), atol=0.02)  # two decoders' rounding
    cv2.imwrite(str(tmp_path / "grey.jpg"), values[..., 0])
    assert read_picture(tmp_path / "grey.jpg").shape == (48, 64, 3)


def test_grey_and_alpha(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (9, 14, 4), np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), values[..., 0])
    cv2.imwrite(str(tmp_path / "alpha.png"), values)
    np.testing.assert_allclose(read_picture(tmp_path / "grey.png"), np.repeat(linear(values[..., :1]), 3, 2), rtol=1e-6)
    np.testing.assert_allclose(read_picture(tmp_path / "alpha.png"), linear(values[..., 2::-1]), rtol=1e-6)


def test_floats_are_linear_already(tmp_path):
    light = np.random.default_rng(0).uniform(0, 4, (9, 14, 3)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", light, photometric="rgb")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif"), light)


def test_what_is_no_picture_is_said_in_one_line(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    tifffile.imwrite(tmp_path / "b.tif", np.full((4, 4, 3), np.nan, np.float32), photometric="rgb")
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((4, 4, 3), np.int32), photometric="rgb")
    for name, reason in (("a.png", "cannot be read"), ("b.tif", "not numbers"), ("c.tif", "int32")):
        with pytest.raises(RawError, match=reason) as caught:
            open_scene(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_scene_by_its_name_and_size(tmp_path):
    np.testing.assert_array_equal(open_scene("ramp", (3, 7)), charts.ramp(3, 7))
    assert open_scene("flat").shape == (1024, 1536, 3)
    values = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), values[..., ::-1])
    np.testing.assert_allclose(open_scene(tmp_path / "a.png", (3, 4)), linear(values[3:6, 5:9]), rtol=1e-6)
    for size in ((10, 3), (0, 4), (100_000, 100_000)):
        with pytest.raises(ParameterError, match="size"):
            open_scene(tmp_path / "a.png", size)
    with pytest.raises(ParameterError, match="neither a file nor a chart; the charts are flat, ramp"):
        open_scene("rampe")
