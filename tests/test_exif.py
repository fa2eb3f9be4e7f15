import io
import struct
from fractions import Fraction

import exifread
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from isp.exif import exif, tiff_tags
from isp.frame import Gps, Meta, Rectangle

FULL = {
    "make": "Canon",
    "model": "EOS 5D",
    "lens": "EF 50mm f/1.4",
    "iso": 400.0,
    "shutter": 1 / 60,
    "aperture": 2.8,
    "focal_length": 50.0,
    "time": "2024:02:29 23:59:58",
    "artist": "A. Adams",
    "copyright": "(c) 2024",
    "gps": Gps(47.123456, -8.5, -12.34, "2024:02:29 22:59:58"),
}
SAFE = {271, 272, 274, 305, 306, 315, 33432, 34665, 34853}
SAFE_DETAILS = {33434, 33437, 34855, 36864, 36867, 37386, 42036}


def meta(**entries):
    whole = Rectangle(0, 0, 4, 4)
    return Meta(cfa=((1,),), white=1.0, size=(4, 4), active=whole, crop=whole, **entries)


def pillow(data):
    result = Image.Exif()
    result.load(data)
    return dict(result), dict(result.get_ifd(34665)), dict(result.get_ifd(34853))


def read(data):
    return {name: tag.printable for name, tag in exifread.process_file(io.BytesIO(data), strict=True).items()}


def test_exifread_reads_everything_back():
    tags = read(exif(meta(**FULL)))
    assert tags.pop("Image ExifOffset") and tags.pop("Image GPSInfo")
    assert tags == {
        "Image Make": "Canon",
        "Image Model": "EOS 5D",
        "Image Orientation": "Horizontal (normal)",
        "Image Software": "isp",
        "Image DateTime": "2024:02:29 23:59:58",
        "Image Artist": "A. Adams",
        "Image Copyright": "(c) 2024",
        "EXIF ExposureTime": "1/60",
        "EXIF FNumber": "14/5",
        "EXIF ISOSpeedRatings": "400",
        "EXIF ExifVersion": "0232",
        "EXIF DateTimeOriginal": "2024:02:29 23:59:58",
        "EXIF FocalLength": "50",
        "EXIF LensModel": "EF 50mm f/1.4",
        "GPS GPSVersionID": "[2, 3, 0, 0]",
        "GPS GPSLatitudeRef": "N",
        "GPS GPSLatitude": "[47, 7, 15276/625]",
        "GPS GPSLongitudeRef": "W",
        "GPS GPSLongitude": "[8, 30, 0]",
        "GPS GPSAltitudeRef": "1",
        "GPS GPSAltitude": "617/50",
        "GPS GPSTimeStamp": "[22, 59, 58]",
        "GPS GPSDate": "2024:02:29",
    }


def test_pillow_reads_the_safe_list_and_nothing_else():
    first, details, place = pillow(exif(meta(**FULL)))
    assert set(first) == SAFE and set(details) == SAFE_DETAILS
    assert first[274] == 1 and first[305] == "isp"
    assert float(details[33434]) == pytest.approx(1 / 60) and details[34855] == 400
    assert place[1] == "N" and place[5] == b"\x01" and float(place[6]) == 12.34


@pytest.mark.parametrize("make", ["even", "evens"])
def test_values_lie_at_even_offsets(make):
    data = exif(meta(**{**FULL, "make": make}))  # TIFF 6.0, section 2: on a word boundary

    def check(at):
        count = struct.unpack_from("<H", data, at)[0]
        for code, kind, number, value in struct.iter_unpack("<HHLL", data[at + 2 : at + 2 + 12 * count]):
            if number * {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind] > 4 or code in (34665, 34853):
                assert value % 2 == 0 and value < len(data)
            if code in (34665, 34853):
                check(value)

    check(8)


def test_what_is_unknown_is_left_out():
    first, details, place = pillow(exif(meta()))
    assert first == {274: 1, 305: "isp", 34665: first[34665]} and details == {36864: b"0232"} and place == {}


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), 1e30])
def test_nonsense_is_left_out(bad):
    data = exif(meta(iso=bad if bad < 1e9 else float("inf"), shutter=bad, aperture=bad, focal_length=bad, time="soon"))
    assert pillow(data)[1] == {36864: b"0232"}
    assert pillow(exif(meta(gps=Gps(bad or float("nan"), 200.0))))[2] == {}
    assert 6 not in pillow(exif(meta(gps=Gps(1.0, 1.0, float("nan"), "noon"))))[2]


def test_iso_beyond_sixteen_bits_is_held():
    assert pillow(exif(meta(iso=102400.0)))[1][34855] == 65535  # EXIF 2.3: the most that the tag can say


@pytest.mark.parametrize("text", ["Jürgen Groß", "山田太郎", "Ünïcode\x00tail", "é", "lens µ ∞"])
def test_text_beyond_ascii_survives(text):
    data = exif(meta(artist=text, lens=text))
    kept = text.replace("\0", " ")
    assert read(data)["Image Artist"] == kept and read(data)["EXIF LensModel"] == kept
    first, details, _ = pillow(data)
    assert first[315].encode("latin-1").decode() == kept and details[42036].encode("latin-1").decode() == kept


def test_endless_text_fits_into_a_jpeg():
    text = "山" * 100_000
    entries = dict.fromkeys(("make", "model", "lens", "artist", "copyright"), text)
    assert len(exif(meta(**entries))) < 65533 - 6


def test_text_that_is_no_text_raises_nothing():
    assert read(exif(meta(artist="a\udcff", make="  ", model="")))["Image Artist"] == "a?"


@given(st.integers(1, 8000), st.booleans())
def test_shutter_speeds_are_the_fractions_that_cameras_name(denominator, single):
    shutter = float(np.float32(1 / denominator)) if single else 1 / denominator
    value = pillow(exif(meta(shutter=shutter)))[1][33434]
    assert Fraction(value.numerator, value.denominator) == Fraction(1, denominator)


@given(st.floats(1e-5, 4000))
def test_numbers_are_kept(value):
    details = pillow(exif(meta(shutter=value, focal_length=value)))[1]
    assert float(details[33434]) == pytest.approx(value, rel=1e-2 if value < 1e-4 else 1e-3, abs=1e-6)


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-500, 9000))
def test_places_are_kept_to_millimetres(latitude, longitude, altitude):
    place = pillow(exif(meta(gps=Gps(latitude, longitude, altitude))))[2]
    for ref, angle, south_west, expected in ((1, 2, "S", latitude), (3, 4, "W", longitude)):
        degrees, minutes, seconds = map(float, place[angle])
        assert minutes < 60 and seconds < 60
        sign = -1 if place[ref] == south_west else 1
        assert sign * (degrees + minutes / 60 + seconds / 3600) == pytest.approx(expected, abs=2e-8)
    assert (-1 if place[5] == b"\x01" else 1) * float(place[6]) == pytest.approx(altitude, abs=0.006)


def test_tiff_tags_are_the_same_without_place_and_software():
    codes = [tag[0] for tag in tiff_tags(meta(**FULL))]
    assert set(codes) == (SAFE | SAFE_DETAILS) - {305, 34665, 34853, 36864} and len(codes) == len(set(codes))


@given(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_any_text_gives_a_readable_block(make, artist, lens):
    data = exif(meta(make=make, artist=artist, lens=lens, shutter=0.5, gps=Gps(1.0, 2.0)))
    first, details, place = pillow(data)
    assert first[305] == "isp" and float(details[33434]) == 0.5 and place[1] == "N"
