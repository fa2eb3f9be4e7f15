import io
import struct
import zlib

import cv2
import exifread
import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from isp.encoders import insert_chunks, png_chunk
from isp.frame import Gps
from isp.icc import profile
from isp.image import write_image

from .pictures import FILES, LOSSLESS, expected, opencv, picture, tiff_profile


@pytest.mark.parametrize(("name", "bits"), LOSSLESS)
@pytest.mark.parametrize("shape", [(24, 33), (1, 1), (5, 2), (3, 4), (1, 64)])
def test_opencv_reads_every_bit_back(tmp_path, name, bits, shape):
    frame = picture(*shape)
    path = write_image(frame, tmp_path / name, bit_depth=bits)
    result = opencv(path)
    assert result.dtype == expected(frame, bits).dtype
    np.testing.assert_array_equal(result.reshape(*shape, 3), expected(frame, bits))


@pytest.mark.parametrize(("name", "bits"), [("a.png", 8), ("a.tif", 8)])
def test_pillow_reads_every_bit_back(tmp_path, name, bits):
    frame = picture()
    write_image(frame, tmp_path / name, bit_depth=bits)
    np.testing.assert_array_equal(Image.open(tmp_path / name), expected(frame, bits))


@pytest.mark.parametrize(("name", "bits"), [("a.jpg", np.uint8), ("a.png", np.uint8), ("a.tif", np.uint16)])
def test_default_depths(tmp_path, name, bits):
    assert iio.imread(write_image(picture(), tmp_path / name)).dtype == bits


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [1, 60, 92, 100])
def test_jpeg_is_what_pillow_alone_would_write(tmp_path, sampling, quality):
    frame = picture()
    path = write_image(frame, tmp_path / "a.jpg", quality=quality, subsampling=sampling)
    plain = io.BytesIO()
    Image.fromarray(expected(frame, 8)).save(plain, "jpeg", quality=quality, subsampling=sampling)
    np.testing.assert_array_equal(opencv(path), cv2.imdecode(np.frombuffer(plain.getvalue(), np.uint8), 1)[..., ::-1])
    with Image.open(path) as image:
        assert JpegImagePlugin.get_sampling(image) == ["4:4:4", "4:2:2", "4:2:0"].index(sampling)


def test_jpeg_two_pixels_wide_is_a_colour_picture(tmp_path):
    assert iio.imread(write_image(picture(4, 2), tmp_path / "a.jpg", subsampling="4:4:4")).shape == (4, 2, 3)


@pytest.mark.parametrize(("name", "bits"), FILES)
def test_exifread_reads_the_story(tmp_path, name, bits):
    path = write_image(picture(orientation=6, gps=Gps(1.0, 2.0)), tmp_path / name, bit_depth=bits)
    with open(path, "rb") as file:
        tags = {key.split(" ", 1)[1]: tag.printable for key, tag in exifread.process_file(file).items()}
    story = {"Make": "Canon", "Artist": "Jürgen", "LensModel": "50mm ½", "ExposureTime": "1/60"}
    story |= {"ISOSpeedRatings": "200", "Software": "isp", "Orientation": "Horizontal (normal)"}
    assert {key: tags[key] for key in story} == story
    assert ("GPSLatitude" in tags) == (not path.suffix.startswith(".tif"))
    assert not {"MakerNote", "SubIFDs", "CFAPattern", "ImageDescription"} & set(tags)


def embedded(path, bits):
    if path.suffix.startswith(".tif") and bits > 8:
        return tiff_profile(path)
    with Image.open(path) as image:
        return image.info.get("icc_profile")


@pytest.mark.parametrize(("name", "bits"), FILES)
@pytest.mark.parametrize("encoding", ["srgb", None])
def test_profile(tmp_path, name, bits, encoding):
    path = write_image(picture(encoding=encoding), tmp_path / name, bit_depth=bits)
    assert embedded(path, bits) == (profile("srgb") if encoding else None)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_pillow_reads_the_story(tmp_path, name):
    with Image.open(write_image(picture(orientation=8), tmp_path / name, bit_depth=8)) as image:
        tags = image.getexif()
        details = tags.get_ifd(34665) if name != "a.tif" else tags
        assert (tags[271], tags[272], tags[274], tags[305]) == ("Canon", "EOS", 1, "isp")
        assert float(details[33434]) == pytest.approx(1 / 60) and details[34855] == 200


@pytest.mark.parametrize(("name", "bits"), FILES)
def test_without_metadata_nothing_is_told(tmp_path, name, bits):
    path = write_image(picture(gps=Gps(1.0, 2.0)), tmp_path / name, bit_depth=bits, metadata=False)
    data = path.read_bytes()
    assert not any(word in data for word in (b"Canon", b"EOS", b"Exif", b"eXIf", b"tifffile", b"50mm"))
    assert embedded(path, bits) == profile("srgb")


def test_png_is_well_formed(tmp_path):
    data = write_image(picture(), tmp_path / "a.png").read_bytes()
    kinds, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">L", data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        assert struct.unpack(">L", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(body)
        kinds.append(body[:4])
        at += 12 + length
    assert kinds[:3] == [b"IHDR", b"iCCP", b"eXIf"] and set(kinds[3:-1]) == {b"IDAT"} and kinds[-1] == b"IEND"
    Image.open(tmp_path / "a.png").verify()


def test_png_chunk_is_the_specifications_iend():
    assert png_chunk(b"IEND", b"") == bytes.fromhex("00000000 49454e44 ae426082")
    assert insert_chunks(bytes(33) + b"rest", b"new") == bytes(33) + b"newrest"
