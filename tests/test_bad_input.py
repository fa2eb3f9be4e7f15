"""Whatever is wrong with a file is one clear line, and nothing but RawError comes out."""

import io
import logging
import os
import random
import shutil
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import rawpy
import tifffile

from isp.errors import RawError, printable
from isp.frame import Frame
from isp.raw import read_raw

from .dng_files import gain_map, opcode_list, write_dng
from .paths import SAMPLES, shared

LIBRAW = ".".join(map(str, rawpy.libraw_version))


@pytest.fixture
def mosaic():
    return np.random.default_rng(0).integers(600, 16000, (64, 96), dtype=np.uint16)


@contextmanager
def refused(path, pattern):
    """The block raises one line of RawError that begins with the file's name as it was given."""
    with pytest.raises(RawError, match=pattern) as error:
        yield
    text = str(error.value)
    assert "\n" not in text and text.isprintable() and text.startswith(f"{path}: "), text


def check(path, pattern):
    with refused(printable(os.fspath(path)), pattern):
        read_raw(path)


def test_missing(tmp_path):
    check(tmp_path / "no.NEF", "does not exist; check the path")


def test_empty(tmp_path):
    (tmp_path / "IMG_1.NEF").touch()
    check(tmp_path / "IMG_1.NEF", r"is empty \(0 bytes\); copy it from the card again")


def test_folder_and_device(tmp_path):
    check(tmp_path, "is a folder; give the raw files in it")
    check("/dev/null", "is a device or pipe, not a file")


def test_a_nul_in_the_path():
    with refused(r"a\x00b.NEF", "cannot be read"):
        read_raw("a\0b.NEF")


def test_too_long_a_name(tmp_path):
    check(tmp_path / ("x" * 300), "cannot be read")
    long = tmp_path / ("x" * 251 + ".KDC")  # with .toml added it is longer than a name may be
    shutil.copyfile(SAMPLES / "dc50_0008.KDC", long)
    assert read_raw(long).data.shape == (512, 768)


def test_no_permission(tmp_path):
    path = tmp_path / "a.KDC"
    shutil.copyfile(SAMPLES / "dc50_0008.KDC", path)
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        check(path, "may not be read .permission denied.; change its permissions")
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(
    not os.path.exists("/proc/self/mem"), reason="needs Linux's /proc/self/mem, a file whose reads fail"
)
def test_a_disk_that_fails():
    check("/proc/self/mem", "cannot be read .Input/output error.; check the path and the disk or card")


def test_a_file_object_in_text_mode_or_closed(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with refused(tmp_path / "a.txt", "is open as text"), open(tmp_path / "a.txt") as file:
        read_raw(file)
    with refused(tmp_path / "a.txt", "cannot be read"):
        read_raw(file)


def test_a_name_that_is_not_utf8_is_still_printed(tmp_path):
    path = bytes(tmp_path) + b"/a\xff\n.NEF"
    with open(path, "wb"):
        pass
    with refused(f"{tmp_path}/a\\xff\\n.NEF", "is empty"):
        read_raw(path)
    with refused(f"{tmp_path}/a\\xff\\n.NEF", "is empty"):
        read_raw(os.fsdecode(path))


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ("Dear diary,\n" * 50 + "schöne Grüße", "is text, not a raw file"),
        ("ä" * 4095, "is text, not a raw file"),
        (b"\xff\xd8\xff\xe0" + bytes(500), "is a JPEG picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "is a PNG picture"),
        (b"PK\x03\x04" + bytes(500), "is a ZIP archive"),
        (bytes(500), "has no header that LibRaw knows; .*--headerless WxH:CFA:DTYPE"),
        (b"\x93" * 7, "has no header"),
        (b"II*\0", "is cut short or damaged"),
        (b"II*\0" + bytes(500), "."),
        (b"FUJIFILM" + bytes(500), "."),
        (b"II\x1a\0\0\0HEAPCCDR" + bytes(500), "."),
        (b"MM\0*\0\0\0\x08\0\xff" + bytes(range(256)) * 9, "."),
    ],
)
def test_what_is_no_raw(tmp_path, content, pattern):
    (tmp_path / "a.NEF").write_bytes(content.encode() if isinstance(content, str) else content)
    check(tmp_path / "a.NEF", pattern)


def test_a_finished_tiff(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 40, 3), np.uint8))
    check(tmp_path / "a.tif", "is of no camera that LibRaw .* knows, or a finished picture")


@pytest.mark.parametrize("name", ["G2_IMG_0301.JPG", "S40_IMG_0102.JPG", "GOPR8508.JPG"])
def test_camera_jpegs(name):
    check(shared(f"raws/camera_jpeg/{name}"), "is a JPEG picture without raw data; give the camera's raw file")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("bep_sample.arw", "claims 3880 x 2600 pixels in 102,400 bytes"),
        ("bep_sample.cr2", "is cut short"),
        ("bep_sample.dng", "cut short"),
        ("bep_sample.nef", "cut short"),
        ("issue247_1.nef", "is cut short or damaged"),
    ],
)
def test_truncated_headers(name, pattern):
    check(shared(f"raws/edge/{name}"), pattern)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["dc50_0008.KDC", "g2_0304.CRW", "dc120_3910.KDC"])
