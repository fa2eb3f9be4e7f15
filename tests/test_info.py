"""`isp info`: the facts, and one line for every doubt."""

import json

import numpy as np
import pytest

import isp
from isp.info import describe, doubts

from .command import KDC, run
from .dng_files import write_dng
from .paths import BAYER_SAMPLES, SAMPLES


def mosaic(low: int = 600, high: int = 15_000) -> np.ndarray:
    return np.random.default_rng(3).integers(low, high, (64, 96)).astype(np.uint16)


def doubts_of(path, pixels=None, **tags):
    write_dng(path, mosaic() if pixels is None else pixels, **({"BlackLevel": 512} | tags))
    return describe(path)["doubts"]


def test_a_file_without_doubts(tmp_path):
    assert doubts_of(tmp_path / "a.dng") == []


def test_black_of_zero(tmp_path):
    (doubt,) = doubts_of(tmp_path / "a.dng", BlackLevel=0)
    assert doubt.startswith("black level is 0")


def test_black_of_zero_with_deltas_is_none(tmp_path):
    assert doubts_of(tmp_path / "a.dng", BlackLevel=0, BlackLevelDeltaV=[float(n + 1) for n in range(64)]) == []


@pytest.mark.parametrize("neutral", [None, (0.0, 1.0, 0.5)])
def test_no_valid_white_balance(tmp_path, neutral):
    (doubt,) = doubts_of(tmp_path / "a.dng", AsShotNeutral=neutral)
    assert "white balance" in doubt and "--white-balance" in doubt


def test_no_matrix(tmp_path):
    found = doubts_of(tmp_path / "a.dng", ColorMatrix1=None)
    assert any("no colour matrix" in doubt for doubt in found)


def test_a_monochrome_sensor_needs_neither(tmp_path):
    assert doubts_of(tmp_path / "a.dng", cfa="MONO") == []


@pytest.mark.parametrize("shift", [0, 40, -40])
def test_a_border_that_disagrees(tmp_path, shift):
    pixels = mosaic()
    pixels[:, :32] = np.random.default_rng(4).integers(509, 516, (64, 32)) + shift
    found = doubts_of(tmp_path / "a.dng", pixels, ActiveArea=(0, 32, 64, 96), MaskedAreas=(0, 0, 64, 32))
    assert len(found) == (1 if shift else 0), found
    if shift:
        assert f"{shift:+d}." in found[0] and "--set black_level.source=border" in found[0]
        settings = found[0].split("--set ")[1].split()[0]
        assert run("convert", "--set", settings, tmp_path / "a.dng", "-o", tmp_path / "a.jpg").exit_code == 0


def test_values_that_pile_up_below_white(tmp_path):
    pixels = np.minimum(mosaic(high=20_000), 14_000).astype(np.uint16)
    (doubt,) = doubts_of(tmp_path / "a.dng", pixels)
    assert "exactly 14000 DN" in doubt and "--set black_level.white=14000" in doubt
    assert doubts_of(tmp_path / "b.dng", pixels, WhiteLevel=14_000) == []


@pytest.mark.parametrize("name", [*BAYER_SAMPLES, "DSC_1339_768x512_rggb.raw"])
def test_every_sample_as_json_and_as_text(name):
    path = SAMPLES / name

    def refuse(text):
        raise AssertionError(f"{text} is no JSON")

    facts = json.loads(run("info", path, "--json").stdout, parse_constant=refuse)
    frame = isp.read_raw(path)
    assert facts == json.loads(json.dumps(describe(path)))
    assert (facts["size"]["height"], facts["size"]["width"]) == frame.data.shape
    assert facts["white_dn"] == frame.meta.white and facts["doubts"] == doubts(frame)
    text = run("info", path).stdout
    for doubt in facts["doubts"]:
        assert f"doubt                    {doubt}\n" in text
    assert text.startswith("file ") and "None" not in text and "nan" not in text


def test_text_names_what_the_file_says():
    text = run("info", SAMPLES / "g2_0304.CRW").stdout
    for line in (
        "model                    PowerShot G2", "iso                      50", "shutter s                0.019828",
        "size                     width 2312, height 1720", "cfa                      RG GB",
        "black dn                 32 32 / 32 32", "white dn                 1023",
    ):  # fmt: skip
        assert f"{line}\n" in text


def test_exif_gps_and_opcodes_of_a_dng(tmp_path):
    from .dng_files import gain_map, opcode_list

    area = (0, 0, 64, 96)
    write_dng(
        tmp_path / "a.dng", mosaic(), BlackLevel=512, NoiseProfile=(1e-4, 1e-6), BaselineExposure=0.5, Orientation=6,
        OpcodeList2=opcode_list(gain_map(np.full((2, 2), 1.5), area)),
        exif={"FocalLength": 35.0, "FNumber": 2.8},
        gps={"GPSLatitudeRef": "S", "GPSLatitude": (33.0, 30.0, 0.0), "GPSLongitudeRef": "E",
             "GPSLongitude": (151.0, 0.0, 0.0)},
    )  # fmt: skip
    facts = json.loads(run("info", tmp_path / "a.dng", "--json").stdout)
    assert facts["gps"]["latitude"] == -33.5 and facts["lens_shading"] == ["GainMap"] and facts["orientation"] == 6
    assert facts["noise"] == {
        "source": "file", "shot": [1e-4] * 3, "read": [1e-6] * 3, "electrons_at_white": [10_000] * 3,
        "sigma_at_grey_percent": [pytest.approx(100 * (1.8e-5 + 1e-6) ** 0.5 / 0.18)] * 3,
    }  # fmt: skip
    assert facts["baseline_exposure_stops"] == 0.5
    assert facts["focal_length_mm"] == 35.0
    assert "gps                      latitude -33.5, longitude 151" in run("info", tmp_path / "a.dng").stdout


def test_noise_that_only_the_image_tells():
    from isp.noise_estimate import estimate

    path = SAMPLES / "s40_0117.CRW"
    model = estimate(isp.read_raw(path))
    noise = describe(path)["noise"]
    assert (noise["source"], tuple(noise["shot"]), tuple(noise["read"])) == ("image", model.shot, model.read)
    assert "noise                    source image, shot 0.000" in run("info", path).stdout


def test_a_demosaiced_file(tmp_path):
    pixels = np.random.default_rng(5).integers(600, 15_000, (32, 48, 3)).astype(np.uint16)
    write_dng(tmp_path / "a.dng", pixels, BlackLevel=(512,) * 3)
    facts = describe(tmp_path / "a.dng")
    assert facts["cfa"] == "already demosaiced" and facts["range_dn"] is None and facts["doubts"] == []


def test_headerless(tmp_path):
    (tmp_path / "a.raw").write_bytes((SAMPLES / "DSC_1339_768x512_rggb.raw").read_bytes())
    facts = json.loads(run("info", tmp_path / "a.raw", "--json", "--headerless", "768x512:RGGB:uint16:600").stdout)
    assert facts["black_dn"] == [[600.0]] and facts["white_dn"] == 65535.0


def test_warnings_go_to_stderr_and_leave_json_alone():
    result = run("info", SAMPLES / "dc120_3910.KDC", "--json")
    assert json.loads(result.stdout)["white_balance"] is None and "warning" in result.stderr
    assert run("info", KDC).stderr == ""
