"""Pixels without a header: as keywords, as one text, and as a sidecar."""

import io
import shutil

import numpy as np
import pytest

from isp.errors import ParameterError, RawError
from isp.frame import Rectangle, Space
from isp.headerless import Layout, parse_layout, read_headerless
from isp.raw import read_raw

from .paths import SAMPLES, shared

XTRANS = "GBGGRGRGRBGBGBGGRGGRGGBGBGBRGRGRGGBG"
PHASES = {"RGGB": ((0, 1), (1, 2)), "BGGR": ((2, 1), (1, 0)), "GRBG": ((1, 0), (2, 1)), "GBRG": ((1, 2), (0, 1))}


@pytest.mark.parametrize(
    ("dtype", "numpy_type", "white"),
    [
        ("uint8", "u1", 255), ("uint10", "<u2", 1023), ("uint12", "<u2", 4095), ("uint14le", "<u2", 16383),
        ("uint16", "<u2", 65535), ("uint16be", ">u2", 65535), ("uint12be", ">u2", 4095),
    ],
)  # fmt: skip
def test_types(tmp_path, dtype, numpy_type, white):
    pixels = np.random.default_rng(0).integers(0, min(white, 65535) + 1, (6, 8)).astype(numpy_type)
    (tmp_path / "a.raw").write_bytes(pixels.tobytes())
    frame = read_headerless(tmp_path / "a.raw", width=8, height=6, cfa="RGGB", dtype=dtype)
    assert np.array_equal(frame.data, pixels) and frame.data.dtype == np.uint16
    assert frame.space is Space.RAW and frame.meta.white == white and frame.meta.black == ((0.0,),)


def test_meta_is_what_was_given(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(48))
    frame = read_headerless(
        tmp_path / "a.raw", width=8, height=6, cfa="GBRG", dtype="uint8", black=12, white=200, white_balance=(4, 2, 3)
    )
    meta = frame.meta
    assert (meta.cfa, meta.black, meta.white) == (PHASES["GBRG"], ((12.0,),), 200)
    assert meta.white_balance == (2.0, 1.0, 1.5)
    assert meta.active == meta.crop == Rectangle(0, 0, 6, 8) and meta.size == (6, 8)
    assert meta.name == str(tmp_path / "a.raw")
    assert meta.xyz_to_camera is None and meta.make is None


@pytest.mark.parametrize("cfa", [*PHASES, "MONO", XTRANS])
def test_patterns(cfa):
    meta = read_headerless(io.BytesIO(bytes(144)), width=12, height=12, cfa=cfa, dtype="uint8").meta
    letters = "".join("RGB"[colour] for row in meta.cfa for colour in row)
    assert letters == ("G" if cfa == "MONO" else cfa)
    assert meta.monochrome == (cfa == "MONO")


