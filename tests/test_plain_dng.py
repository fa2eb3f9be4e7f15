"""The mosaics that are read past LibRaw are those that LibRaw reads, and everything else is left to it."""

import dataclasses
import io
import itertools
import os
import random
import struct
from contextlib import contextmanager

import numpy as np
import pytest
import rawpy
import tifffile

from isp import raw as reader
from isp.errors import RawError
from isp.frame import Frame
from isp.lossless_jpeg import decode
from isp.plain_dng import find_layout
from isp.raw import read_raw
from isp.source import Source
from isp.tiff import find_picture

from .dng_files import gain_map, lossless_tiles, opcode_list, write_dng
from .paths import shared

SHAPE = (150, 210)
REAL = ["dng/gopro7_8508.DNG", "dng/gpr_GOPR0024.DNG", "dng/ljpeg_tiled.dng", "dng/canon550d_colorchart.dng"]


def noise(bits=14, shape=SHAPE):
    return np.random.default_rng(bits).integers(0, 2**bits, shape).astype(np.uint16)


def libraw(path):
    with open(path, "rb") as file, rawpy.imread(file) as raw:
        return raw.raw_image.copy()


@contextmanager
def past_libraw(monkeypatch, expected=True):
    """The block reads pixels past LibRaw, or not."""
    done = []

    def watched(file, layout):
        mosaic = read_mosaic(file, layout)
        done.append(mosaic is not None)
        return mosaic

    read_mosaic = reader.read_mosaic
    with monkeypatch.context() as patch:
        patch.setattr(reader, "read_mosaic", watched)
        yield
    assert done == [True] if expected else True not in done


def read_by_libraw(path, monkeypatch, **kwargs):
    with monkeypatch.context() as patch:
        patch.setattr(reader, "find_layout", lambda picture: None)
        return read_raw(path, **kwargs)


def check(path, pixels, monkeypatch, expected=True):
    with past_libraw(monkeypatch, expected):
        frame = read_raw(path, crop="full")
    assert np.array_equal(frame.data, libraw(path)) and np.array_equal(frame.data, pixels)


@pytest.mark.parametrize(
    ("components", "predictor"),
    [*itertools.product((1, 2), range(1, 8)), (1, None)],  # None: liblj92 writes it, with one component only
)
def test_every_predictor(tmp_path, monkeypatch, predictor, components):
    tiles = lossless_tiles(noise(), (64, 80), components=components, predictor=predictor)
    write_dng(tmp_path / "a.dng", noise(), tiles=tiles)
    check(tmp_path / "a.dng", noise(), monkeypatch)


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
@pytest.mark.parametrize("size", [(64, 80), (32, 208), (160, 48), SHAPE])
def test_every_depth_and_shape_of_tiles(tmp_path, monkeypatch, bits, size):
    write_dng(tmp_path / "a.dng", noise(bits), tiles=lossless_tiles(noise(bits), size, bits=bits, components=2))
    check(tmp_path / "a.dng", noise(bits), monkeypatch)


@pytest.mark.parametrize("width", [106, 256])
def test_tiles_that_libraw_garbles(tmp_path, width):
    """LibRaw 0.22 errs where two tiles of two components are as wide as the picture, or one is wider."""
    pixels = noise(shape=(150, 212))
    write_dng(tmp_path / "a.dng", pixels, tiles=lossless_tiles(pixels, (64, width), components=2))
    assert np.array_equal(read_raw(tmp_path / "a.dng").data, pixels)
    assert not np.array_equal(libraw(tmp_path / "a.dng"), pixels)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_any_number_of_threads(tmp_path, monkeypatch, threads):
    monkeypatch.setenv("ISP_NUM_THREADS", str(threads))
    pixels = noise(shape=(700, 300))
    write_dng(tmp_path / "a.dng", pixels, tiles=lossless_tiles(pixels, (64, 64)))
    check(tmp_path / "a.dng", pixels, monkeypatch)


def test_one_strip_of_lossless_jpeg(tmp_path, monkeypatch):
    (blob,) = lossless_tiles(noise(), SHAPE).blobs
    strip = np.frombuffer(blob + bytes(len(blob) % 2), "<u2")
    where = {"Compression": 7, "RowsPerStrip": SHAPE[0], "ImageWidth": SHAPE[1], "ImageLength": SHAPE[0]}
    write_dng(tmp_path / "a.dng", strip[None], **where)
    check(tmp_path / "a.dng", noise(), monkeypatch)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("rows", [None, 40])
