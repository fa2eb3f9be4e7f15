"""Which files are converted and what their pictures are called."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import isp
from isp.convert import Settings
from isp.errors import ParameterError, PipelineError, RawError, StorageError
from isp.headerless import parse_layout
from isp.image import Output
from isp.parameters import fits, wording
from isp.plan import Job, plan, raw_files
from isp.recipe import build_pipeline, toml_value

from .dng_files import write_dng
from .paths import SAMPLES

USUAL = Settings()


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"raw")
    return [folder / name for name in names]


def targets(jobs: list[Job], folder: Path) -> list[str]:
    return [os.path.relpath(job.target, folder) for job in jobs]


def test_a_picture_lies_beside_its_raw_file_or_in_the_folder_or_is_the_file(tmp_path):
    (raw,) = touch(tmp_path, "cards/a.NEF")
    assert plan([raw], USUAL) == [Job(raw, tmp_path / "cards" / "a.jpg")]
    assert plan([raw], USUAL, folder=tmp_path / "new") == [Job(raw, tmp_path / "new" / "a.jpg")]
    assert (tmp_path / "new").is_dir()
    assert plan([raw], USUAL, file=tmp_path / "b.png") == [Job(raw, tmp_path / "b.png")]


@pytest.mark.parametrize(
    ("file_format", "suffix"), [(None, "jpg"), ("jpeg", "jpg"), ("png", "png"), ("tiff", "tif"), ("webp", "webp")]
)
def test_the_format_gives_the_suffix(tmp_path, file_format, suffix):
    settings = Settings(output=Output(file_format))
    assert targets(plan(touch(tmp_path, "a.b.NEF"), settings), tmp_path) == [f"a.b.{suffix}"]


@pytest.mark.parametrize("gamma", [(isp.Gamma("linear"),), ()])
def test_linear_light_becomes_tiff(tmp_path, gamma):
    settings = Settings(isp.Pipeline((*isp.default_pipeline().stages[:-1], *gamma)))
    assert targets(plan(touch(tmp_path, "a.NEF"), settings), tmp_path) == ["a.tif"]
    with pytest.raises(ParameterError, match="linear light"):
        plan(touch(tmp_path, "a.NEF"), settings, file=tmp_path / "a.jpg")


@pytest.mark.parametrize("count", [0, 3])
def test_a_pipeline_that_makes_no_picture(tmp_path, count):
    settings = Settings(isp.Pipeline(isp.default_pipeline().stages[:count]))
    with pytest.raises(PipelineError, match="no picture"):
        plan(touch(tmp_path, "a.NEF"), settings, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_stem_takes_the_suffix_along(tmp_path):
    raws = touch(tmp_path, "a.CRW", "a.KDC", "b.NEF")
    assert targets(plan(raws, USUAL), tmp_path) == ["a.CRW.jpg", "a.KDC.jpg", "b.jpg"]


def test_the_same_name_in_two_folders_takes_a_number(tmp_path):
    raws = touch(tmp_path, "100/a.CRW", "101/a.CRW", "102/A.crw")
    assert targets(plan(raws, USUAL), tmp_path) == ["100/a.jpg", "101/a.jpg", "102/A.jpg"]
    jobs = plan(raws, USUAL, folder=tmp_path)
    assert targets(jobs, tmp_path) == ["a.CRW.jpg", "a.CRW-2.jpg", "A.crw-3.jpg"]
    assert len({str(job.target).casefold() for job in jobs}) == 3  # also where a.jpg and A.JPG are one file


def test_names_that_clash_only_after_the_suffix_came_along(tmp_path):
    raws = touch(tmp_path, "a.CRW", "a.KDC", "a.CRW.NEF")
    assert len(set(targets(plan(raws, USUAL), tmp_path))) == 3


def test_a_file_named_twice_is_converted_once(tmp_path):
    (raw,) = touch(tmp_path, "a.CRW")
    os.symlink(raw, tmp_path / "link.CRW")
    jobs = plan([raw, tmp_path, tmp_path / "link.CRW", tmp_path / "." / "a.CRW"], USUAL)
    assert [job.source for job in jobs] == [raw]


def test_a_folder_stands_for_its_raw_files_by_name(tmp_path):
    touch(tmp_path, "b.nef", "a.CR2", "c.jpg", "c.txt", ".d.NEF", "below/e.NEF", "f.bin", "g.RAW", "h.raw.toml")
    (tmp_path / "folder.NEF").mkdir()
    assert [path.name for path in raw_files(tmp_path, headerless=False)] == ["a.CR2", "b.nef", "g.RAW"]
    assert [path.name for path in raw_files(tmp_path, headerless=True)] == ["f.bin", "g.RAW"]
    touch(tmp_path, "f.bin.toml")
    assert [path.name for path in raw_files(tmp_path, headerless=False)] == ["a.CR2", "b.nef", "f.bin", "g.RAW"]


def test_a_layout_for_all_leaves_the_makers_files_alone(tmp_path):
    touch(tmp_path, "a.NEF", "b.bin")
    settings = Settings(headerless=parse_layout("2x2:RGGB:uint16"))
    assert targets(plan([tmp_path], settings), tmp_path) == ["b.jpg"]


def test_what_is_missing_stands_for_itself(tmp_path):
    assert raw_files(tmp_path / "missing", headerless=False) == [tmp_path / "missing"]


def test_no_raw_files(tmp_path, caplog):
    with pytest.raises(RawError, match="no raw files there"):
        plan([tmp_path], USUAL)
    assert not caplog.text
    other = touch(tmp_path / "other", "a.NEF")
    assert len(plan([tmp_path, *other], USUAL)) == 1 and "no raw files in this folder" in caplog.text


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_a_picture_never_replaces_a_raw_file(tmp_path, link):
    first, second = touch(tmp_path, "a.tif", "b.NEF")
    target = first
    if link:
        target = tmp_path / "c.tif"
        link(first, target)
    with pytest.raises(ParameterError, match="is a raw file"):
        plan([first], Settings(output=Output(overwrite=True)), file=target)
    tiff = Settings(output=Output("tiff", overwrite=True))
    with pytest.raises(ParameterError, match="is a raw file"):  # the picture of b is not a's raw file, but a's own is
        plan([first, second], tiff)


def test_files_and_folders_that_exclude_each_other(tmp_path):
    raws = touch(tmp_path, "a.NEF", "b.NEF")
    with pytest.raises(ParameterError, match="for one raw file"):
        plan(raws, USUAL, file=tmp_path / "a.jpg")
    with pytest.raises(ParameterError, match="exclude"):
        plan(raws[:1], USUAL, file=tmp_path / "a.jpg", folder=tmp_path)
    with pytest.raises(ParameterError, match="is a file"):
        plan(raws[:1], USUAL, folder=raws[1])
    with pytest.raises(StorageError, match="cannot be made"):
        plan(raws[:1], USUAL, folder=raws[1] / "below")


def test_pictures_are_not_converted_again(tmp_path):
    shutil.copy(__file__, tmp_path / "a.NEF")
    touch(tmp_path, "a.jpg", "a.png", "a.tif")
    assert len(plan([tmp_path], USUAL)) == 1


# --- isp.recipe ------------------------------------------------------------------------------------------------------


def test_knobs_and_settings_build_the_pipeline_that_the_library_builds():
    built = build_pipeline(None, {"white_balance": "5200K", "exposure": 1.0}, ["tone.contrast=2"])
    assert built == isp.default_pipeline(white_balance="5200K", exposure=1.0, tone=isp.Tone(contrast=2))


def test_a_knob_exchanges_all_stages_of_its_kind(tmp_path):
    recipe = tmp_path / "a.toml"
    recipe.write_text(isp.default_pipeline(vignetting=("radial:0.1", "natural:angle=20")).to_toml())
    assert build_pipeline(recipe, {}).stages[1:3] == (
        isp.Vignetting.parse("radial:0.1"),
        isp.Vignetting.parse("natural:angle=20"),
    )
    one = build_pipeline(recipe, {"vignetting": ["none"]})
    assert one == isp.default_pipeline(vignetting="none")


def test_toml_values():
    values = {
        "1": 1,
        "1.5": 1.5,
        "true": True,
        "border": "border",
        "'a b'": "a b",
        "[1,[2]]": (1, (2,)),
        "": "",
        "1\nx=2": "1\nx=2",
    }
    for text, value in values.items():
        assert toml_value(text) == value and type(toml_value(text)) is type(value)


def test_every_parameter_fits_its_own_default_and_has_words():
    import dataclasses
    from typing import get_type_hints

    for stage in isp.STAGES.values():
        hints = get_type_hints(stage)
        for field in dataclasses.fields(stage):
            assert fits(field.default, hints[field.name]) and wording(hints[field.name])


def test_a_stage_that_cannot_work_names_the_file(tmp_path):
    settings = Settings(build_pipeline(None, {"white_balance": "box:5000,0,10,10"}))
    with pytest.raises(isp.StageError, match=r"dc50_0008\.KDC: box \(5000, 0, 10, 10\)"):
        isp.convert_file(SAMPLES / "dc50_0008.KDC", tmp_path / "a.jpg", settings)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_every_orientation_can_be_written(tmp_path, orientation, suffix):
    """A turned picture is a view into the sensor's frame, which not every encoder takes."""
    mosaic = np.random.default_rng(1).integers(0, 16000, (40, 60)).astype(np.uint16)
    write_dng(tmp_path / "a.dng", mosaic, Orientation=orientation)
    isp.convert_file(tmp_path / "a.dng", tmp_path / f"a.{suffix}")
    expected = isp.develop(tmp_path / "a.dng")
    assert expected.flags.c_contiguous
    if suffix == "png":
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], expected)
