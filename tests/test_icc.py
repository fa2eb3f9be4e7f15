import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from isp.errors import ParameterError
from isp.icc import make, profile

LITTLE_CMS = ImageCms.createProfile("sRGB")


def opened(name):
    return ImageCms.ImageCmsProfile(io.BytesIO(profile(name)))


def to_srgb(pixels, name, intent):
    picture = ImageCms.profileToProfile(Image.fromarray(pixels), opened(name), LITTLE_CMS, renderingIntent=intent)
    return np.asarray(picture).astype(int)


@pytest.fixture(scope="module")
def pixels():
    colours = np.random.default_rng(1).integers(0, 256, (256, 64, 3), dtype=np.uint8)
    colours[:, 0] = np.arange(256)[:, None]  # every grey
    return colours


@pytest.mark.parametrize("name", ["srgb", "linear"])
def test_the_files_are_what_make_makes(name):
    assert profile(name) == {"srgb": make.srgb, "linear": make.linear}[name]()


@pytest.mark.parametrize(("name", "text"), [("srgb", "isp sRGB"), ("linear", "isp linear sRGB")])
def test_description_date_and_version(name, text):
    data = opened(name)
    assert ImageCms.getProfileDescription(data).strip() == text
    assert ImageCms.getProfileCopyright(data).strip() == "Public domain / CC0"
    assert str(data.profile.creation_date) == "2026-01-01 00:00:00" and data.profile.version == 2.4
    assert struct.unpack(">L", profile(name)[:4])[0] == len(profile(name)) and profile(name)[36:40] == b"acsp"


@pytest.mark.parametrize("intent", range(4))
def test_srgb_is_little_cms_own_srgb(pixels, intent):
    assert np.abs(to_srgb(pixels, "srgb", intent) - pixels).max() <= 1


@pytest.mark.parametrize("intent", range(4))
def test_linear_is_linear(pixels, intent):
    light = pixels / 255.0
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(to_srgb(pixels, "linear", intent) - expected).max() <= 1


def test_white_is_d50_to_the_last_bit():
    columns = make.rounded(make.primaries(), make.D50)
    np.testing.assert_array_equal(columns.sum(axis=1) * 65536, [0xF6D6, 0x10000, 0xD32D])  # ICC.1, table of D50


def test_primaries_are_the_published_ones():
    published = [  # Lindbloom, sRGB adapted to D50; his D65 has more digits
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
    np.testing.assert_allclose(make.primaries(), published, atol=3e-4)


def test_make_writes_both_files(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "__file__", str(tmp_path / "make.py"))
    make.main()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "srgb.icc": profile("srgb"),
        "linear.icc": profile("linear"),
    }


def test_unknown_name():
    with pytest.raises(ParameterError, match=r"srgb, linear"):
        profile("adobe")
