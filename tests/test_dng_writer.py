"""What is written as DNG is what LibRaw, dcraw_emu and we read: every value, every tag."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile

from isp import ParameterError, WriteError, read_raw
from isp.capture import Shot, capture
from isp.charts import color_checker
from isp.dng_writer import write_dng
from isp.frame import Frame, Rectangle, Space
from isp.opcode_writer import gain_map, pack_opcodes
from isp.opcodes import GainMap, RadialGain, parse_opcodes
from isp.sensor import PRESETS
from isp.stages import Vignetting

from .frames import BAYER, COLOUR_CFAS, MONO, RGGB, XTRANS, meta, mosaic

RATIO = 1e-6  # of a number below 500 as a fraction of 32-bit numbers: denominators are four million or more


def noisy(shape, cfa=RGGB, **changes):
    data = np.random.default_rng(3).integers(0, 16384, shape).astype(np.uint16)
    return Frame(data, Space.RAW, meta(shape, cfa, **({"white": 16383.0, "make": "isp", "model": "test"} | changes)))


def same(read, written):
    """Whether every field of `Meta` is as it was written, numbers within what a fraction holds."""
    for field in dataclasses.fields(written):
        if field.name != "name":
            after, before = getattr(read, field.name), getattr(written, field.name)
            if isinstance(before, tuple) and before and not isinstance(before[0], GainMap | RadialGain):
                np.testing.assert_allclose(after, before, rtol=RATIO, atol=RATIO, err_msg=field.name)
            elif isinstance(before, float):
                assert after == pytest.approx(before, rel=RATIO, abs=RATIO), field.name
            else:
                assert after == before, field.name


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("cfa", COLOUR_CFAS)
@pytest.mark.parametrize("size", [(64, 90), (61, 83), (260, 512), (300, 518)])
def test_libraw_and_we_read_the_mosaic_that_was_written(tmp_path, cfa, size, lossless):
    frame = noisy(size, cfa)
    path = write_dng(frame, tmp_path / "a.dng", lossless=lossless)
    read = read_raw(path)
    np.testing.assert_array_equal(read.data, frame.data)
    assert read.meta.cfa == cfa
    with rawpy.imread(str(path)) as raw:
        np.testing.assert_array_equal(raw.raw_image, frame.data)
        pattern = "".join("RGBG"[raw.raw_color(y, x)] for y in range(6) for x in range(6))
        assert pattern == "".join("RGB"[cfa[y % len(cfa)][x % len(cfa)]] for y in range(6) for x in range(6))


def test_what_is_narrower_than_any_tile_is_not_compressed(tmp_path):
    frame = noisy((40, 9))
    path = write_dng(frame, tmp_path / "a.dng", lossless=True)
    np.testing.assert_array_equal(tifffile.imread(path), frame.data)
    assert path.stat().st_size > frame.data.nbytes


def test_a_monochrome_sensor(tmp_path):
    frame = noisy((30, 41), MONO, white=4095.0, black=((100.0,),))
    path = write_dng(frame, tmp_path / "a.dng")
    read = read_raw(path)
    np.testing.assert_array_equal(read.data, frame.data)
    same(read.meta, frame.meta)


@pytest.mark.parametrize("sensor", PRESETS.values(), ids=PRESETS)
def test_every_tag_of_a_simulated_picture_comes_back(tmp_path, sensor):
    lens = Vignetting("natural", angle=25.0), Vignetting("pixel", angle=20.0)
    shot = Shot(3200, illuminant="3200K", vignetting=lens, gain_map=True, celsius=30, seconds=0.5, orientation=6)
    frame = capture(color_checker(64, 96), dataclasses.replace(sensor, cfa=BAYER["GBRG"]), shot).frame
    assert frame.meta.noise and frame.meta.lens_shading and frame.meta.xyz_to_camera
    read = read_raw(write_dng(frame, tmp_path / "a.dng"))
    np.testing.assert_array_equal(read.data, frame.data)
    same(read.meta, frame.meta)


def test_every_other_tag_comes_back(tmp_path):
    shading = (
        RadialGain((0.1, 0.2, 0.0, 0.3, 0.05), (0.4, 0.7), False),
        gain_map(np.random.default_rng(0).uniform(1, 2, (20, 30))),
        gain_map(np.full((20, 30), 1.5))._replace(planes=3, after_demosaic=True),
    )
    frame = noisy(
        (60, 80), black=((500.0, 510.25), (505.0, 520.0)), black_rows=tuple(np.linspace(-1, 1, 60)),
        black_columns=tuple(np.linspace(0, 2, 80)), crop=Rectangle(4, 6, 50, 70), orientation=3, pixel_aspect=1.25,
        white_balance=(2.1, 1.0, 1.7), baseline_exposure=0.25, noise=((1e-4, 2e-7),) * 3, lens_shading=shading,
        lens="A lens", iso=800.0, shutter=1 / 60, aperture=2.8, focal_length=35.0, time="2024:05:06 07:08:09",
        artist="Jürgen", copyright="nobody",
    )  # fmt: skip
    read = read_raw(write_dng(frame, tmp_path / "a.dng"))
    np.testing.assert_array_equal(read.data, frame.data)
    same(read.meta, frame.meta)


@pytest.mark.parametrize("corner", [(2, 4), (1, 3)])
def test_a_masked_border_keeps_its_place(tmp_path, corner):
    """The patterns of a frame begin at its corner, those of a DNG at the corner of the active area."""
    whole = noisy(
        (40, 50), black=((10.0, 20.0), (30.0, 40.0)), active=Rectangle(*corner, 30, 40), crop=Rectangle(0, 0, 40, 50)
    )
    path = write_dng(whole, tmp_path / "a.dng")
    full = read_raw(path, crop="full")
    np.testing.assert_array_equal(full.data, whole.data)
    same(dataclasses.replace(full.meta, border=None), whole.meta)
    top, left = corner
    np.testing.assert_array_equal(read_raw(path).data, whole.data[top : top + 30, left : left + 40])


def test_other_programs_find_the_exposure(tmp_path):
    frame = noisy((40, 50), iso=6400.0, shutter=0.25)
    path = write_dng(frame, tmp_path / "a.dng", lossless=True)
    with rawpy.imread(str(path)) as raw:
        assert raw.other.iso_speed == 6400 and raw.other.shutter_speed == pytest.approx(0.25)
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        assert list(tags.keys()) == sorted(tags.keys())  # as TIFF demands
        assert tags[34665].value["ISOSpeedRatings"] == 6400


def test_opcodes_survive():
    shading = (
        RadialGain((0.1, 0.2, 0.0, 0.3, 0.05), (0.4, 0.7), True),
        gain_map(np.linspace(1, 2, 12).reshape(3, 4))._replace(plane=1, planes=2, after_demosaic=True),
    )
    assert parse_opcodes(pack_opcodes(shading), after_demosaic=True) == shading


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3), (33, 33), (200, 300), (301, 77)])
def test_a_gain_map_is_the_field_but_for_its_curvature(size):
    """Between points h apart a line is off by h^2 max |f''| / 8 along each axis; and the points, by h = 1 pixel."""
    y, x = (np.arange(n) / max(size) for n in size)
    field = 1 + y[:, None] ** 2 + 0.5 * x**2
    frame = mosaic(np.ones(size), lens_shading=(gain_map(field),))
    spacing = [(n - 1) / max(size) / max(min(n, 1 + round(32 * n / max(size))) - 1, 1) for n in size]
    bound = (2 * spacing[0] ** 2 + spacing[1] ** 2 + 3 / max(size) ** 2) / 8
    np.testing.assert_allclose(Vignetting().gains(frame.meta), field, atol=bound + 3e-7)  # and float32


def test_only_what_the_sensor_measured_is_written(tmp_path):
    with pytest.raises(ParameterError, match="write_dng: the frame is MOSAIC"):
        write_dng(mosaic(np.ones((4, 4))), tmp_path / "a.dng")
    write_dng(noisy((8, 8)), tmp_path / "a.dng")
    with pytest.raises(WriteError, match="exists already"):
        write_dng(noisy((8, 8)), tmp_path / "a.dng")
    assert [path.name for path in tmp_path.iterdir()] == ["a.dng"]


@pytest.mark.parametrize("lossless", [False, True])
def test_dcraw_emu_opens_it(tmp_path, lossless):
    _run("dcraw_emu", "-4", "-T", "-w", _simulated(tmp_path, lossless))
    assert tifffile.imread(tmp_path / "a.dng.tiff").shape == (150, 100, 3)


@pytest.mark.parametrize("cfa", [RGGB, XTRANS])
def test_darktable_opens_it(tmp_path, cfa):
    core = ("--core", "--configdir", tmp_path / "darktable", "--disable-opencl")
    _run("darktable-cli", _simulated(tmp_path, False, cfa), tmp_path / "a.tif", *core)
    picture = tifffile.imread(tmp_path / "a.tif")
    assert picture.shape == (150, 100, 3) and picture.std() > 10


def _simulated(folder: Path, lossless: bool, cfa=RGGB) -> Path:
    shot = Shot(1600, vignetting=(Vignetting("natural", angle=25.0),), gain_map=True, orientation=6)
    frame = capture(color_checker(100, 150), dataclasses.replace(PRESETS["apsc"], cfa=cfa), shot).frame
    return write_dng(frame, folder / "a.dng", lossless=lossless)


def _run(program: str, *arguments: object) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}, which is not installed")
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, timeout=60)
