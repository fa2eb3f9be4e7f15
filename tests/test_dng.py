"""The DNG tags that rawpy loses, and the tests' own DNG writer against tifffile and exifread."""

import io

import exifread
import numpy as np
import pytest
import tifffile

from isp.dng import read_dng
from isp.frame import Rectangle
from isp.raw import read_raw
from isp.tiff import end_of_pixels, find_picture, is_cut_short

from .dng_files import fix_vignette_radial, gain_map, opcode_list, write_dng
from .paths import SAMPLES, shared


@pytest.fixture
def content(tmp_path):
    """Writes a DNG with some tags and returns its bytes."""

    def write(**tags):
        write_dng(tmp_path / "a.dng", np.full((64, 96), 1000, np.uint16), **tags)
        return (tmp_path / "a.dng").read_bytes()

    return write


def tags_of(content):
    return read_dng(find_picture(io.BytesIO(content), "a.dng"))


@pytest.mark.parametrize("subifd", [False, True])
def test_the_writer_agrees_with_tifffile_and_exifread(content, subifd):
    file = content(subifd=subifd, BlackLevel=(7,), exif={"ExposureTime": ((1, 60),)}, gps={"GPSLatitudeRef": "N"})
    with tifffile.TiffFile(io.BytesIO(file)) as tiff:
        page = tiff.pages[0].pages[0] if subifd else tiff.pages[0]
        assert np.array_equal(page.asarray(), np.full((64, 96), 1000))
        assert page.tags["CFAPattern"].value == bytes((0, 1, 1, 2))
        assert tiff.pages[0].tags["ExifTag"].value == {"ExposureTime": (1, 60)}
    exif = exifread.process_file(io.BytesIO(file), details=False)
    assert str(exif["EXIF ExposureTime"]) == "1/60" and str(exif["GPS GPSLatitudeRef"]) == "N"


@pytest.mark.parametrize("subifd", [False, True])
def test_tags_are_found_on_the_raw_directory_and_the_main_one(content, subifd):
    tags = tags_of(
        content(
            subifd=subifd, ActiveArea=(2, 4, 60, 90), DefaultCropOrigin=(1, 2), DefaultCropSize=(80, 50),
            BlackLevel=(64,), BaselineExposure=0.5, NoiseProfile=(1e-4, 1e-7), MaskedAreas=(0, 0, 2, 96, 60, 0, 64, 96),
        )
    )  # fmt: skip
    assert tags.active == Rectangle(2, 4, 58, 86)
    assert tags.crop == Rectangle(2, 1, 50, 80)
    assert tags.black == (((64.0,),),)
    assert tags.baseline_exposure == 0.5
    assert tags.noise == ((1e-4, 1e-7),)
    assert tags.masked == (Rectangle(0, 0, 2, 96), Rectangle(60, 0, 4, 96))
    assert tags.neutral == (0.5, 1.0, 0.625)


def test_fractional_crop_is_rounded_inwards(content):
    tags = tags_of(content(DefaultCropOrigin=(1.5, 2.0), DefaultCropSize=(80.5, 50.0)))
    assert tags.crop == Rectangle(2, 2, 50, 80)


def test_black_levels_of_a_wrong_number_are_logged(content, caplog):
    assert tags_of(content(BlackLevelRepeatDim=(2, 2), BlackLevel=(1, 2, 3))).black == (((1.0,),),)
    assert "3 black levels are not 2 x 2 x 1" in caplog.text


def test_one_black_level_serves_all_sites(content):
    assert tags_of(content(BlackLevelRepeatDim=(2, 2), BlackLevel=(9,))).black == (((9.0,), (9.0,)), ((9.0,), (9.0,)))


@pytest.mark.parametrize("repeat", [(0, 2), (65535, 65535)])
def test_absurd_repeat_dimensions_are_survived(content, repeat):
    assert tags_of(content(BlackLevelRepeatDim=repeat, BlackLevel=(9,))).black == (((9.0,),),)


