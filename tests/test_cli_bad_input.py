"""No traceback, no half-written file: every mistake is one line, an exit code and a folder as it was before."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from .command import KDC, REAL, error_line, half, names, run
from .dng_files import lossless_tiles, write_dng
from .paths import SAMPLES, shared

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")
as_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="Linux root only")
RAWS = ["dc120_3910.KDC", "dc50_0008.KDC", "g2_0304.CRW", "s40_0101.CRW", "s40_0117.CRW", "DSC_1339_768x512_rggb.raw"]


# --- wrong usage: exit code 2 ----------------------------------------------------------------------------------------

TEXTS = [
    "", "nan", "inf", "-inf", "1e400", "99999999999999999999", "K", "-5K", "nanK", "infK", "0K", "box:", "box:1,2",
    "box:a,b,c,d", "box:nan,1,1,1", "box:inf,1,1,1", "box:0.5,0,1,1", "box:0,0,0,0", "box:-1,0,1,1", "1,2", "1,2,3,4",
    "nan,1,1", "inf,1,1", "0,1,1", "-1,1,1", ",,", "white_world:", "white_world:nan", "white_world:0", "median:4",
    "white_world:101", "gains", "kelvin", "box", "median:", "median:nan", "median:3:foo", "median:3:mosaic:x",
    "radial:nan", "radial:1,,2", "radial:1,2,3,4,5,6,7,8,9,10,11", "natural", "natural:", "natural:angle=",
    "natural:angle=nan", "natural:angle=90", "natural:30", "natural:sensor_size=1", "natural:sensor_size=nanxnan",
    "natural:sensor_size=1x1,focal_length=nan", "mechanical:onset=nan", "mechanical:loss=1", "pixel:", "flat",
    "flat:", "file:3", "none:x", "2.2,nan", "0", "srgb:1", "power", "two_part", "32,1,1,1", "ä", "a=b", "x" * 300,
]  # fmt: skip
ALLOWED = {("--exposure", "0"), ("--gamma", "1,2")}


@pytest.mark.parametrize(
    "option",
    ["--white-balance", "--demosaic", "--denoise", "--vignetting", "--exposure", "--tone", "--gamma", "--bit-depth",
     "--crop", "--format", "--quality", "--subsampling", "--headerless", "--set", "-p"],
)  # fmt: skip
@pytest.mark.parametrize("text", TEXTS)
def test_silly_values_of_options(option, text):
    result = run("convert", KDC, "--print-recipe", option, text)
    assert result.exit_code == (0 if (option, text) in ALLOWED else 2), result.output
    if result.exit_code:
        assert result.stdout == "" and error_line(result)


SETTINGS = [
    "x", "x=1", "x.y", "x.y=1", ".=1", "tone=1", "tone.=1", "tone.x=1", "tone.contrast", "tone.contrast=",
    "tone.contrast=abc", "tone.contrast=[1]", "tone.contrast=true", "tone.contrast={a=1}", "tone.contrast=nan",
    "tone.contrast=1e999", "tone.contrast=1979-05-27", "tone.contrast=1\ntone=2", "tone.contrast=" + "[" * 5000,
    "black_level.white=nan", "black_level.white=inf", "black_level.white=true", "black_level.black=[1,2]",
    "black_level.source=7", "vignetting.coefficients=1", "vignetting.coefficients=['a']", "vignetting.center=1",
    "vignetting.coefficients=[[1]]", "vignetting.center=[1]", "vignetting.sensor_size=ab", "vignetting.flat=1",
    "vignetting.smoothing=1.5", "vignetting.smoothing=true", "vignetting.method=['none']", "vignetting.angle=x",
    "white_balance.gains=3", "white_balance.gains=['a','b','c']", "white_balance.gains=[1,nan,1]",
    "white_balance.box=[0.5,0,1,1]", "white_balance.box=abcd", "white_balance.clip=3", "white_balance.clip=no",
    "white_balance.percentile={a=1}", "color.matrix=1", "color.matrix=[[1,2],[3,4]]", "exposure.stops=nan",
    "color.matrix=[[1,2,3],[4,5],[6]]", "color.matrix=[['a','b','c'],[1,2,3],[1,2,3]]", "exposure.baseline=no",
    "color.matrix=[[nan,0,0],[0,1,0],[0,0,1]]", "exposure.auto_bright=7", "exposure.clipped=nan", "gamma.power=nan",
    "gamma.method=two_part", "denoise.window=3.0", "denoise.window='3'", "denoise.where=sensor", "denoise.window=4",
]  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS)
def test_silly_settings(setting):
    result = run("convert", KDC, "--print-recipe", "--set", setting)
    assert result.exit_code == 2 and result.stdout == "", result.output
    assert len(error_line(result)) < 400 or len(setting) > 1000


RECIPES = {
    "": "recipe is a list", "not TOML": "not valid TOML", "stage = 3": "recipe is a list", "stage = []": "no stages",
    "x = 1\n[[stage]]\nname = 'tone'": "nothing else", "[[stage]]": "no name", "[[stage]]\nname = 3": "no name",
    "[[stage]]\nname = 'fly'": "no stage 'fly'", "[[stage]]\nname = 'tone'\nwings = 2": "no parameter 'wings'",
    "[[stage]]\nname = 'tone'\ncontrast = 'much'": "tone", "[[stage]]\nname = 'tone'\ncontrast = 99": "0.1..10",
    "[[stage]]\nname = 'white_balance'\nclip = 'no'": "true or false",
    "[[stage]]\nname = 'color'\nmatrix = [[1], [2, 3]]": "bad recipe.toml: ",
    "[[stage]]\nname = 'black_level'\nblack = [1, 2]": "bad recipe.toml: ",
    "[[stage]]\nname = 'gamma'\n[[stage]]\nname = 'tone'": "Gamma writes DISPLAY",
    "[[stage]]\nname = 'black_level'": "no picture",
}  # fmt: skip


@pytest.mark.parametrize("text", RECIPES)
def test_bad_recipes(tmp_path, text):
    recipe = tmp_path / "bad recipe.toml"
    recipe.write_text(text)
    result = run("convert", KDC, "-p", recipe, "-d", tmp_path / "out")
    assert result.exit_code == 2 and RECIPES[text] in error_line(result), result.output
    assert names(tmp_path) == ["bad recipe.toml"]


def test_recipes_that_cannot_be_read(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("missing.toml", "binary.toml", "."):
        result = run("convert", KDC, "-p", tmp_path / name, "--print-recipe")
        assert result.exit_code == 2 and "cannot read the recipe" in error_line(result)


def test_a_recipe_whose_name_has_two_lines(tmp_path):
    result = run("convert", KDC, "-p", tmp_path / "two\nlines.toml", "--print-recipe")
    assert result.exit_code == 2 and len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give a raw file"),
        ([""], "empty"),
        ([KDC, "-o", ""], "empty"),
        ([KDC, "-d", ""], "empty"),
        ([KDC, "-o", "a.jpg", "-d", "out"], "exclude each other"),
        ([KDC, SAMPLES / "g2_0304.CRW", "-o", "a.jpg"], "is for one raw file; give -d DIR"),
        ([SAMPLES, "-o", "a.jpg"], "is for one raw file"),
        ([KDC, "-o", "a"], "no suffix"),
        ([KDC, "-o", "a.gif"], "suffix '.gif'; use .jpg"),
        ([KDC, "-o", "a.png", "--format", "jpeg"], "does not go with --format jpeg"),
        ([KDC, "-o", "a.jpg", "--bit-depth", "16"], "jpeg cannot hold 16 bits per channel; use 8"),
        ([KDC, "--bit-depth", "16"], "jpeg cannot hold 16 bits per channel"),
        ([KDC, "-o", "a.png", "--bit-depth", "32"], "use 8 or 16"),
        ([KDC, "-o", "a.jpg", "--linear"], "cannot hold linear light"),
        ([KDC, "--format", "png", "--gamma", "linear"], "cannot hold linear light"),
        ([KDC, "--linear", "--bit-depth", "8"], "use 16 or 32"),
        ([KDC, "--linear", "--tone", "camera"], "--linear means --tone none"),
        ([KDC, "--linear", "--gamma", "2.2"], "--linear means --gamma linear"),
        ([KDC, "--half", "--demosaic", "bilinear"], "--half means --demosaic half"),
        ([KDC, "--headerless", "1x1:RGGB:float32"], "dtype"),
        ([KDC, "--what"], "No such option"),
    ],
)
def test_wrong_usage(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    result = run("convert", *arguments)
    assert result.exit_code == 2 and says in error_line(result), result.output
    assert names(tmp_path) == []


def test_wrong_usage_of_the_other_commands(tmp_path):
    for arguments in (["info"], ["info", ""], ["info", KDC, "--headerless", ""], ["stages", "tune"], ["fly"]):
        assert run(*arguments).exit_code == 2
    assert "known are black_level" in run("stages", "tune").output


def test_folders_without_raw_files(tmp_path):
    (tmp_path / "a.txt").write_text("")
    assert "no raw files there" in error_line(run("convert", tmp_path))
    result = half(tmp_path, KDC, "-d", tmp_path / "out")
    assert result.exit_code == 0 and "warning" in result.output and names(tmp_path / "out") == ["dc50_0008.jpg"]


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_a_raw_file_is_never_replaced(tmp_path, link):
    raw, target = tmp_path / "a.tif", tmp_path / ("b.tif" if link else "a.tif")
    shutil.copy(KDC, raw)
    if link:
        getattr(target, link)(raw)
    before, listed = raw.read_bytes(), names(tmp_path)
    for arguments in ([raw, "-o", target], [raw, "--format", "tiff"] if not link else [raw, "-o", target]):
        result = half(*arguments, "--overwrite")
        assert result.exit_code == 2 and "is a raw file" in error_line(result)
    assert raw.read_bytes() == before and names(tmp_path) == listed


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("mine")
    result = half(KDC, "-d", tmp_path / "out")
    assert result.exit_code == 2 and "is a file; give a folder" in error_line(result)


# --- a bad file: exit code 1 -----------------------------------------------------------------------------------------


def refused(source, folder, *options):
    """Check that a file is refused with one line that names it, and that nothing is written; return the line."""
    result = half(source, "-d", folder / "out", *options)
    assert result.exit_code == 1, result.output
    assert source.name in error_line(result) and "a bug" not in result.output, result.output
    assert names(folder / "out") == []
    assert run("info", source).exit_code == 1
    return error_line(result)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("name", RAWS)
def test_files_that_are_cut_short(tmp_path, name, share):
    content = (SAMPLES / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    if name.endswith(".raw"):
        shutil.copy(SAMPLES / f"{name}.toml", tmp_path)
    refused(tmp_path / name, tmp_path)


def test_files_that_are_no_raw_files(tmp_path):
    pixels = np.zeros((16, 16, 3), np.uint8)
    contents = {
        "empty.CR2": b"", "text.NEF": b"Dear diary,\n" * 100, "zeros.DNG": bytes(10_000),
        "picture.jpg": imagecodecs.jpeg_encode(pixels), "picture.png": imagecodecs.png_encode(pixels),
        "picture.NEF": imagecodecs.jpeg_encode(pixels), "noise.ARW": np.random.default_rng(1).bytes(50_000),
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, tmp_path)
    assert "does not exist" in refused(tmp_path / "missing.NEF", tmp_path)
    assert "is text" in refused(tmp_path / "text.NEF", tmp_path)


@pytest.mark.parametrize("side", [30_000, 60_000])
def test_a_dng_that_claims_a_giant_picture(tmp_path, side):
    path = tmp_path / "giant.dng"
    write_dng(path, np.zeros((64, 64), np.uint16), ImageWidth=side, ImageLength=side, RowsPerStrip=side)
    refused(path, tmp_path)
    write_dng(path, np.zeros((64, 64), np.uint16), ImageWidth=side, ImageLength=side, StripByteCounts=2**32 - 1)
    refused(path, tmp_path)


def test_a_dng_whose_strip_lies_outside(tmp_path):
    write_dng(tmp_path / "a.dng", np.zeros((64, 64), np.uint16), StripOffsets=2**31)
    refused(tmp_path / "a.dng", tmp_path)
    write_dng(tmp_path / "b.dng", np.zeros((64, 64), np.uint16), cut=4000)
    refused(tmp_path / "b.dng", tmp_path)


def test_flipped_bytes_never_end_in_a_traceback(tmp_path):
    content, source = KDC.read_bytes(), tmp_path / "a.KDC"
    generator = np.random.default_rng(7)
    for n in range(20):
        damaged = bytearray(content)
        for place in generator.integers(0, 4000 if n % 2 else len(content), 8):
            damaged[place] = generator.integers(256)
        source.write_bytes(damaged)
        result = half(source, "-d", tmp_path / "out", "--overwrite")
        assert result.exit_code in (0, 1) and "a bug" not in result.output, result.output


@pytest.mark.parametrize(
    "name", ["bep_sample.dng", "bep_sample.nef", "bep_sample.cr2", "issue247_1.nef", "bep_sample.arw"]
)
def test_shared_edge_cases_are_refused(tmp_path, name):
    refused(shared(f"raws/edge/{name}"), tmp_path)


def test_shared_linear_dng_converts(tmp_path):
    source = shared("raws/edge/photoprism_canon_eos_6d.dng")
    result = run("convert", source, "-d", tmp_path, "--exposure", "0.5", "--white-balance", "gray_world")
    assert result.exit_code == 0, result.output
    assert names(tmp_path) == ["photoprism_canon_eos_6d.jpg"]


@pytest.mark.parametrize(
    "name",
    ["segfault_dc120_b.KDC", "segfault_dc120.KDC", "hang_30000x30000.dng", "stale_313.dng", "stale_494.dng"],
)
def test_shared_killers_kill_nothing(tmp_path, name):
    command = [*REAL, "convert", "--half", shared(f"raws/killers/{name}"), "-d", tmp_path / "out"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1 and name in answer.stderr and "Traceback" not in answer.stderr, answer.stderr
    assert names(tmp_path / "out") == []


def broken_dng(path, *, broken=True):
    """A DNG of six tiles the last of which, if broken, cannot be decoded."""
    pixels = np.random.default_rng(0).integers(100, 16000, (128, 192)).astype(np.uint16)
    tiles = lossless_tiles(pixels, (64, 64))
    last = tiles.blobs[-1][:4] + bytes(1000) if broken else tiles.blobs[-1]
    write_dng(path, pixels, tiles=tiles._replace(blobs=(*tiles.blobs[:-1], last)))


def test_a_damaged_file_is_converted_when_that_is_asked_for(tmp_path):
    broken_dng(tmp_path / "a.dng")
    assert "1 of 6 tiles came out empty" in refused(tmp_path / "a.dng", tmp_path)
    result = half(tmp_path / "a.dng", "-d", tmp_path / "out", "--accept-damaged")
    assert result.exit_code == 0 and "warning: " in result.output and names(tmp_path / "out") == ["a.jpg"]


def test_of_several_files_a_damaged_one_is_named(tmp_path):
    broken_dng(tmp_path / "b.dng")
    for name in ("a.dng", "c.dng"):
        broken_dng(tmp_path / name, broken=False)
    result = half(tmp_path, "-d", tmp_path / "out")
    assert result.exit_code == 1 and names(tmp_path / "out") == ["a.jpg", "c.jpg"]
    assert "b.dng: 1 of 6 tiles came out empty" in error_line(result)
    result = half(tmp_path, "-d", tmp_path / "all", "--accept-damaged")
    assert result.exit_code == 0 and names(tmp_path / "all") == ["a.jpg", "b.jpg", "c.jpg"]
    one = half(tmp_path / "a.dng", "-d", tmp_path / "one")  # in process
    assert one.exit_code == 0
    pictures = [(tmp_path / folder / "a.jpg").read_bytes() for folder in ("out", "all", "one")]
    assert len(set(pictures)) == 1


def test_several_files_that_kill_libraw(tmp_path):
    killers = [shared(f"raws/killers/{name}") for name in ("segfault_dc120.KDC", "hang_30000x30000.dng")]
    result = half(KDC, *killers, "-d", tmp_path / "out", "--accept-damaged")
    assert result.exit_code == 1 and names(tmp_path / "out") == ["dc50_0008.jpg"]
    assert all(f"{killer}: " in result.output for killer in killers)


def test_a_limit_of_pixels(tmp_path):
    for files in ([KDC], [KDC, SAMPLES / "dc120_3910.KDC"]):
        result = half(*files, "-d", tmp_path / "out", "--max-pixels", "390000")
        assert result.exit_code == 1 and result.output.count("raise max_pixels (--max-pixels)") == len(files)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--white-balance", "box:5000,5000,10,10"], "box"),
        (["--white-balance", "box:99999999999999999999,0,1,1"], "box"),
        (["--vignetting", "flat:missing.NEF"], "missing.NEF"),
        (["--vignetting", f"flat:{SAMPLES / 'g2_0304.CRW'}"], "flat"),
        (["--vignetting", "radial:-5"], "above 0"),
        (["--vignetting", "radial:1e300,1e308"], "Vignetting"),
        (["--set", "black_level.black=20000"], "black"),
        (["--set", "black_level.white=-5"], "white"),
        (["--set", "black_level.source=border"], "border"),
        (["--headerless", "10x10:RGGB:uint16"], "10 x 10"),
    ],
)
def test_values_that_do_not_fit_the_file(tmp_path, options, says):
    result = half(KDC, "-d", tmp_path, *options)
    assert result.exit_code == 1 and says in error_line(result) and "a bug" not in result.output, result.output
    assert names(tmp_path) == []


def test_extreme_values_that_are_allowed(tmp_path):
    extremes = [
        ["--exposure", "20"], ["--exposure=-20"], ["--white-balance", "9999,0.001,1"], ["--gamma", "10"],
        ["--gamma", "10,1000"], ["--gamma", "1,2"], ["--set", "tone.contrast=10", "--set", "tone.shoulder=100"],
        ["--set", "exposure.clipped=1", "--auto-bright"], ["--set", "exposure.clipped=0", "--auto-bright"],
        ["--vignetting", "natural:angle=89"], ["--vignetting", "mechanical:onset=0,loss=0.999"],
        ["--set", "color.matrix=[[1e30,0,0],[0,1e30,0],[0,0,-1e30]]"], ["--set", "black_level.white=1e30"],
        ["--vignetting", "radial:0"], ["--white-balance", "white_world:0.001"], ["--white-balance", "white_world:100"],
    ]  # fmt: skip
    for options in extremes:
        for target in ("a.jpg", "a.tif"):
            result = half(KDC, "-o", tmp_path / target, "--overwrite", *options)
            assert result.exit_code == 0, (options, result.output)


# --- targets ---------------------------------------------------------------------------------------------------------


def test_a_target_that_is_a_folder(tmp_path):
    result = half(KDC, "-o", tmp_path, "--overwrite")
    assert result.exit_code == 1 and f"{tmp_path} is a folder" in error_line(result) and names(tmp_path) == []
    (tmp_path / "dc50_0008.jpg").mkdir()
    assert half(KDC, "-d", tmp_path, "--overwrite").exit_code == 1 and names(tmp_path) == ["dc50_0008.jpg"]


def test_a_missing_folder_of_a_target(tmp_path):
    result = half(KDC, "-o", tmp_path / "none" / "a.jpg")
    assert result.exit_code == 3 and "folder does not exist" in error_line(result) and names(tmp_path) == []


@as_root
@pytest.mark.parametrize("which", ["-d", "-o", "new folder", "source"])
def test_what_may_not_be_written_or_read(which):
    folder = Path(tempfile.mkdtemp())  # not tmp_path, whose parents another user may not enter
    source = folder / "a.KDC"
    shutil.copy(KDC, source)
    source.chmod(0o000 if which == "source" else 0o444)
    folder.chmod(0o555)
    arguments = {"-d": ["-d", folder], "-o": ["-o", folder / "b.jpg"], "new folder": ["-d", folder / "new"]}
    try:
        os.seteuid(65534)
        result = half(source, *arguments.get(which, []))
    finally:
        os.seteuid(0)
        left = names(folder)
        shutil.rmtree(folder)
    expected, says = (1, "may not be read") if which == "source" else (3, "")
    assert result.exit_code == expected and says in error_line(result) and left == ["a.KDC"]


def without_rights():
    """Return what makes a command obey permissions, as root's does not; skips where there is no way."""
    if os.name != "posix":
        pytest.skip("POSIX only")
    if os.geteuid() != 0:
        return []
    command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if not shutil.which("setpriv") or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("root needs setpriv to give up its rights")
    return command