def test_without_compression_in_both_byte_orders_and_in_strips(tmp_path, monkeypatch, byteorder, rows):
    tags = [
        (50706, 1, 4, bytes((1, 4, 0, 0)), True), (271, 2, 0, "Maker", True), (272, 2, 0, "Model", True),
        (33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50721, 10, 9, (6, 10, -1, 10, -1, 10, -4, 10, 12, 10, 2, 10, -1, 10, 2, 10, 5, 10), True),
    ]  # fmt: skip
    tifffile.imwrite(
        tmp_path / "a.dng", noise(), photometric=32803, byteorder=byteorder, rowsperstrip=rows, extratags=tags,
        metadata=None,
    )  # fmt: skip
    check(tmp_path / "a.dng", noise(), monkeypatch)


@pytest.mark.parametrize(
    "changes",
    [
        {"LinearizationTable": tuple(range(1 << 14))},
        {"DNGVersion": bytes((1, 0, 0, 0))},
        {"Make": None},  # the camera may be in a thumbnail's EXIF
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_not_plain_is_for_libraw(tmp_path, monkeypatch, changes, compressed):
    tiles = lossless_tiles(noise(), (64, 80)) if compressed else None
    write_dng(tmp_path / "a.dng", noise(), tiles=tiles, **changes)
    check(tmp_path / "a.dng", noise(), monkeypatch, expected=False)


def test_strips_that_do_not_follow_each_other_are_for_libraw(tmp_path, monkeypatch):
    half = SHAPE[0] * SHAPE[1]
    write_dng(
        tmp_path / "a.dng", noise(), StripOffsets=(8, 8), StripByteCounts=(half, half), RowsPerStrip=SHAPE[0] // 2
    )
    with past_libraw(monkeypatch, expected=False):
        assert np.array_equal(read_raw(tmp_path / "a.dng").data, libraw(tmp_path / "a.dng"))


def test_a_jpeg_that_libraw_reads_otherwise_is_for_libraw(tmp_path, monkeypatch):
    pixels = noise(10) + np.uint16(1024)  # so that LibRaw, which then expects the half, refuses nothing
    tiles = lossless_tiles(pixels, SHAPE, bits=12)
    scan = tiles.blobs[0].index(b"\xff\xda")
    shifted = bytearray(tiles.blobs[0])
    shifted[scan + 9] = 1  # point transform: all values are twice as large, to those who mind
    write_dng(tmp_path / "a.dng", pixels, tiles=tiles._replace(blobs=(bytes(shifted),)))
    check(tmp_path / "a.dng", libraw(tmp_path / "a.dng"), monkeypatch, expected=False)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("crop", ["camera", "full"])
def test_real_files_are_what_libraw_alone_makes_of_them(monkeypatch, name, crop):
    path = shared(f"raws/{name}")
    with past_libraw(monkeypatch, expected="550d" not in name):  # that one has 14 bits
        frame = read_raw(path, crop=crop)
    alone = read_by_libraw(path, monkeypatch, crop=crop)
    assert frame.meta == alone.meta and np.array_equal(frame.data, alone.data)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("subifd", [False, True])
@pytest.mark.parametrize("crop", ["camera", "active", "full"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_all_that_the_file_says_is_what_libraw_alone_makes_of_it(
    tmp_path, monkeypatch, compressed, subifd, crop, in_memory
):
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    tiles = lossless_tiles(noise(), (64, 80), components=2) if compressed else None
    write_dng(
        tmp_path / "a.dng", noise(), tiles=tiles, subifd=subifd, cfa="GBRG", ActiveArea=(3, 17, 143, 207),
        MaskedAreas=(0, 0, 150, 16), BlackLevelRepeatDim=(2, 2), BlackLevel=(500, 510, 520, 530),
        BlackLevelDeltaV=range(140), DefaultCropOrigin=(2, 3), DefaultCropSize=(150, 101), Orientation=6,
        BaselineExposure=0.5, NoiseProfile=(1e-4, 1e-7),
        OpcodeList2=opcode_list(gain_map(np.ones((3, 4)), (0, 0, 140, 190))),
        exif={"ExposureTime": ((1, 60),), "LensModel": "Lens", "ISOSpeedRatings": 400},
        gps={"GPSLatitudeRef": "S", "GPSLatitude": (1, 2, 3), "GPSLongitudeRef": "W", "GPSLongitude": (4, 5, 6)},
    )  # fmt: skip
    with past_libraw(monkeypatch):
        frame = read_raw(tmp_path / "a.dng", crop=crop)
    alone = read_by_libraw(tmp_path / "a.dng", monkeypatch, crop=crop)
    assert frame.meta == alone.meta and np.array_equal(frame.data, alone.data)
    assert frame.meta.border is not None and frame.data.flags.c_contiguous and not frame.data.flags.writeable


def outcome(read):
    try:
        return read()
    except RawError as error:
        return str(error)


def damaged(good, components, length):
    """60 times the bytes of a DNG with `length` others somewhere in its tiles."""
    starts = [place for place in range(len(good)) if good.startswith(b"\xff\xd8\xff", place)]
    rng = random.Random(components)
    for _ in range(60):
        content = bytearray(good)
        at = min(rng.choice(starts) + rng.randrange(4000), len(good) - 2000)
        content[at : at + length] = rng.randbytes(length)
        yield content


@pytest.mark.parametrize("components", [1, 2])
@pytest.mark.parametrize("length", [1, 512])
def test_damaged_tiles_raise_nothing_of_their_own(tmp_path, monkeypatch, components, length):
    pixels = (1000 + 5 * np.add.outer(np.arange(150), np.arange(210)) + noise(4)).astype(np.uint16)
    write_dng(tmp_path / "a.dng", pixels, tiles=lossless_tiles(pixels, (64, 80), bits=12, components=components))
    seen = {Frame: 0, str: 0}
    for content in damaged((tmp_path / "a.dng").read_bytes(), components, length):
        ours = outcome(lambda content=content: read_raw(io.BytesIO(content)))
        alone = outcome(lambda content=content: read_by_libraw(io.BytesIO(content), monkeypatch))
        assert isinstance(ours, Frame) or ours == alone  # a damaged byte in the samples passes both of them often
        assert length == 1 or type(ours) is type(alone)  # a damaged block is LibRaw's to judge
        seen[type(ours)] += 1
    assert length == 1 or min(seen.values()) > 2, seen


@pytest.mark.parametrize("found", [True, False])
def test_a_file_that_becomes_shorter_while_it_is_read(tmp_path, monkeypatch, found):
    def cut(picture):
        layout = find_layout(picture)
        os.truncate(tmp_path / "a.dng", 1000)
        return layout if found else None

    find_layout = reader.find_layout
    write_dng(tmp_path / "a.dng", noise(shape=(600, 800)))
    monkeypatch.setattr(reader, "find_layout", cut)
    with pytest.raises(RawError, match=r"a\.dng: (became shorter while it was read|is cut short)"):
        read_raw(tmp_path / "a.dng")


def owner(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return array


def test_what_libraw_decodes_is_not_copied(tmp_path):
    write_dng(tmp_path / "a.dng", noise(), ActiveArea=(3, 5, 143, 205), DNGVersion=bytes((1, 0, 0, 0)))
    for crop in ("camera", "full"):
        frame = read_raw(tmp_path / "a.dng", crop=crop)
        assert isinstance(owner(frame.data), rawpy.RawPy) and frame.data.flags.c_contiguous


def test_with_two_raw_pictures_libraw_chooses(tmp_path):
    write_dng(tmp_path / "a.dng", noise())
    with open(tmp_path / "a.dng", "rb") as file:
        picture = find_picture(file, "a")
        assert find_layout(picture) is not None
        assert find_layout(dataclasses.replace(picture, sole=False)) is None


def test_a_jpeg_is_decoded_only_if_it_can_hold_what_it_claims():
    (jpeg,) = lossless_tiles(noise(), SHAPE).blobs
    assert np.array_equal(decode(jpeg, *SHAPE), noise())
    assert np.array_equal(decode(jpeg + bytes(3), SHAPE[1], SHAPE[0]).ravel(), noise().ravel())
    assert decode(jpeg, SHAPE[0], SHAPE[1] + 1) is None
    for end in (0, 2, 10, 100, len(jpeg) - 2):
        assert decode(jpeg[:end], *SHAPE) is None
    frame = jpeg.index(b"\xff\xc3") + 5
    assert decode(jpeg[:frame] + struct.pack(">HH", 60000, 60000) + jpeg[frame + 4 :], 60000, 60000) is None


def test_a_source_reads_parts():
    file = Source("a", io.BytesIO(b"0123456789"), 10)
    assert (file.part(3, 2), file.part(8), file.part(20)) == (b"34", b"89", b"")
    with pytest.raises(RawError, match="a: became shorter"):
        file.fill(np.empty(8, np.uint8), 5)