def test_a_black_level_of_no_number_is_zero(content):
    assert tags_of(content(BlackLevel=((5, 0),))).black == (((0.0,),),)


@pytest.mark.parametrize("profile", [(-1.0, 0.0), (float("nan"), 0.0)])
def test_nonsensical_noise_profile_is_left_out(content, profile, caplog):
    assert tags_of(content(NoiseProfile=profile)).noise == ()
    assert "NoiseProfile" in caplog.text


def test_a_damaged_opcode_list_is_left_out_and_logged(content, caplog):
    good = opcode_list(fix_vignette_radial((0.1, 0, 0, 0, 0)))
    tags = tags_of(content(OpcodeList2=good[:30], OpcodeList3=good))
    assert [shading.after_demosaic for shading in tags.lens_shading] == [True]
    assert "its lens shading is left out" in caplog.text


def test_mandatory_opcodes_are_named_unless_libraw_applies_them(content, caplog):
    listed = opcode_list((8, bytes(68)))
    tags_of(content(OpcodeList2=listed, Compression=34892))
    assert not caplog.text
    tags_of(content(OpcodeList2=listed))
    assert "opcode 8 is mandatory" in caplog.text


def test_gain_maps_keep_their_order(content):
    maps = [gain_map(np.full((2, 2), gain), (0, 0, 64, 96)) for gain in (1.0, 2.0, 3.0)]
    shading = tags_of(content(OpcodeList2=opcode_list(*maps))).lens_shading
    assert [one.points[0][0][0] for one in shading] == [1.0, 2.0, 3.0]


def test_what_is_no_tiff_or_no_raw_has_no_picture():
    assert find_picture(io.BytesIO((SAMPLES / "g2_0304.CRW").read_bytes()), "a") is None
    assert find_picture(io.BytesIO(b""), "a") is None
    rgb = io.BytesIO()
    tifffile.imwrite(rgb, np.zeros((4, 4, 3), np.uint8))
    assert find_picture(rgb, "a") is None
    kdc = find_picture(io.BytesIO((SAMPLES / "dc50_0008.KDC").read_bytes()), "a")
    assert kdc is not None and not kdc.is_dng and kdc.page.imagewidth == 756


def test_strips_outside_the_file(content):
    file = content()
    assert 0.9 * len(file) < end_of_pixels(find_picture(io.BytesIO(file), "a.dng")) <= len(file)
    assert not is_cut_short(io.BytesIO(file), len(file))
    assert end_of_pixels(find_picture(io.BytesIO(content(StripByteCounts=1_000_000)), "a.dng")) == 1_000_008
    assert is_cut_short(io.BytesIO(content(StripByteCounts=1_000_000)), len(file))
    assert not is_cut_short(io.BytesIO(b"no TIFF"), 7)


def test_the_lossy_6d_takes_black_and_white_from_libraw():
    path = shared("raws/edge/photoprism_canon_eos_6d.dng")
    assert tags_of(path.read_bytes()).black is None
    assert read_raw(path).meta.white == 65535  # the tag says 255


def test_floating_point_dng_reads_with_a_warning(tmp_path, caplog):
    pixels = np.random.default_rng(0).random((64, 96, 3), np.float32)
    tags = [
        (50706, 1, 4, bytes((1, 4, 0, 0)), True), (271, 2, 0, "Maker", True), (272, 2, 0, "Model", True),
        (50721, 10, 9, (6, 10, -1, 10, -1, 10, -4, 10, 12, 10, 2, 10, -1, 10, 2, 10, 5, 10), True),
    ]  # fmt: skip
    tifffile.imwrite(tmp_path / "a.dng", pixels, photometric=34892, extratags=tags, metadata=None)
    frame = read_raw(tmp_path / "a.dng")
    assert np.allclose(frame.data, pixels, atol=1e-3)
    assert "floating-point" in caplog.text
