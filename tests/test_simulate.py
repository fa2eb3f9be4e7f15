"""`isp simulate`: what it writes, that it writes the same twice, and what it says to mistakes."""

import dataclasses

import cv2
import numpy as np
import pytest
import tifffile

from isp import read_raw
from isp.capture import Shot, capture
from isp.charts import CHARTS, color_checker, flat, steps
from isp.noise import NoiseModel
from isp.sensor import PRESETS

from .command import error_line, names, run
from .frames import XTRANS

SMALL = ("--size", "96x64")


def simulate(*arguments):
    result = run("simulate", *arguments)
    assert result.exit_code == 0, result.output
    return result


def test_it_writes_what_the_library_captures(tmp_path):
    path = tmp_path / "a.dng"
    simulate("steps", "-o", path, *SMALL, "--sensor", "phone", "--iso", 800, "--exposure", -1, "--illuminant", "3200K",
             "--temperature", 40, "--time", 2, "--seed", 5, "--cfa", "x-trans")  # fmt: skip
    sensor = PRESETS["phone"]
    shot = Shot(800, -1, "3200K", celsius=40, seconds=2, seed=5)
    read = read_raw(path)
    assert read.meta.cfa == XTRANS and read.meta.iso == 800 and read.meta.shutter == 2
    expected = capture(steps(64, 96), dataclasses.replace(sensor, cfa=XTRANS), shot).frame
    np.testing.assert_array_equal(read.data, expected.data)
    stated = NoiseModel(*(tuple(column) for column in zip(*read.meta.noise, strict=True)))
    assert stated == sensor.noise_model(800, 40, 2)


@pytest.mark.parametrize("options", [(), ("--lossless",), ("--vignetting", "natural:angle=30", "--gain-map")])
def test_the_same_seed_gives_the_same_bytes(tmp_path, monkeypatch, options):
    for threads, name in (("1", "a.dng"), ("3", "b.dng")):
        monkeypatch.setenv("ISP_NUM_THREADS", threads)
        simulate("text", "-o", tmp_path / name, "--size", "300x200", "--iso", 3200, "--seed", 4, *options)
    simulate("text", "-o", tmp_path / "c.dng", "--size", "300x200", "--iso", 3200, "--seed", 5, *options)
    first, again, other = ((tmp_path / name).read_bytes() for name in ("a.dng", "b.dng", "c.dng"))
    assert first == again and first != other


def test_the_truth_is_the_scene_turned_as_the_picture_will_be(tmp_path):
    simulate("color_checker", "-o", tmp_path / "a.dng", *SMALL, "--truth", tmp_path / "a.tif", "--orientation", 6)
    truth = tifffile.imread(tmp_path / "a.tif")
    assert truth.dtype == np.float32
    np.testing.assert_array_equal(truth, np.rot90(color_checker(64, 96), -1))
    assert run("convert", tmp_path / "a.dng", "-o", tmp_path / "a.png").exit_code == 0
    assert cv2.imread(str(tmp_path / "a.png")).shape == truth.shape


def test_a_picture_file_is_a_scene(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    simulate(tmp_path / "a.png", "-o", tmp_path / "a.dng", "--sensor", "fullframe")
    assert read_raw(tmp_path / "a.dng").data.shape == (40, 60)


def test_the_lens_and_its_gain_map(tmp_path):
    lens = ("--vignetting", "natural:angle=30", "--vignetting", "pixel:angle=20,exponent=2")
    simulate("flat", "-o", tmp_path / "a.dng", *SMALL, *lens, "--gain-map")
    simulate("flat", "-o", tmp_path / "b.dng", *SMALL, *lens)
    with_map, without = read_raw(tmp_path / "a.dng"), read_raw(tmp_path / "b.dng")
    np.testing.assert_array_equal(with_map.data, without.data)
    assert len(with_map.meta.lens_shading) == 1 and not without.meta.lens_shading
    assert without.data[:4, :4].mean() < 0.8 * without.data[30:34, 46:50].mean()


def test_it_lists_charts_and_sensors():
    text = simulate("--list").output
    for name in (*CHARTS, *PRESETS):
        assert f"  {name} " in text
    assert "DN/e-" in text and "µm" in text


def test_nothing_is_replaced_unless_asked(tmp_path):
    for name in ("a.dng", "a.tif"):
        (tmp_path / name).write_bytes(b"mine")
    assert "exists already" in error_line(run("simulate", "flat", "-o", tmp_path / "a.dng", *SMALL))
    truth = ("--truth", tmp_path / "a.tif")
    assert "exists already" in error_line(run("simulate", "flat", "-o", tmp_path / "b.dng", *SMALL, *truth))
    assert names(tmp_path) == ["a.dng", "a.tif"] and (tmp_path / "a.tif").read_bytes() == b"mine"
    simulate("flat", "-o", tmp_path / "a.dng", *SMALL, *truth, "--overwrite")
    assert tifffile.imread(tmp_path / "a.tif").shape == flat(64, 96).shape


def test_the_scene_itself_is_never_replaced(tmp_path):
    scene = tmp_path / "a.tif"
    tifffile.imwrite(scene, flat(8, 8), photometric="rgb")
    before = scene.read_bytes()
    result = run("simulate", scene, "-o", tmp_path / "a.dng", "--truth", scene, "--overwrite")
    assert "is the scene itself" in error_line(result) and scene.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("nothing",), "neither a file nor a chart", 2),
        (("flat", "--sensor", "film"), "one of phone, apsc, fullframe", 2),
        (("flat", "--iso", 50), "100..25600", 2),
        (("flat", "--exposure", 30), "-20..20 stops", 2),
        (("flat", "--illuminant", "moon"), "give one of E, A, D50", 2),
        (("flat", "--vignetting", "none:angle"), "Vignetting", 2),
        (("flat", "--cfa", "RGBG"), "MONO, X-TRANS", 2),
        (("flat", "--temperature", "nan"), "°C", 2),
        (("flat", "--time", -1), "seconds", 2),
        (("flat", "--seed", -1), "seed", 2),
        (("flat", "--size", "big"), "WIDTHxHEIGHT", 2),
        (("flat", "--size", "0x5"), "WIDTHxHEIGHT", 2),
        (("flat", "--size", "90000x90000"), "150,000,000 pixels", 2),
        (("flat", "--truth", "truth.png"), "ends in .tif", 1),
    ],
)
def test_mistakes_are_said_in_one_line_and_nothing_is_written(tmp_path, monkeypatch, arguments, said, code):
    monkeypatch.chdir(tmp_path)
    result = run("simulate", *arguments, "-o", tmp_path / "a.dng")
    assert result.exit_code == code and said in error_line(result)
    assert names(tmp_path) == []


def test_the_name_must_say_that_it_is_a_dng(tmp_path):
    assert "ends in .dng" in error_line(run("simulate", "flat", "-o", tmp_path / "a.png"))
    assert run("simulate", "flat").exit_code == 2
    result = run("simulate", "flat", "-o", tmp_path / "none" / "a.dng", *SMALL)
    assert result.exit_code == 3 and "its folder does not exist" in error_line(result)