def test_a_wrong_byte_count_says_both_numbers():
    with pytest.raises(RawError, match="has 100 bytes, but 12 x 12 uint16 are 288; correct the width"):
        read_headerless(io.BytesIO(bytes(100)), width=12, height=12, cfa="RGGB", dtype="uint16")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width = 0"), ({"height": -1}, "height = -1"), ({"width": 1.5}, "width = 1.5"),
        ({"cfa": "RGBG"}, "cfa = 'RGBG' is not allowed; give one of RGGB, BGGR, GRBG, GBRG, MONO"),
        ({"cfa": "X" * 36}, "cfa ="), ({"dtype": "float32"}, "dtype = 'float32'"), ({"dtype": "uint11"}, "dtype ="),
        ({"black": -1}, "black = -1"), ({"white": 0}, "white = 0"), ({"black": 300, "white": 255}, "white = 255"),
        ({"white": float("nan")}, "white = nan"), ({"white": 70000}, "white = 70000"),
        ({"width": True}, "width = True"), ({"black": True}, "black = True"), ({"cfa": None}, "cfa = None"),
        ({"dtype": np.float32}, "dtype = 'float32'"), ({"dtype": None}, "dtype = 'none'"),
        ({"white_balance": 2}, "white_balance = 2"),
        ({"width": np.array([12])}, "width ="), ({"black": np.float32("nan")}, "black = .*nan"),
        ({"white_balance": "111"}, "white_balance = '111'"), ({"white_balance": (1, 1, 10**400)}, "white_balance"),
        ({"black": 10**400}, "black ="), ({"white_balance": np.ones((3, 3))}, "white_balance ="),
        ({"white_balance": (1, 2)}, "white_balance"), ({"white_balance": (0, 1, 1)}, "white_balance"),
    ],
)  # fmt: skip
def test_parameters_out_of_range(changes, message):
    good = {"width": 12, "height": 12, "cfa": "RGGB", "dtype": "uint8"}
    with pytest.raises(ParameterError, match=message):
        read_headerless(io.BytesIO(bytes(144)), **(good | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"width": np.int64(8), "height": np.uint16(6)}, {"black": np.float32(12)}, {"white": np.int16(200)},
        {"white_balance": np.array([4, 2, 3], np.float32)}, {"white_balance": [np.float64(4), np.int8(2), 3]},
        {"dtype": np.uint8}, {"dtype": np.dtype("u1")}, {"dtype": "UINT8"}, {"cfa": "gbrg"}, {"cfa": "GbRg"},
    ],
)  # fmt: skip
def test_numpys_numbers_and_types_are_as_good(changes):
    good = {"width": 8, "height": 6, "cfa": "GBRG", "dtype": "uint8", "black": 12, "white": 200}
    good |= {"white_balance": (4, 2, 3)}
    usual, frame = (read_headerless(io.BytesIO(bytes(48)), **keywords) for keywords in (good, good | changes))
    assert frame.meta == usual.meta and np.array_equal(frame.data, usual.data)
    plain = (*frame.meta.size, frame.meta.white, frame.meta.black[0][0], *frame.meta.white_balance)
    assert {type(value) for value in plain} == {int, float}


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_numpy_type_says_its_byte_order(order):
    pixels = np.arange(48, dtype=f"{order}u2").reshape(6, 8)
    frame = read_headerless(io.BytesIO(pixels.tobytes()), width=8, height=6, cfa="RGGB", dtype=pixels.dtype)
    assert np.array_equal(frame.data, pixels)


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("768x512:RGGB:uint16", Layout(768, 512, "RGGB", "uint16")),
        ("768X512:rggb:UINT16BE", Layout(768, 512, "RGGB", "uint16be")),
        ("8x6:MONO:uint8:12", Layout(8, 6, "MONO", "uint8", 12.0)),
        ("8x6:GBRG:uint14:600:15520", Layout(8, 6, "GBRG", "uint14", 600.0, 15520.0)),
        ("8x6:GBRG:uint14:600.5:15520.25", Layout(8, 6, "GBRG", "uint14", 600.5, 15520.25)),
        (f"12x12:{XTRANS}:uint12", Layout(12, 12, XTRANS, "uint12")),
    ],
)
def test_layout_as_text(text, layout):
    assert parse_layout(text) == layout


@pytest.mark.parametrize(
    "text",
    ["", "768x512", "768x512:RGGB", "768:RGGB:uint16", "axb:RGGB:uint16", "8x6:RGGB:uint16:", "8x6:RGGB:uint16:1:2:3",
     "8x6:RGGB:uint16:-1", "8x6:RGGB:uint16:1.2.3"],
)  # fmt: skip
def test_other_texts_are_refused_with_the_form(text):
    with pytest.raises(ParameterError, match=r"give WxH:CFA:DTYPE\[:BLACK\[:WHITE\]\]"):
        parse_layout(text)


@pytest.mark.parametrize("text", ["8x6:RGBB:uint16", "8x6:RGGB:int16", "0x6:RGGB:uint16", "8x6:RGGB:uint8:300"])
def test_values_in_the_text_are_checked(text):
    with pytest.raises(ParameterError):
        parse_layout(text)


