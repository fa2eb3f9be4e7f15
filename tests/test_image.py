import datetime
import os
import struct
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp.errors import ParameterError, StorageError, WriteError
from isp.frame import Frame, Rectangle, Space
from isp.icc import profile
from isp.image import quantise, write_image

from .pictures import expected, meta, opencv, picture, tiff_profile

ROOT = Path(__file__).parent.parent


@settings(deadline=None)  # it compiles
@given(st.integers(1, 64), st.integers(1, 64), st.sampled_from([8, 16]), st.data())
def test_rounding_is_the_formula(height, width, bits, data):
    shape = (height, width, 3)
    wide = st.floats(-10, 10, width=32) | st.floats(0, 1, width=32) | st.sampled_from([np.inf, -np.inf, -0.0])
    values = np.array(data.draw(st.lists(wide, min_size=1, max_size=20)), np.float32)
    frame = Frame(np.resize(values, shape), Space.DISPLAY, meta(height, width))
    result = quantise(frame.data, bits)
    np.testing.assert_array_equal(result, expected(frame, bits))
    assert result.dtype == expected(frame, bits).dtype and result.flags.c_contiguous
    exact = np.clip(frame.data.astype(np.float64), 0, 1) * (2**bits - 1)
    assert np.abs(result - exact).max() <= 0.5 + 2.0**-8


@pytest.mark.parametrize("bits", [8, 16])
def test_every_integer_survives(bits):
    integers = np.arange(2**bits).reshape(-1, 2, 1).repeat(3, 2)
    np.testing.assert_array_equal(quantise((integers / (2**bits - 1)).astype(np.float32), bits), integers)


def test_rounding_of_a_large_turned_view_and_of_nan():
    frame = picture(700, 400)
    turned = frame.data.swapaxes(0, 1)[::-1]
    np.testing.assert_array_equal(quantise(turned, 8), expected(frame, 8).swapaxes(0, 1)[::-1])
    assert quantise(np.full((1, 1, 3), np.nan, np.float32), 16).max() == 0
    with pytest.raises(ParameterError, match="8, 16 or 32"):
        quantise(turned, 10)


@pytest.mark.parametrize("bits", [None, 16])
@pytest.mark.parametrize("space", [Space.LINEAR, Space.DISPLAY])
def test_linear_light_goes_into_tiff(tmp_path, space, bits):
    frame = picture(space=space, encoding="linear")
    path = write_image(frame, tmp_path / "a.tif", bit_depth=bits)
    np.testing.assert_array_equal(opencv(path), expected(frame, bits or 32))
    assert tiff_profile(path) == profile("linear")


@pytest.mark.parametrize(("name", "bits"), [("a.jpg", None), ("a.png", 16), ("a.tif", 8), ("a.tif", 0)])
def test_linear_light_goes_nowhere_else(tmp_path, name, bits):
    with pytest.raises(WriteError, match=r"linear light.*use"):
        write_image(picture(space=Space.LINEAR), tmp_path / name, bit_depth=bits)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("space", [Space.RAW, Space.MOSAIC, Space.CAMERA])
def test_what_is_no_picture_yet(tmp_path, space):
    shape, dtype = ((4, 4), np.uint16) if space is Space.RAW else ((4, 4), np.float32)
    data = np.zeros((4, 4, 3) if space is Space.CAMERA else shape, dtype)
    with pytest.raises(ParameterError, match=f"{space.name}.*needs .*a tone curve"):
        write_image(Frame(data, space, meta(4, 4)), tmp_path / "a.png")


def test_crop_stretch_and_turn_come_before_rounding(tmp_path):
    frame = picture(12, 10, crop=Rectangle(2, 1, 8, 6), pixel_aspect=0.5, orientation=6)
    cut = frame.data[2:10, 1:7].astype(np.float64)
    tall = np.apply_along_axis(lambda line: np.interp(np.arange(16) / 2, np.arange(8), line), 0, cut)
    exact = np.clip(np.rot90(tall, -1), 0, 1) * 65535
    result = opencv(write_image(frame, tmp_path / "a.tif"))
    assert result.shape == (6, 16, 3) and np.abs(result - exact).max() <= 0.51


@pytest.mark.parametrize("name", ["a.gif", "a", "a.CR2", ".png", "a.jpg.bak"])
def test_unknown_suffix(tmp_path, name):
    with pytest.raises(WriteError, match=r"\.jpg, \.jpeg, \.png, \.tif, \.tiff"):
        write_image(picture(), tmp_path / name)