def test_a_file_that_may_not_be_read_does_not_stop_the_rest(tmp_path):
    rights = without_rights()
    for name in ("a.KDC", "b.KDC"):
        shutil.copy(KDC, tmp_path / name)
    (tmp_path / "a.KDC").chmod(0)
    command = [*rights, *REAL, "convert", "--half", tmp_path / "a.KDC", tmp_path / "b.KDC", "-d", tmp_path / "out"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1 and names(tmp_path / "out") == ["b.jpg"], answer.stderr
    (line,) = [line for line in answer.stderr.splitlines() if "a.KDC" in line]
    assert line.startswith("error: [1/2] ") and "may not be read" in line
    answer = subprocess.run([*rights, *REAL, "info", tmp_path / "a.KDC"], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1 and len(answer.stderr.splitlines()) == 1 and "may not be read" in answer.stderr


@as_root
def test_a_full_disk_ends_everything_with_3(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root can mount a tiny disk")
    try:
        for name in ("a.KDC", "b.KDC"):
            shutil.copy(KDC, tmp_path / name)
        result = half(tmp_path / "a.KDC", tmp_path / "b.KDC", "-d", disk, "--format", "tiff")
        assert result.exit_code == 3 and "disk is full" in error_line(result) and names(disk) == []
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        result = half(KDC, "-d", disk)
        assert result.exit_code == 3 and "read-only" in error_line(result)
    finally:
        subprocess.run(["umount", disk], check=True)


@posix
def test_devices_and_pipes(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert half(KDC, "-o", tmp_path / "pipe.jpg", "--overwrite").exit_code == 1
    assert half(KDC, "-o", "/dev/null", "--format", "png", "--overwrite").exit_code == 1
    os.mkfifo(tmp_path / "pipe.NEF")
    assert "device or pipe" in error_line(half(tmp_path / "pipe.NEF", "-d", tmp_path / "out"))


def test_a_wrong_number_of_threads(monkeypatch, tmp_path):
    for threads in ("0", "many", "-1", "1.5"):
        monkeypatch.setenv("ISP_NUM_THREADS", threads)
        result = half(KDC, SAMPLES / "g2_0304.CRW", "-d", tmp_path)
        assert result.exit_code == 2 and "ISP_NUM_THREADS" in error_line(result) and names(tmp_path) == []
        assert half(KDC, "-d", tmp_path, "--threads", threads).exit_code == 2 and names(tmp_path) == []
    monkeypatch.setenv("ISP_NUM_THREADS", "")
    assert half(KDC, "-d", tmp_path).exit_code == 0


def test_a_damaged_sidecar(tmp_path):
    raw = SAMPLES / "DSC_1339_768x512_rggb.raw"
    shutil.copy(raw, tmp_path / "a.raw")
    for text in ("", "width", "width = 'a'\nheight = 1\ncfa = 'RGGB'\ndtype = 'uint16'", "depth = 3", "\xff"):
        (tmp_path / "a.raw.toml").write_text(text, "latin-1")
        assert "a.raw.toml" in refused(tmp_path / "a.raw", tmp_path)