def test_truncated_samples(tmp_path, name, share):
    content = (SAMPLES / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    check(tmp_path / name, "cut short|not supported|no camera|header")


def test_truncated_dng(tmp_path, mosaic):
    write_dng(tmp_path / "a.dng", mosaic)
    content = (tmp_path / "a.dng").read_bytes()
    for share in (0.001, 0.3, 0.99):
        (tmp_path / "a.dng").write_bytes(content[: int(len(content) * share)])
        check(tmp_path / "a.dng", "cut short")


@pytest.mark.parametrize("side", [30_000, 60_000, 4_000_000_000])
def test_false_sizes(tmp_path, mosaic, side):
    write_dng(tmp_path / "a.dng", mosaic, ImageWidth=side, ImageLength=side)
    check(tmp_path / "a.dng", f"claims {side} x {side} pixels in .* bytes, which cannot be")


def test_a_size_of_nothing(tmp_path, mosaic):
    write_dng(tmp_path / "a.dng", mosaic, ImageWidth=0)
    check(tmp_path / "a.dng", "claims 0 x 64 pixels")


def test_the_hanging_file_is_refused_at_once():
    check(shared("raws/killers/hang_30000x30000.dng"), "claims 30000 x 30000 pixels in 2,133,262 bytes")


@pytest.mark.parametrize("name", ["segfault_dc120.KDC", "segfault_dc120_b.KDC"])
def test_files_that_kill_libraw_are_refused_before_it(name):
    path = shared(f"raws/killers/{name}")
    script = (
        f"from isp.raw import read_raw\ntry: read_raw({str(path)!r})\nexcept Exception as e: print(type(e).__name__, e)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("DamagedError") and "its pixels end at byte" in done.stdout


def test_a_strip_beyond_the_file(tmp_path, mosaic):
    write_dng(tmp_path / "a.dng", mosaic, StripByteCounts=0x80000000)
    check(tmp_path / "a.dng", "its pixels end at byte 2,147,483,656 but the file has only .* bytes; it is cut short")


def test_max_pixels():
    with refused(SAMPLES / "dc50_0008.KDC", "has 768 x 512 pixels, over the limit of 390,000; raise max_pixels"):
        read_raw(SAMPLES / "dc50_0008.KDC", max_pixels=390_000)
    with refused(SAMPLES / "g2_0304.CRW", "more than any raw file; raise max_pixels"):
        read_raw(SAMPLES / "g2_0304.CRW", max_pixels=1000)


@pytest.mark.parametrize("compression", [9, 52546])  # VC-5 as in GoPro's GPR, JPEG XL
def test_unsupported_compression_names_the_camera_and_the_cure(tmp_path, mosaic, compression):
    write_dng(tmp_path / "a.dng", mosaic, Compression=compression, Make="GoPro", Model="HERO7 Black")
    check(
        tmp_path / "a.dng",
        f"GoPro HERO7 Black or its compression is not supported by LibRaw {LIBRAW}; convert to DNG or upgrade rawpy",
    )


def test_white_not_above_black(tmp_path, mosaic):
    write_dng(tmp_path / "a.dng", mosaic, WhiteLevel=100, BlackLevel=200)
    check(tmp_path / "a.dng", "white level 100 is not above black 200; the file is damaged")


def test_every_error_of_libraw_has_a_line():
    from isp.source import Source, _explain

    kinds = [kind for kind in vars(rawpy).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    errors = [kind("x") if kind is rawpy.NotSupportedError else kind(b"x") for kind in kinds]
    lines = [str(_explain(Source("a", io.BytesIO(), 0), error, "Maker X")) for error in errors]
    assert len(lines) > 15 and all("; " in line for line in lines)


def test_damaged_tags_cost_no_pixels(tmp_path, mosaic, caplog):
    write_dng(tmp_path / "a.dng", mosaic, exif={"LensModel": "A lens of a long name"}, Artist="An artist")
    content = bytearray((tmp_path / "a.dng").read_bytes())
    entry = content.index((315).to_bytes(2, "little") + b"\x02\0")
    content[entry + 8 : entry + 12] = b"\xff\xff\xff\x7f"  # Artist lies behind the end
    (tmp_path / "a.dng").write_bytes(content)
    frame = read_raw(tmp_path / "a.dng")
    assert np.array_equal(frame.data, mosaic) and frame.meta.artist is None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("samples", [1, 3])
def test_flipped_bytes_end_in_a_frame_or_raw_error(tmp_path, mosaic, seed, samples):
    pixels = mosaic if samples == 1 else np.dstack([mosaic] * 3)
    write_dng(
        tmp_path / "a.dng", pixels, subifd=bool(seed % 2), ActiveArea=(3, 5, 63, 91), BlackLevelRepeatDim=(2, 2),
        BlackLevel=tuple(range(500, 500 + 4 * samples)), BlackLevelDeltaV=range(60), MaskedAreas=(0, 0, 64, 4),
        NoiseProfile=(1e-4, 1e-7), DefaultCropOrigin=(2, 2), DefaultCropSize=(80, 50),
        OpcodeList2=opcode_list(gain_map(np.ones((3, 4)), (0, 0, 60, 86))),
        exif={"ExposureTime": ((1, 60),), "LensModel": "Lens"},
        gps={"GPSLatitudeRef": "S", "GPSLatitude": (1, 2, 3), "GPSLongitudeRef": "W", "GPSLongitude": (4, 5, 6)},
    )  # fmt: skip
    good = (tmp_path / "a.dng").read_bytes()
    rng = random.Random(seed)
    outcomes = {Frame: 0, RawError: 0}
    logging.getLogger("tifffile").disabled = True
    for _ in range(120):
        content = bytearray(good)
        for _ in range(rng.choice((1, 2, 8))):
            content[-1 - rng.randrange(2000)] = rng.randrange(256)  # the writer puts directories at the end
        try:
            outcomes[type(read_raw(io.BytesIO(content), crop=rng.choice(("camera", "full"))))] += 1
        except RawError as error:
            assert "\n" not in str(error)
            outcomes[RawError] += 1
    logging.getLogger("tifffile").disabled = False
    assert min(outcomes.values()) > 5