def test_suffix_in_capitals_and_format_without_suffix(tmp_path):
    assert write_image(picture(), tmp_path / "A.JPG").read_bytes()[:2] == b"\xff\xd8"
    assert write_image(picture(), tmp_path / "b", file_format="tiff").read_bytes()[:4] == b"II*\0"


@pytest.mark.parametrize(("name", "bits"), [("a.jpg", 16), ("a.png", 32), ("a.tif", 12), ("a.png", 0), ("a.tif", -8)])
def test_depth_that_the_format_lacks(tmp_path, name, bits):
    with pytest.raises(WriteError, match="cannot hold"):
        write_image(picture(), tmp_path / name, bit_depth=bits)


BAD = [
    ("quality", 0),
    ("quality", 101),
    ("quality", 92.5),
    ("quality", "92"),
    ("subsampling", "4:1:1"),
    ("file_format", "gif"),
    ("tiff_compression", "lzw"),
]


@pytest.mark.parametrize(("parameter", "value"), BAD)
def test_parameters_out_of_range(tmp_path, parameter, value):
    with pytest.raises(ParameterError, match=parameter):
        write_image(picture(), tmp_path / "a.jpg", **{parameter: value})
    assert os.listdir(tmp_path) == []


def test_jpeg_has_a_largest_side(tmp_path):
    with pytest.raises(WriteError, match="65500"):  # libjpeg's: it would not read more
        write_image(picture(1, 65501), tmp_path / "a.jpg")
    assert os.listdir(tmp_path) == []


def test_targets_are_guarded(tmp_path):
    path = write_image(picture(), tmp_path / "ä b.png")
    before = path.read_bytes()
    with pytest.raises(WriteError, match="--overwrite"):
        write_image(picture(4, 4), path)
    assert path.read_bytes() == before
    write_image(picture(4, 4), path, overwrite=True)
    assert iio.imread(path).shape == (4, 4, 3) and os.listdir(tmp_path) == ["ä b.png"]
    with pytest.raises(StorageError):
        write_image(picture(), tmp_path / "none" / "a.png")


def test_a_taken_name_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr("isp.image.quantise", None)
    with pytest.raises(WriteError, match="exists already"):
        write_image(picture(), tmp_path / "a.png")


WRITE_ALL = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
import numpy as np
from isp.frame import *
from isp.image import write_image
whole = Rectangle(0, 0, 40, 50)
meta = Meta(cfa=((1,),), white=1.0, size=(40, 50), active=whole, crop=whole, make="Canon", gps=Gps(1.0, 2.0))
data = np.random.default_rng(5).random((40, 50, 3), np.float32)
before = set(sys.modules)  # the readers of raw files need some of the same libraries
for name in sys.argv[2:]:
    frame = Frame(data, Space.DISPLAY, meta, encoding='srgb')
    write_image(frame, Path(sys.argv[1]) / name, file_format=name.split("-")[0])
print(*sorted(set(sys.modules) - before))
"""


def write_all(folder, *names):
    folder.mkdir()
    command = [sys.executable, "-c", WRITE_ALL, folder, *names]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_same_bytes_on_another_day_in_another_process(tmp_path):
    names = ("jpeg", "png", "tiff")
    write_all(tmp_path / "first", *names)
    started = int(datetime.datetime.now().timestamp())
    while int(datetime.datetime.now().timestamp()) == started:  # formats keep whole seconds
        pass
    write_all(tmp_path / "second", *names)
    now = datetime.datetime.now()
    stamps = [now.strftime(form).encode() for form in ("%Y:%m:%d", "%Y-%m-%d", "%d %b %Y", "%b %d")]
    for name in names:
        data = (tmp_path / "first" / name).read_bytes()
        assert data == (tmp_path / "second" / name).read_bytes()
        assert not any(stamp in data for stamp in stamps) and b"tIME" not in data
        assert struct.pack(">6H", 2026, 1, 1, 0, 0, 0) in data or name == "png"  # the profile's date; PNG deflates it


@pytest.mark.parametrize(
    ("name", "needless"),
    [("jpeg", {"tifffile", "numba"}), ("png", {"tifffile"}), ("tiff", {"numba"})],
)
def test_a_format_imports_only_its_own_library(tmp_path, name, needless):
    assert not (needless | {"imageio", "PIL"}) & write_all(tmp_path / "out", name)


def test_rounding_does_not_depend_on_threads(monkeypatch):
    frame = picture(130, 20)
    monkeypatch.setenv("ISP_NUM_THREADS", "1")
    one = quantise(frame.data, 16)
    monkeypatch.setenv("ISP_NUM_THREADS", "4")
    np.testing.assert_array_equal(quantise(frame.data, 16), one)
