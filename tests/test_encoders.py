import io
import struct
import time
import zlib

import cv2
import exifread
import imagecodecs
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from isp.encoders import COMPRESSIONS, Extras, deflate, encode_jpeg, encode_png, encode_tiff, encode_webp
from isp.encoders.png import png_chunk
from isp.encoders.strips import in_order
from isp.errors import StageError, WriteError
from isp.exif import exif
from isp.frame import Gps
from isp.geometry import orient
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
@pytest.mark.parametrize(("shape", "quality"), [((24, 33), 1), ((24, 33), 60), ((65, 1), 92), ((700, 50), 100)])
def test_jpeg_is_what_pillow_alone_would_write(tmp_path, sampling, shape, quality):
    frame = picture(*shape)
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
    assert png_chunk(b"IEND") == bytes.fromhex("00000000 49454e44 ae426082")


# --- strips ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_strips(monkeypatch):
    """Cut small pictures into as many strips as large ones."""
    monkeypatch.setattr("isp.encoders.strips.STRIP_BYTES", 1500)


DTYPES = {8: np.uint8, 16: np.uint16, 32: np.float32}


def noise(height, width, bits):
    values = np.random.default_rng(7).random((height, width, 3), np.float32)
    return values if bits == 32 else (values * (2**bits - 1)).astype(DTYPES[bits])


def encoded(encode, pixels, **extras):
    file = io.BytesIO()
    encode(pixels, Extras(**extras), file)
    return file.getvalue()


ENCODINGS = [
    (encode_jpeg, 8, {"quality": 95}),
    *((encode_png, bits, {}) for bits in (8, 16)),
    *((encode_tiff, bits, {"tiff_compression": method}) for bits in (8, 16, 32) for method in COMPRESSIONS),
]


def read(encode, data):
    """The pixels as libraries read them that did not write them; more than one where more than one can."""
    whole = np.frombuffer(data, np.uint8)
    if encode is encode_jpeg:
        return [cv2.imdecode(whole, 1)[..., ::-1], np.asarray(Image.open(io.BytesIO(data)))]
    if encode is encode_png:
        return [cv2.imdecode(whole, cv2.IMREAD_UNCHANGED)[..., ::-1], imagecodecs.png_decode(data)]
    return [tifffile.imread(io.BytesIO(data))]


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize(("encode", "bits", "extras"), ENCODINGS)
def test_same_bytes_for_any_number_of_threads(monkeypatch, encode, bits, extras):
    pixels = noise(150, 40, bits)
    files = set()
    for threads in (1, 2, 3, 7):
        monkeypatch.setenv("ISP_NUM_THREADS", str(threads))
        files.add(encoded(encode, pixels, **extras))
    assert len(files) == 1


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("encode", "bits", "extras"), ENCODINGS)
def test_turned_views_are_read_back(encode, bits, extras, orientation):
    whole = noise(151, 40, bits)
    whole.flags.writeable = False
    view = orient(whole[:-1, 1:], orientation)
    data = encoded(encode, view, **extras)
    assert data == encoded(encode, np.ascontiguousarray(view), **extras)
    for pixels in read(encode, data):
        if encode is not encode_jpeg:
            np.testing.assert_array_equal(pixels, view)
    assert pixels.shape == view.shape and pixels.dtype == view.dtype


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("encode", [encode_jpeg, encode_png, encode_tiff])
def test_a_file_that_fails_ends_the_work(encode, error):
    class Full(io.BytesIO):
        def write(self, data):
            if len(data) > 5000:
                raise error
            return super().write(data)

    with pytest.raises(error):
        encode(noise(2000, 200, 8), Extras(), Full())


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_a_strip_that_fails_ends_the_work(monkeypatch, threads):
    monkeypatch.setenv("ISP_NUM_THREADS", str(threads))
    begun = []

    def encode(top):
        begun.append(top)
        if top == 300:
            raise StageError("as it must")
        return top

    with pytest.raises(StageError, match="as it must"):
        list(in_order(encode, 100_000, 10))
    assert len(begun) < 100


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_strips_come_in_order_and_not_far_ahead(monkeypatch, threads):
    monkeypatch.setenv("ISP_NUM_THREADS", str(threads))
    begun = []

    def encode(top):
        begun.append(top)
        time.sleep(0.0003 * (top % 7))
        return top

    for number, top in enumerate(in_order(encode, 995, 5)):
        assert top == 5 * number
        assert len(begun) <= number + 1 + 3 * threads
        time.sleep(0.0002 * (number % 5))
    assert sorted(begun) == list(range(0, 995, 5))