@pytest.mark.parametrize("phase", ["rggb", "gbrg"])
def test_samples_are_read_by_their_sidecars(phase):
    path = SAMPLES / f"DSC_1339_768x512_{phase}.raw"
    frame = read_raw(path)
    assert np.array_equal(frame.data, np.fromfile(path, "<u2").reshape(512, 768))
    assert frame.meta.cfa == PHASES[phase.upper()]
    assert (frame.meta.black, frame.meta.white) == (((600.0,),), 15520)
    assert frame.meta.white_balance == (1.949, 1, 1.344)


def test_phases_hold_the_same_colours():
    """The sample files are one scene with its samples relabelled: each colour's mean is the same."""
    means = []
    for phase in ("rggb", "gbrg"):
        frame = read_raw(SAMPLES / f"DSC_1339_768x512_{phase}.raw")
        colour = np.tile(frame.meta.cfa, (256, 384))
        means.append([frame.data[colour == number].mean() for number in range(3)])
    assert means[0] == means[1]


def test_sidecar_beside_a_bytes_path(tmp_path):
    path = bytes(tmp_path) + b"/b\xff.raw"
    with open(path, "wb") as file:
        file.write(bytes(48))
    with open(path + b".toml", "w") as file:
        file.write('width = 8\nheight = 6\ncfa = "MONO"\ndtype = "uint8"\n')
    assert read_raw(path).data.shape == (6, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width = ", "is not a TOML file"),
        ("width = 8", "lacks the key cfa"),
        (
            'width=8\nheight=6\ncfa="RGGB"\ndtype="uint8"\nblak=3',
            "has the unknown key blak; the keys are width, height",
        ),
        ('width=8\nheight="6"\ncfa="RGGB"\ndtype="uint8"', "height = '6'"),
        ('width=8\nheight=6\ncfa=3\ndtype="uint8"', "cfa = 3"),
        ('width=8\nheight=6\ncfa="RGGB"\ndtype=["uint8"]', "dtype ="),
        ('width=8\nheight=6\ncfa="RGGB"\ndtype="uint8"\nblack="x"', "black = 'x'"),
        ('width=8\nheight=6\ncfa="RGGB"\ndtype="uint8"\nwhite_balance=["a",1,1]', "white_balance ="),
    ],
)
def test_bad_sidecars_are_named(tmp_path, text, message):
    (tmp_path / "a.raw").write_bytes(bytes(48))
    (tmp_path / "a.raw.toml").write_text(text)
    with pytest.raises(RawError, match=message) as error:
        read_raw(tmp_path / "a.raw")
    assert str(error.value).startswith(f"{tmp_path}/a.raw.toml: ") and "\n" not in str(error.value)


def test_without_a_sidecar_libraws_guess_by_length_is_refused(tmp_path):
    """LibRaw opens 786432 bytes of anything as 1024 x 768 of some industrial camera."""
    shutil.copy(SAMPLES / "DSC_1339_768x512_rggb.raw", tmp_path / "a.raw")
    with pytest.raises(RawError, match=r"has no header.*--headerless WxH:CFA:DTYPE.*isp.read_headerless.*sidecar"):
        read_raw(tmp_path / "a.raw")


@pytest.mark.parametrize(
    "name",
    ["DSC_1339_768x512_bggr.raw", "DSC_1339_768x512_grbg.raw", "DSC_1339_768x512_rggb_bpc_test.raw",
     "Outdoor1_2592x1536_8bit_GRBG.raw", "openISP_test_1920x1080.RAW"],
)  # fmt: skip
def test_shared_headerless_files_are_refused_without_a_layout(name):
    with pytest.raises(RawError, match="--headerless"):
        read_raw(shared(f"raws/headerless/{name}"))


def test_shared_headerless_files_read_with_one():
    frame = read_headerless(
        shared("raws/headerless/Outdoor1_2592x1536_8bit_GRBG.raw"), **parse_layout("2592x1536:GRBG:uint8:12")._asdict()
    )
    assert frame.data.shape == (1536, 2592)
    frame = read_headerless(
        shared("raws/headerless/openISP_test_1920x1080.RAW"), **parse_layout("1920x1080:RGGB:uint10")._asdict()
    )
    assert frame.data.shape == (1080, 1920) and frame.data.max() == 1020
