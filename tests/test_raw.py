"""read_raw against what rawpy says of real files, and against what was written into synthetic ones."""

import io
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile

from isp.errors import ParameterError, RawError
from isp.frame import Rectangle, Space
from isp.opcodes import GainMap, RadialGain
from isp.raw import read_raw
from isp.stages import Color

from .dng_files import COLOR_MATRIX, NEUTRAL, fix_vignette_radial, gain_map, opcode_list, write_dng
from .paths import BAYER_SAMPLES, BAYER_SHARED, SAMPLES, shared

XTRANS = "GBGGRGRGRBGBGBGGRGGRGGBGBGBRGRGRGGBG"


def colours(letters):
    side = round(len(letters) ** 0.5)
    return np.array(["RGB".index(letter) for letter in letters]).reshape(side, side)


def tiled(pattern, shape):
    """The periodic pattern over a frame, by NumPy."""
    pattern = np.array(pattern)
    return np.tile(pattern, [-(-n // p) for n, p in zip(shape, pattern.shape, strict=True)])[: shape[0], : shape[1]]


@pytest.fixture
def mosaic():
    return np.random.default_rng(0).integers(600, 16000, (64, 96), dtype=np.uint16)


@pytest.fixture
def dng(tmp_path, mosaic):
    """Writes a DNG of `mosaic` with some tags and reads it."""

    def read(pixels=None, crop="camera", **tags):
        path = tmp_path / "a.dng"
        write_dng(path, mosaic if pixels is None else pixels, **tags)
        return read_raw(path, crop=crop)

    return read


BAYER = [
    *[pytest.param(lambda name=name: SAMPLES / name, id=name) for name in BAYER_SAMPLES],
    *[pytest.param(lambda name=name: shared(name), id=Path(name).name) for name in BAYER_SHARED],
]


# ------------------------------------------------------------------------------------------ real files against rawpy


@pytest.mark.parametrize("find", BAYER)
def test_camera_file_agrees_with_rawpy(find):
    path = find()
    active, full = read_raw(path, crop="active"), read_raw(path, crop="full")
    with rawpy.imread(str(path)) as raw:
        assert np.array_equal(active.data, raw.raw_image_visible)
        assert np.array_equal(full.data, raw.raw_image)
        sizes, colour = raw.sizes, raw.raw_colors_visible.copy()
        black, white = raw.black_level_per_channel, raw.white_level
    expected = np.where(colour == 3, 1, colour)
    meta = active.meta
    assert active.space is Space.RAW and active.data.dtype == np.uint16
    assert np.array_equal(tiled(meta.cfa, active.data.shape), expected)
    assert np.array_equal(tiled(meta.black, active.data.shape), np.array(black)[colour])
    assert meta.white == white
    assert meta.pixel_aspect == sizes.pixel_aspect
    assert meta.size == active.data.shape
    assert meta.active == meta.crop == Rectangle(0, 0, *active.data.shape)
    assert full.meta.active == (sizes.top_margin, sizes.left_margin, sizes.height, sizes.width)
    assert full.meta.crop == Rectangle(0, 0, *full.data.shape) and full.meta.size == full.data.shape
    assert np.array_equal(tiled(full.meta.cfa, full.data.shape)[full.meta.active.slices], expected)
    assert np.array_equal(full.data[full.meta.active.slices], active.data)


@pytest.mark.parametrize("name", ["g2_0304.CRW", "s40_0117.CRW"])
def test_camera_crop_is_what_the_maker_states(name):
    frame = read_raw(SAMPLES / name)
    with rawpy.imread(str(SAMPLES / name)) as raw:
        sizes = raw.sizes
        shown = raw.raw_image[sizes.crop_top_margin :, sizes.crop_left_margin :]
        shown = shown[: sizes.crop_height, : sizes.crop_width].copy()
    assert shown.shape == (1704, 2272)  # what Canon's manual calls the picture size
    assert np.array_equal(frame.data[frame.meta.crop.slices], shown)


@pytest.mark.parametrize("name", ["g2_0304.CRW", "s40_0101.CRW", "s40_0117.CRW"])
def test_crw_white_balance_and_matrix_are_rawpys(name):
    meta = read_raw(SAMPLES / name).meta
    with rawpy.imread(str(SAMPLES / name)) as raw:
        gains, matrix = np.array(raw.camera_whitebalance), raw.rgb_xyz_matrix[:3].copy()
    assert np.allclose(meta.white_balance, gains[:3] / gains[1])
    assert np.array_equal(np.float32(meta.xyz_to_camera), np.float32(matrix))


@pytest.mark.parametrize("name", ["g2_0304.CRW", "s40_0101.CRW"])
def test_crw_border_measures_the_black_it_states(name):
    full = read_raw(SAMPLES / name, crop="full")
    masked = np.ones(full.data.shape, bool)
    masked[full.meta.active.slices] = False
    border = full.meta.border
    for y in range(2):
        for x in range(2):
            site = full.data[y::2, x::2][masked[y::2, x::2]]
            assert border.mean[y][x] == pytest.approx(site[abs(site - 32.0) < 8].mean(), abs=0.02)
            assert border.mean[y][x] == pytest.approx(full.meta.black[y][x], abs=0.25)
    assert border.noise == pytest.approx(np.std(full.data[masked]), rel=0.1)
    assert 0.99 * masked.sum() < border.pixels <= masked.sum()


def test_550d_border_disagrees_with_its_tag():
    meta = read_raw(shared("raws/dng/canon550d_colorchart.dng")).meta
    assert meta.black == ((2056.0,),)
    assert np.allclose(
        meta.border.mean, [[2047, 2047], [2050.5, 2050.5]], atol=0.5
    )  # ../data/MANIFEST.md, and its rows


def test_550d_nonsense_is_absent():
    meta = read_raw(shared("raws/dng/canon550d_colorchart.dng")).meta
    assert (meta.iso, meta.shutter, meta.aperture, meta.focal_length, meta.time) == (None,) * 5
    assert meta.baseline_exposure == 0
    assert (meta.make, meta.model) == ("Canon", "Canon EOS Kiss X4")


@pytest.mark.parametrize("name", ["gopro7_8508.DNG", "gpr_GOPR0024.DNG"])
def test_gopro_carries_gain_maps_noise_and_orientation(name):
    path = shared(f"raws/dng/{name}")
    meta = read_raw(path).meta
    with tifffile.TiffFile(path) as tiff:
        slope, offset = tiff.pages[0].tags["NoiseProfile"].value
        orientation = int(tiff.pages[0].tags["Orientation"].value)
    assert meta.noise == ((slope, offset),)
    assert meta.orientation == orientation == 2
    assert [type(shading) for shading in meta.lens_shading] == [GainMap] * 4
    assert sorted((shading.top, shading.left) for shading in meta.lens_shading) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_crw_story_comes_through_the_thumbnail_and_rawpy():
    meta = read_raw(SAMPLES / "g2_0304.CRW").meta
    with rawpy.imread(str(SAMPLES / "g2_0304.CRW")) as raw:
        other = raw.other
    assert (meta.make, meta.model) == ("Canon", "PowerShot G2")
    assert (meta.iso, meta.aperture, meta.focal_length) == (other.iso_speed, other.aperture, other.focal_length)
    assert meta.shutter == pytest.approx(other.shutter_speed, rel=1e-3)
    assert meta.time == other.timestamp.strftime("%Y:%m:%d %H:%M:%S")


def test_kdc_story_is_what_its_tags_say():
    meta = read_raw(SAMPLES / "dc50_0008.KDC").meta
    with tifffile.TiffFile(SAMPLES / "dc50_0008.KDC") as tiff:
        tags = {tag.name: tag.value for tag in tiff.pages[0].tags}
    assert (meta.make, meta.model) == (tags["Make"].strip(), tags["Model"].strip())
    assert meta.time == tags["DateTime"]
    assert meta.shutter == pytest.approx(tags["ExposureTime"][0] / tags["ExposureTime"][1])
    assert meta.aperture == pytest.approx(tags["FNumber"][0] / tags["FNumber"][1])
    assert meta.copyright == tags["Copyright"].strip()
    assert meta.iso == 84  # as rawpy says; EXIF has none


def test_invalid_white_balance_is_absent_and_logged_ones_are_valid(caplog):
    assert read_raw(SAMPLES / "dc120_3910.KDC").meta.white_balance is None  # rawpy: 0, 1, 0, 0
    assert "white balance (0, 1, 0) is not valid" in caplog.text
    assert read_raw(SAMPLES / "dc50_0008.KDC").meta.white_balance == (1, 1, 1)


def test_no_matrix_is_none(tmp_path):
    path = tmp_path / "none.dng"
    write_dng(path, np.full((32, 32), 1000, np.uint16), ColorMatrix1=None)
    assert read_raw(path).meta.xyz_to_camera is None


@pytest.mark.parametrize("name", ["dc50_0008.KDC", "dc120_3910.KDC"])
def test_kodaks_own_matrix_is_what_color_uses(name):
    with tifffile.TiffFile(SAMPLES / name) as tiff:
        flat = np.array(tiff.pages[0].pages[0].tags[37400].value, np.float64)
    camera_to_srgb = (flat[::2] / flat[1::2]).reshape(3, 4)[:, 1:]
    assert Color().camera_to_srgb(read_raw(SAMPLES / name).meta) == pytest.approx(camera_to_srgb, abs=1e-9)


def test_linear_dng_of_a_6d():
    path = shared("raws/edge/photoprism_canon_eos_6d.dng")
    frame = read_raw(path)
    with rawpy.imread(str(path)) as raw:
        expected = raw.raw_image[..., :3] / np.float32(65535)
    assert frame.space is Space.CAMERA and frame.gains == (1, 1, 1) and frame.meta.demosaiced
    assert np.allclose(frame.data, expected, atol=1e-6)
    assert (frame.meta.model, frame.meta.lens) == ("Canon EOS 6D", "EF24-105mm f/4L IS USM")
    assert (frame.meta.iso, frame.meta.shutter, frame.meta.baseline_exposure) == (1000, 1 / 60, 0.25)
    assert frame.meta.time == "2019:06:06 07:29:51"  # taken; DateTime is when Photoshop wrote it
    assert len(frame.meta.noise) == 3


# ------------------------------------------------------------------------------- synthetic files against what they say


@pytest.mark.parametrize("corner", [(0, 0), (3, 5), (4, 6), (2, 3), (5, 4)])
@pytest.mark.parametrize("cfa", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_phase_and_black_follow_the_corner_of_the_active_area(dng, mosaic, cfa, corner):
    levels = (512, 520, 530, 505)
    area = {"ActiveArea": (*corner, 62, 90), "BlackLevelRepeatDim": (2, 2), "BlackLevel": levels}
    frame, full = dng(cfa=cfa, **area), dng(cfa=cfa, crop="full", **area)
    lit = mosaic[corner[0] : 62, corner[1] : 90]
    assert np.array_equal(frame.data, lit)
    assert np.array_equal(frame.meta.cfa, colours(cfa))
    assert np.array_equal(frame.meta.black, np.reshape(levels, (2, 2)))
    assert np.array_equal(full.data, mosaic)
    assert full.meta.active == (*corner, *lit.shape)
    for pattern, expected in ((full.meta.cfa, colours(cfa)), (full.meta.black, np.reshape(levels, (2, 2)))):
        seen = tiled(pattern, full.data.shape)[full.meta.active.slices]
        assert np.array_equal(seen, tiled(expected, lit.shape))


@pytest.mark.parametrize("cfa", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_phase_agrees_with_libraws_own_picture(dng, tmp_path, cfa):
    """A scene of one colour per filter: LibRaw's half-size picture says which site it takes for red."""
    frame = dng(tiled(colours(cfa) * 4000 + 2000, (64, 96)).astype(np.uint16), cfa=cfa)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        picture = raw.postprocess(
            half_size=True, output_color=rawpy.ColorSpace.raw, no_auto_bright=True, gamma=(1, 1), output_bps=16,
            user_wb=[1, 1, 1, 1], adjust_maximum_thr=0.0, user_sat=16383,
        )  # fmt: skip
    ours = [frame.data[tiled(frame.meta.cfa, frame.data.shape) == colour].mean() / 16383 for colour in range(3)]
    assert np.allclose(picture.mean((0, 1)) / 65535, ours, atol=1e-3)


@pytest.mark.parametrize("corner", [(0, 0), (6, 6), (5, 7)])
def test_xtrans(dng, mosaic, corner):
    frame = dng(cfa=XTRANS, ActiveArea=(*corner, 60, 90))
    assert np.array_equal(frame.data, mosaic[corner[0] : 60, corner[1] : 90])
    assert np.array_equal(frame.meta.cfa, colours(XTRANS))
    full = dng(cfa=XTRANS, ActiveArea=(*corner, 60, 90), crop="full")
    seen = tiled(full.meta.cfa, full.data.shape)[full.meta.active.slices]
    assert np.array_equal(seen, tiled(colours(XTRANS), seen.shape))


def test_black_of_4x4_sites(dng):
    levels = tuple(range(500, 516))
    meta = dng(BlackLevelRepeatDim=(4, 4), BlackLevel=levels).meta
    assert np.array_equal(meta.black, np.reshape(levels, (4, 4)))
    full = dng(BlackLevelRepeatDim=(4, 4), BlackLevel=levels, ActiveArea=(3, 5, 63, 91), crop="full").meta
    assert np.array_equal(tiled(full.black, (64, 96))[3:7, 5:9], np.reshape(levels, (4, 4)))


def test_black_per_row_and_column(dng):
    rows, columns = np.arange(60) / 4, np.arange(86) / -8
    area = {"ActiveArea": (3, 5, 63, 91), "BlackLevel": 500, "BlackLevelDeltaV": rows, "BlackLevelDeltaH": columns}
    meta, full = dng(**area).meta, dng(crop="full", **area).meta
    assert np.array_equal(meta.black_rows, rows) and np.array_equal(meta.black_columns, columns)
    assert np.array_equal(full.black_rows[3:63], rows) and np.array_equal(full.black_columns[5:91], columns)
    assert len(full.black_rows) == 64 and len(full.black_columns) == 96


def test_deltas_of_another_length_are_left_out(dng, caplog):
    assert dng(BlackLevelDeltaV=(1, 2, 3)).meta.black_rows == ()
    assert "3 black level deltas for 64" in caplog.text


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_exifs(dng, orientation):
    assert dng(Orientation=orientation).meta.orientation == orientation


def test_pixel_aspect(dng):
    assert dng(DefaultScale=(1, 2)).meta.pixel_aspect == 0.5  # half as wide as high


def test_crops_are_relative_to_what_is_read(dng):
    tags = {"ActiveArea": (4, 6, 60, 90), "DefaultCropOrigin": (5, 3), "DefaultCropSize": (70, 40)}
    assert dng(**tags).meta.crop == Rectangle(top=3, left=5, height=40, width=70)
    assert dng(crop="active", **tags).meta.crop == Rectangle(0, 0, 56, 84)
    assert dng(crop="full", **tags).meta.crop == Rectangle(0, 0, 64, 96)


def test_crop_is_clipped_and_an_absurd_one_ignored(dng, caplog):
    assert dng(DefaultCropOrigin=(4, 2), DefaultCropSize=(96, 64)).meta.crop == Rectangle(2, 4, 62, 92)
    assert not caplog.text
    assert dng(DefaultCropOrigin=(90, 60), DefaultCropSize=(500, 500)).meta.crop == Rectangle(0, 0, 64, 96)
    assert "crop" in caplog.text


def test_active_area_outside_the_frame_is_ignored(dng, caplog):
    assert dng(ActiveArea=(2, 2, 66, 98)).data.shape == (64, 96)
    assert "ActiveArea" in caplog.text


def test_white_balance_and_matrix_are_those_of_the_tags(dng):
    meta = dng().meta
    assert np.allclose(meta.white_balance, [NEUTRAL[1] / neutral for neutral in NEUTRAL])
    assert np.allclose(meta.xyz_to_camera, np.reshape(COLOR_MATRIX, (3, 3)), atol=1e-6)
    assert dng(AsShotNeutral=None).meta.white_balance is None
    assert dng(ColorMatrix1=None).meta.xyz_to_camera is None


def test_absurd_white_balance_is_absent(dng, caplog):
    assert dng(AsShotNeutral=(0.001, 1, 0.5)).meta.white_balance is None
    assert "not valid" in caplog.text


def test_two_greens_are_averaged_and_logged(caplog):
    from isp.calibration import read_white_balance

    class Camera:
        camera_whitebalance = (2.0, 1.0, 1.5, 1.1)

    assert read_white_balance(Camera(), None, "a.raw") == pytest.approx((2 / 1.05, 1, 1.5 / 1.05))
    assert "two greens" in caplog.text
    Camera.camera_whitebalance = (2.0, 1.0, 1.5, 0.0)
    assert read_white_balance(Camera(), None, "a.raw") == (2.0, 1.0, 1.5)


def test_baseline_exposure_and_noise_profile(dng):
    meta = dng(BaselineExposure=((-35, 100),), NoiseProfile=(1e-4, 2e-7, 2e-4, 3e-7, 3e-4, 4e-7)).meta
    assert meta.baseline_exposure == -0.35
    assert meta.noise == ((1e-4, 2e-7), (2e-4, 3e-7), (3e-4, 4e-7))
    assert dng(BaselineExposure=((0, 0),)).meta.baseline_exposure == 0


def test_lens_shading_of_both_lists(dng):
    gains = np.array([[1.0, 1.5, 2.0], [1.25, 1.0, 1.75]])
    second = opcode_list(gain_map(gains, (0, 0, 64, 96), pitch=(2, 2)), (1, b"x" * 8), optional=True)
    third = opcode_list(fix_vignette_radial((0.1, 0.2, 0.3, 0.4, 0.5), (0.4, 0.6)))
    a, b = dng(OpcodeList2=second, OpcodeList3=third).meta.lens_shading
    assert np.array_equal(np.array(a.points)[..., 0], gains)
    assert (a.bottom, a.right, a.row_pitch, a.spacing, a.after_demosaic) == (64, 96, 2, (1.0, 0.5), False)
    assert b == RadialGain((0.1, 0.2, 0.3, 0.4, 0.5), (0.4, 0.6), after_demosaic=True)


def test_masked_border_is_measured_by_site_without_outliers(dng, mosaic):
    rng = np.random.default_rng(1)
    pixels = mosaic.copy()
    pixels[:, :16] = np.round(rng.normal(np.tile([[500.0, 510.0], [520.0, 530.0]], (32, 8)), 4.0))
    pixels[7, 3] = pixels[40, 9] = 16000  # hot
    tags = {"cfa": "GBRG", "ActiveArea": (0, 16, 64, 96)}
    border = dng(pixels, **tags).meta.border
    assert np.allclose(border.mean, [[500, 510], [520, 530]], atol=0.8)
    assert border.noise == pytest.approx(4.0, abs=0.4)
    assert 64 * 16 - 8 <= border.pixels <= 64 * 16 - 2


def test_border_is_phased_like_the_colours(dng, mosaic):
    pixels = mosaic.copy()
    pixels[:, :17] = tiled([[500, 510], [520, 530]], (64, 17))
    active = dng(pixels, ActiveArea=(1, 17, 63, 95)).meta.border
    assert np.array_equal(np.round(active.mean), [[530, 520], [510, 500]])  # the corner (1, 17) is of the 530 kind
    full = dng(pixels, ActiveArea=(1, 17, 63, 95), crop="full").meta.border
    assert np.array_equal(np.round(full.mean), [[500, 510], [520, 530]])


def test_stated_masked_areas_win_and_a_small_border_is_none(dng, mosaic):
    pixels = mosaic.copy()
    pixels[:, :16], pixels[:, 80:] = 500, 700
    border = dng(pixels, ActiveArea=(0, 16, 64, 80), MaskedAreas=(0, 0, 64, 16)).meta.border
    assert border.mean == ((500, 500), (500, 500)) and border.noise == 0 and border.pixels == 64 * 16
    assert dng(ActiveArea=(0, 2, 64, 96)).meta.border is None
    assert dng().meta.border is None


def test_linear_dng_enters_as_camera_colours(dng):
    pixels = np.random.default_rng(2).integers(0, 16000, (64, 96, 3), dtype=np.uint16)
    frame = dng(pixels, BlackLevel=(100, 110, 120), ActiveArea=(3, 5, 60, 90), subifd=True)
    black = np.array([100, 110, 120])
    assert frame.space is Space.CAMERA and frame.data.dtype == np.float32
    assert np.allclose(frame.data, ((pixels - black) / (16383.0 - black))[3:60, 5:90], atol=1e-6)
    assert frame.gains == (1, 1, 1) and frame.meta.demosaiced and not frame.meta.monochrome
    assert np.allclose(frame.meta.white_balance, (2, 1, 1.6))  # LibRaw bends them with the blacks: 2, 1.0006, 1.602
    full = dng(pixels, BlackLevel=(100, 110, 120), ActiveArea=(3, 5, 60, 90), crop="full")
    assert np.allclose(full.data, (pixels - black) / (16383.0 - black), atol=1e-6)
    assert full.meta.active == (3, 5, 57, 85)


def test_linear_dng_with_black_common_to_its_planes_and_three_whites(dng):
    pixels = np.random.default_rng(4).integers(500, 13000, (64, 96, 3), dtype=np.uint16)
    white = np.array([16000, 15000, 14000])
    frame = dng(pixels, BlackLevel=(400, 400, 400), WhiteLevel=white)  # rawpy says 15600: black taken off already
    assert np.allclose(frame.data, (pixels - 400.0) / (white - 400.0), atol=1e-6)
    frame = dng(pixels, BlackLevel=(400, 400, 400), WhiteLevel=None)
    assert np.allclose(frame.data, (pixels - 400.0) / (65535 - 400.0), atol=1e-6)


def test_linear_dng_with_black_pattern_and_deltas(dng):
    pixels = np.random.default_rng(3).integers(500, 16000, (64, 96, 3), dtype=np.uint16)
    pattern = np.arange(12).reshape(2, 2, 3) + 100
    rows, columns = np.arange(64) / 8, np.arange(96) / 16
    frame = dng(
        pixels, BlackLevelRepeatDim=(2, 2), BlackLevel=pattern.ravel(), BlackLevelDeltaV=rows, BlackLevelDeltaH=columns
    )
    black = np.tile(pattern, (32, 48, 1)) + rows[:, None, None] + columns[None, :, None]
    assert np.allclose(frame.data, (pixels - black) / (16383 - black), atol=1e-6)
    assert frame.meta.black_rows == () and not np.any(frame.meta.black)


def test_monochrome_dng(dng, mosaic):
    frame = dng(cfa="MONO", BlackLevel=100)
    assert frame.space is Space.RAW and np.array_equal(frame.data, mosaic)
    assert frame.meta.cfa == ((1,),) and frame.meta.monochrome
    assert frame.meta.black == ((100.0,),) and frame.meta.white_balance is None


def test_other_colours_are_refused(dng):
    with pytest.raises(RawError, match=r"a\.dng: has a .*C.* sensor; only red, green, blue and monochrome"):
        dng(CFAPattern=bytes((3, 4, 5, 1)), CFAPlaneColor=bytes((3, 4, 5, 1)))


def test_story_of_the_exif_directory(dng):
    meta = dng(
        exif={
            "ExposureTime": ((1, 60),), "FNumber": ((28, 10),), "ISOSpeedRatings": 400, "FocalLength": 35,
            "LensModel": "35mm f/2 prime", "DateTimeOriginal": "2020:01:02 03:04:05",
        },
        Artist="Ann Artist", Copyright="CC0", DateTime="2021:01:01 00:00:00",
    ).meta  # fmt: skip
    assert (meta.make, meta.model, meta.lens) == ("Maker", "Model X", "35mm f/2 prime")
    assert (meta.shutter, meta.aperture, meta.iso, meta.focal_length) == (1 / 60, 2.8, 400, 35)
    assert (meta.time, meta.artist, meta.copyright) == ("2020:01:02 03:04:05", "Ann Artist", "CC0")


@pytest.mark.parametrize("time", ["1970:01:01 00:00:00", "1980:01:01 00:00:00", "2020:13:01 00:00:00", "0000", " "])
def test_nonsense_in_exif_is_absent(dng, time):
    meta = dng(
        exif={"ExposureTime": ((0, 0),), "FNumber": 0, "ISOSpeedRatings": 0, "DateTimeOriginal": time, "LensModel": ""}
    ).meta
    assert (meta.shutter, meta.aperture, meta.iso, meta.time, meta.lens) == (None,) * 5


def test_gps(dng):
    gps = {
        "GPSLatitudeRef": "S", "GPSLatitude": (33, 51, 31.5), "GPSLongitudeRef": "E", "GPSLongitude": (151, 12, 51),
        "GPSAltitudeRef": 1, "GPSAltitude": 4.5, "GPSTimeStamp": (7, 8, 9), "GPSDateStamp": "2020:02:03",
    }  # fmt: skip
    place = dng(gps=gps).meta.gps
    assert place.latitude == pytest.approx(-(33 + 51 / 60 + 31.5 / 3600))
    assert place.longitude == pytest.approx(151 + 12 / 60 + 51 / 3600)
    assert (place.altitude, place.time) == (-4.5, "2020:02:03 07:08:09")
    assert dng(gps=gps | {"GPSLatitude": (133, 0, 0)}).meta.gps is None
    assert dng().meta.gps is None


# ----------------------------------------------------------------------------------------------------------- sources


@pytest.mark.parametrize("name", ["plain.KDC", "with space.KDC", "Übergröße 写真.KDC", b"latin1_\xe9\xff.KDC"])
def test_any_path(tmp_path, name):
    path = os.fsencode(tmp_path) + b"/" + name if isinstance(name, bytes) else tmp_path / name
    shutil.copyfile(SAMPLES / "dc50_0008.KDC", path)
    frame = read_raw(path)
    assert frame.data.shape == (512, 768)
    assert frame.meta.name.isprintable()
    frame.meta.name.encode()
    assert np.array_equal(read_raw(os.fsdecode(path)).data, frame.data)


def test_file_objects():
    with open(SAMPLES / "dc50_0008.KDC", "rb") as file:
        frame = read_raw(file)
    assert frame.meta.name.endswith("dc50_0008.KDC")
    memory = read_raw(io.BytesIO((SAMPLES / "dc50_0008.KDC").read_bytes()))
    assert memory.meta.name == "<file object>"
    assert np.array_equal(frame.data, memory.data)


def test_reading_twice_gives_the_same_and_the_pixels_outlive_the_file(tmp_path):
    shutil.copyfile(SAMPLES / "dc50_0008.KDC", tmp_path / "a.KDC")
    first = read_raw(tmp_path / "a.KDC")
    total = int(first.data.sum())
    second = read_raw(tmp_path / "a.KDC")
    (tmp_path / "a.KDC").unlink()
    assert int(first.data.sum()) == total and first.meta == second.meta and np.array_equal(first.data, second.data)
    assert not first.data.flags.writeable


def test_parameters_are_checked():
    with pytest.raises(ParameterError, match="crop = 'half' is not allowed; give one of camera, active, full"):
        read_raw(SAMPLES / "dc50_0008.KDC", crop="half")
    with pytest.raises(ParameterError, match="max_pixels = 0"):
        read_raw(SAMPLES / "dc50_0008.KDC", max_pixels=0)


def test_a_good_file_logs_nothing(caplog):
    with caplog.at_level(logging.INFO):
        read_raw(SAMPLES / "g2_0304.CRW")
        read_raw(SAMPLES / "dc50_0008.KDC")
    assert not caplog.records


def test_border_counts_what_is_stated_and_outside_the_active_area_once(dng, mosaic):
    stated = (0, 0, 40, 30, 10, 8, 64, 40, 2, 90, 20, 96)  # they overlap each other and the active area
    active = Rectangle(5, 21, 50, 61)
    border = dng(ActiveArea=(5, 21, 55, 82), MaskedAreas=stated).meta.border
    masked = np.zeros(mosaic.shape, bool)
    for top, left, bottom, right in zip(stated[::4], stated[1::4], stated[2::4], stated[3::4], strict=True):
        masked[top:bottom, left:right] = True
    masked[active.slices] = False
    assert border.pixels == masked.sum()  # the noise is even, nothing lies far out
    rows, columns = np.nonzero(masked)
    for row, column in np.ndindex(2, 2):
        site = ((rows - active.top) % 2 == row) & ((columns - active.left) % 2 == column)
        assert border.mean[row][column] == pytest.approx(mosaic[rows[site], columns[site]].mean(), rel=1e-12)