# --- JPEG ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_strips")
def test_every_quality_is_pillows():
    pixels = noise(50, 20, 8)
    for quality in range(1, 101):  # quantisation tables hold any byte, markers too
        plain = io.BytesIO()
        Image.fromarray(pixels).save(plain, "jpeg", quality=quality)
        ours = Image.open(io.BytesIO(encoded(encode_jpeg, pixels, quality=quality)))
        np.testing.assert_array_equal(ours, Image.open(plain))


@pytest.mark.parametrize("size", [1, 65519, 65520, 200_000])
def test_a_long_profile_is_cut_into_segments(size):
    long = np.random.default_rng(1).bytes(size)
    with Image.open(io.BytesIO(encoded(encode_jpeg, noise(8, 8, 8), profile=long))) as image:
        assert image.info["icc_profile"] == long


def test_the_longest_exif_fits_into_a_segment():
    text = "山" * 5000
    story = dict.fromkeys(("make", "model", "artist", "copyright", "lens"), text)
    meta = picture(**story, gps=Gps(1.0, 2.0)).meta
    with Image.open(io.BytesIO(encoded(encode_jpeg, noise(8, 8, 8), meta=meta))) as image:
        assert image.info["exif"] == b"Exif\0\0" + exif(meta)
        assert image.getexif()[274] == 1


@pytest.mark.parametrize("shape", [(3, 65500), (65500, 3)])
def test_the_largest_side_of_jpeg(shape):
    pixels = np.broadcast_to(np.uint8(77), (*shape, 3))
    assert Image.open(io.BytesIO(encoded(encode_jpeg, pixels, subsampling="4:4:4"))).size == shape[::-1]


# --- deflate ---------------------------------------------------------------------------------------------------------


def inflated(data):
    stream = deflate.zlib_stream(np.frombuffer(data, np.uint8))
    assert imagecodecs.deflate_decode(stream, out=len(data)) == data  # libdeflate, stricter than zlib
    return zlib.decompress(stream)


@settings(deadline=None)  # the first compiles
@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_come_back(data):
    assert inflated(data) == data


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 900)), min_size=1, max_size=20))
def test_runs_come_back(runs):
    data = b"".join(bytes([value % 3 and value]) * length for value, length in runs)
    assert inflated(data) == data


def test_codes_longer_than_deflate_takes_are_shortened():
    counts = [1, 1]  # of Fibonacci: Huffman's codes would be as long as there are symbols
    while len(counts) < 27:
        counts.append(counts[-1] + counts[-2])
    data = np.repeat(np.arange(1, 28, dtype=np.uint8), counts).tobytes()
    assert inflated(data) == data


def test_blocks_may_follow_each_other():
    parts = [np.random.default_rng(n).integers(0, 9, 1000 + n, np.uint8) for n in range(70)]
    stream, checksum = b"", 1
    for part in parts:
        stream += deflate.block(part).tobytes()
        checksum = deflate.adler_of_both(checksum, deflate.adler(part), part.size)
    whole = b"".join(part.tobytes() for part in parts)
    assert zlib.decompress(stream + deflate.LAST, -15) == whole and checksum == zlib.adler32(whole)


def test_the_largest_checksums_add_up():
    high, low = bytes([255]) * 70_001, bytes(65_521 * 3)
    for one, two in ((high, low), (low, high), (high, high), (b"", high), (high, b"")):
        assert deflate.adler_of_both(zlib.adler32(one), zlib.adler32(two), len(two)) == zlib.adler32(one + two)


# --- PNG -------------------------------------------------------------------------------------------------------------


def test_png_rows_are_filtered_as_the_specification_says(tmp_path):
    data = encoded(encode_png, noise(5, 4, 8))
    at, stream = 33, b""
    while data[at + 4 : at + 8] == b"IDAT":
        length = int.from_bytes(data[at : at + 4])
        stream += data[at + 8 : at + 8 + length]
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(stream), np.uint8).reshape(5, 13)
    assert (rows[:, 0] == 4).all()
    padded = np.zeros((6, 15), int)
    padded[1:, 3:] = noise(5, 4, 8).reshape(5, 12)
    left, above, corner = padded[1:, :-3], padded[:-1, 3:], padded[:-1, :-3]
    near = np.stack((left, above, corner))
    paeth = np.take_along_axis(near, abs(left + above - corner - near).argmin(0)[None], 0)[0]
    np.testing.assert_array_equal(rows[:, 1:], (padded[1:, 3:] - paeth) % 256)


@pytest.mark.parametrize("values", [(0, 1), (0, 127, 128, 255)])
def test_paeth_where_neighbours_are_equal_or_far_apart(values):
    pixels = np.random.default_rng(4).choice(np.array(values, np.uint8), (60, 50, 3))
    for decoded in read(encode_png, encoded(encode_png, pixels)):
        np.testing.assert_array_equal(decoded, pixels)


def test_an_even_picture_is_small():
    assert len(encoded(encode_png, np.full((1000, 1000, 3), 255, np.uint8))) < 3_000_000 / 100


# --- TIFF ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("method", ["none", "deflate"])
def test_opencv_reads_tiff(method, bits):
    pixels = noise(150, 40, bits)
    data = encoded(encode_tiff, pixels, tiff_compression=method)
    result = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(result[..., ::-1], pixels)


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize("method", COMPRESSIONS)
def test_pillow_reads_tiff(method):
    pixels = noise(150, 40, 8)
    data = encoded(encode_tiff, pixels, tiff_compression=method)
    np.testing.assert_array_equal(Image.open(io.BytesIO(data)), pixels)


@pytest.mark.parametrize(("method", "tag"), [("none", 1), ("deflate", 8), ("zstd", 50000)])
@pytest.mark.parametrize(("bits", "predictor"), [(8, 2), (16, 2), (32, 3)])
def test_tiff_says_how_it_is_compressed(tmp_path, method, tag, bits, predictor):
    path = write_image(picture(200, 300), tmp_path / "a.tif", bit_depth=bits, tiff_compression=method)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert page.compression == tag and page.predictor == (1 if method == "none" else predictor)
        np.testing.assert_array_equal(page.asarray(), expected(picture(200, 300), bits))


# --- WebP ------------------------------------------------------------------------------------------------------------


def test_webp_has_profile_and_story_and_is_near_the_pixels(tmp_path):
    ramp = np.linspace(0, 1, 60 * 80 * 3, dtype=np.float32).reshape(60, 80, 3)
    frame = picture(60, 80, orientation=6, gps=Gps(1.0, 2.0)).replace(data=ramp)
    path = write_image(frame, tmp_path / "a.webp")
    error = opencv(path).astype(int) - orient(expected(frame, 8), 6)
    assert abs(error).max() <= 6
    with Image.open(path) as image:
        assert image.format == "WEBP" and image.info["icc_profile"] == profile("srgb")
        tags = image.getexif()
        assert (tags[271], tags[274], tags[305]) == ("Canon", 1, "isp") and tags.get_ifd(34853)
    plain = write_image(frame, tmp_path / "b.webp", metadata=False, quality=10)
    assert b"Canon" not in plain.read_bytes() and plain.stat().st_size < path.stat().st_size


def test_webp_has_a_largest_side():
    with pytest.raises(WriteError, match="16383"):
        encode_webp(np.zeros((16384, 1, 3), np.uint8), Extras(), io.BytesIO())
