"""What the command line promises to those who use it well. Mistakes are in test_cli_bad_input."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

import isp
from isp.convert import Settings
from isp.image import SUFFIXES, Output
from isp_cli.main import cli

from .command import KDC, REAL, half, names, run, run_real
from .paths import SAMPLES

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


# --- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--help"], ["convert", "--help"], ["info", "-h"], ["stages", "-h"], ["warmup", "-h"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments):
    code = f"""
import sys
from isp_cli.main import cli
try:
    cli.main({arguments!r})
except SystemExit as leaving:
    assert leaving.code == 0, leaving.code
heavy = {{"numpy", "numba", "rawpy", "imageio", "tifffile", "imagecodecs", "PIL", "exifread", "isp"}} & set(sys.modules)
assert not heavy, heavy
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("columns", [80, 110])
@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in cli.commands)])
def test_help_fits_and_has_no_formatting_characters(arguments, columns):
    text = CliRunner().invoke(cli, arguments, terminal_width=columns).output
    assert "\b" not in text and "\\b" not in text
    assert max(map(len, text.splitlines())) <= columns


def test_help_says_what_is_asked_most():
    text = " ".join(run("convert", "--help").output.split())
    for phrase in ("directly in it, not below it", "stops", "5200K", "Nothing that exists is replaced", "float TIFF"):
        assert phrase in text
    assert "\n  isp convert IMG_0001.NEF -o light.tif --linear\n" in run("convert", "--help").output.replace(
        "    ", "  "
    )
    assert "130 interrupted" in run("--help").output


def test_stages_lists_every_parameter_with_its_default():
    import dataclasses

    text = run("stages").output
    assert max(map(len, text.splitlines())) <= 100
    blocks = dict(zip(isp.STAGES, text.split("\n\n"), strict=False))
    for name, stage in isp.STAGES.items():
        assert blocks[name].startswith(f"{name}\n  {stage.__doc__.split(':')[0]}:")  # reads and writes
        for field in dataclasses.fields(stage):
            line = next(line for line in blocks[name].splitlines() if line.startswith(f"    {field.name} "))
            assert len(line.split()) > 2, line
    assert "0.1..10" in text and "in stops, -20..20" in text and "true or false" in text
    assert "white_world: gain = P(G) / P(colour)" in " ".join(text.split())


def test_stages_by_name_show_the_whole_docstring():
    text = run("stages", "tone", "gamma").output
    assert "Parameters\n----------" in text and text.startswith("tone\n") and "\ngamma\n" in text


def test_defaults_of_stages_can_be_given_back():
    for line in run("stages").output.splitlines():
        if not line.startswith(" "):
            stage = line
        elif line.startswith("    ") and line[4:5].strip():
            name, default = line[4:18].strip(), line[18:29].strip()
            if default not in ("-", ""):
                assert run("convert", "--set", f"{stage}.{name}={default}", "--print-recipe").exit_code == 0


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_picture_beside_its_raw_file(tmp_path):
    shutil.copy(KDC, tmp_path / "a.KDC")
    result = half(tmp_path / "a.KDC")
    assert result.exit_code == 0 and names(tmp_path) == ["a.KDC", "a.jpg"]
    assert f"{tmp_path}/a.KDC -> {tmp_path}/a.jpg (" in result.output


def test_a_folder_and_a_file_into_a_new_folder(tmp_path):
    cards = tmp_path / "cards"
    (cards / "below").mkdir(parents=True)
    for name in ("b.KDC", "a.kdc", "notes.txt", ".hidden.KDC", "below/c.KDC"):
        shutil.copy(KDC, cards / name)
    shutil.copy(KDC, tmp_path / "d.KDC")
    result = half(cards, tmp_path / "d.KDC", "-d", tmp_path / "new" / "out", "--format", "png")
    assert result.exit_code == 0, result.output
    assert names(tmp_path / "new" / "out") == ["a.png", "b.png", "d.png"]
    assert result.output.endswith("3 converted, 0 failed\n") and "[2/3] " in result.output


def test_two_raw_files_of_one_stem_make_two_pictures(tmp_path):
    shutil.copy(KDC, tmp_path / "a.KDC")
    shutil.copy(SAMPLES / "g2_0304.CRW", tmp_path / "a.CRW")
    assert half(tmp_path).exit_code == 0
    assert names(tmp_path) == ["a.CRW", "a.CRW.jpg", "a.KDC", "a.KDC.jpg"]
    sizes = [imagecodecs.imread(tmp_path / name).shape for name in ("a.CRW.jpg", "a.KDC.jpg")]
    assert sizes == [(852, 1136, 3), (256, 384, 3)]


def test_a_path_with_a_space_and_an_umlaut(tmp_path):
    source = tmp_path / "Bäume im Schnee.KDC"
    shutil.copy(KDC, source)
    target = tmp_path / "schöner Ort" / "ein Bild.png"
    target.parent.mkdir()
    assert half(source, "-o", target).exit_code == 0 and target.exists()


@posix
def test_a_path_that_is_not_utf8_on_an_ascii_terminal(tmp_path):
    folder = os.fsencode(tmp_path)
    shutil.copy(KDC, folder + b"/\xff\xe4.KDC")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    answer = run_real("convert", "--half", folder + b"/\xff\xe4.KDC", folder + b"/\xfe.KDC", env=environment)
    assert answer.returncode == 1  # the second does not exist
    assert os.listdir(folder).count(b"\xff\xe4.jpg") == 1 and len(os.listdir(folder)) == 2
    assert rb"\xff\xe4.KDC -> " in answer.stderr and rb"\xfe.KDC: does not exist" in answer.stderr
    assert b"Traceback" not in answer.stderr
    for arguments in (["info"], ["info", "--json"]):
        answer = run_real(*arguments, folder + b"/\xff\xe4.KDC", env=environment)
        assert answer.returncode == 0 and answer.stdout.isascii(), answer.stderr
    assert json.loads(answer.stdout)["model"].startswith("Kodak")


# --- formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "dtype"),
    [
        ("a.jpg", [], "uint8"), ("a.JPEG", [], "uint8"), ("a.png", [], "uint8"), ("a.tif", [], "uint16"),
        ("a.png", ["--bit-depth", "16"], "uint16"), ("a.tiff", ["--bit-depth", "8"], "uint8"),
        ("a.tif", ["--bit-depth", "32"], "float32"), ("a.tif", ["--linear"], "float32"),
        ("a.tif", ["--linear", "--bit-depth", "16"], "uint16"), ("a.tif", ["--gamma", "linear"], "float32"),
        ("a.out", ["--format", "png"], "uint8"), ("a.webp", [], "uint8"),
        *(("a.tif", ["--tiff-compression", method], "uint16") for method in ("none", "zstd", "deflate")),
    ],
)  # fmt: skip
def test_formats_and_depths(tmp_path, name, options, dtype):
    result = half(KDC, "-o", tmp_path / name, *options)
    assert result.exit_code == 0, result.output
    pixels = tifffile.imread(tmp_path / name) if "tif" in name else imagecodecs.imread(tmp_path / name)
    assert pixels.dtype == dtype and pixels.shape == (256, 384, 3)


@pytest.mark.parametrize("depth", ["16", "32"])
def test_linear_is_the_linear_frame_with_a_linear_profile(tmp_path, depth):
    assert half(KDC, "-d", tmp_path, "--linear", "--bit-depth", depth).exit_code == 0
    with tifffile.TiffFile(tmp_path / "dc50_0008.tif") as file:
        pixels, profile = file.asarray(), file.pages[0].tags[34675].value
    frame = isp.default_pipeline(demosaic="half", tone="none", gamma="linear")(isp.read_raw(KDC))
    exact = frame.data if depth == "32" else np.clip(frame.data, 0, 1) * 65535
    assert np.abs(pixels - exact).max() <= (0 if depth == "32" else 0.51)
    assert profile == isp.icc.profile("linear")


@pytest.mark.parametrize(
    "options",
    [
        ["--white-balance", "gray_world"], ["--white-balance", "white_world:99"], ["--white-balance", "2,1,1.5"],
        ["--white-balance", "box:10,10,50,40"], ["--denoise", "median:3"], ["--denoise", "mean:5:mosaic"],
        ["--vignetting", "radial:0.3,0.1"], ["--vignetting", "natural:angle=30", "--vignetting", "pixel:angle=20"],
        ["--exposure", "+1.5"], ["--auto-bright"], ["--tone", "none"], ["--gamma", "bt709"], ["--gamma", "2.2"],
        ["--demosaic", "bilinear"], ["--set", "tone.contrast=1.2"], ["--set", "exposure.stops=-1"],
    ],
)  # fmt: skip
def test_every_knob_changes_the_picture(tmp_path, options):
    first = [] if "--demosaic" in options else ["--half"]
    assert half(KDC, "-o", tmp_path / "usual.png").exit_code == 0
    result = run("convert", *first, KDC, "-o", tmp_path / "this.png", *options)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "this.png").read_bytes() != (tmp_path / "usual.png").read_bytes()


@pytest.mark.parametrize("light", ["daylight", "tungsten", "5200K"])
def test_lights_need_a_matrix_and_a_file_that_has_one(tmp_path, light):
    assert half(SAMPLES / "g2_0304.CRW", "-o", tmp_path / "a.jpg", "--white-balance", light).exit_code == 0
    result = half(SAMPLES / "DSC_1339_768x512_rggb.raw", "-o", tmp_path / "b.jpg", "--white-balance", light)
    assert result.exit_code == 1 and "matrix" in result.output
    assert names(tmp_path) == ["a.jpg"]


def test_crop(tmp_path):
    sizes = []
    for crop in ("camera", "active", "full"):
        assert half(SAMPLES / "g2_0304.CRW", "-o", tmp_path / f"{crop}.jpg", "--crop", crop).exit_code == 0
        sizes.append(imagecodecs.imread(tmp_path / f"{crop}.jpg").shape[:2])
    assert sizes[0] == (852, 1136) and sizes[0] < sizes[1] < sizes[2]


def test_headerless_by_option_and_by_sidecar(tmp_path):
    raw = SAMPLES / "DSC_1339_768x512_rggb.raw"
    shutil.copy(raw, tmp_path / "bare.raw")
    layout = ["--headerless", "768x512:RGGB:uint16:600:15520"]
    assert half(tmp_path / "bare.raw").exit_code == 1
    assert half(tmp_path, *layout).exit_code == 0 and names(tmp_path) == ["bare.jpg", "bare.raw"]
    assert half(raw, "-d", tmp_path).exit_code == 0


# --- recipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        [], ["--linear"], ["--white-balance", "box:3,4,50,60"], ["--exposure", "0.3", "--gamma", "2.2,3.5"],
        ["--denoise", "median:3:mosaic", "--vignetting", "radial:0.1,-0.05", "--vignetting", "natural:angle=20"],
        ["--set", "color.matrix=[[1,0,0],[0.1,0.9,0],[0,0,1]]", "--set", "white_balance.clip=false"],
    ],
)  # fmt: skip
def test_the_printed_recipe_makes_the_same_bytes(tmp_path, options):
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(half(*options, "--print-recipe").stdout_bytes)
    assert half(KDC, "-d", tmp_path / "a", *options).exit_code == 0
    result = run("convert", KDC, "-d", tmp_path / "b", "-p", recipe)
    assert result.exit_code == 0, result.output
    (name,) = names(tmp_path / "a")
    assert names(tmp_path / "b") == [name]
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert run("convert", "-p", recipe, "--print-recipe").stdout == recipe.read_text("utf-8")


def changed(before, after):
    before, after = before.splitlines(), after.splitlines()
    return sorted(set(after) - set(before)), len(before) - len(after)


def test_set_changes_one_parameter():
    usual = run("convert", "--print-recipe").stdout
    assert changed(usual, run("convert", "--set", "tone.contrast=1.2", "--print-recipe").stdout) == (
        ["contrast = 1.2"],
        0,
    )
    assert changed(usual, run("convert", "--set", "black_level.source=border", "--print-recipe").stdout) == (
        ['source = "border"'], 0,
    )  # fmt: skip


def test_an_option_exchanges_the_stage_of_a_recipe(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(half("--exposure", "2", "--tone", "none", "--print-recipe").stdout)
    mixed = run("convert", "-p", recipe, "--exposure", "-1", "--set", "gamma.method=bt709", "--print-recipe").stdout
    assert mixed == half("--exposure", "-1", "--tone", "none", "--gamma", "bt709", "--print-recipe").stdout


def test_a_flat_field_whose_path_is_no_utf8_is_no_recipe():
    result = run("convert", "--vignetting", "flat:\udcff.CRW", "--print-recipe")
    assert result.exit_code == 2 and "UTF-8" in result.output


def test_what_the_command_line_can_do_the_library_can(tmp_path):
    assert half(KDC, "-o", tmp_path / "a.png", "--exposure", "1", "--bit-depth", "16").exit_code == 0
    settings = Settings(isp.default_pipeline(demosaic="half", exposure=1), output=Output(bit_depth=16))
    isp.convert_file(KDC, tmp_path / "b.png", settings)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_the_same_bytes_with_any_number_of_threads(tmp_path, monkeypatch, name):
    pictures = set()
    for threads in ("1", "2", "3", "3"):
        monkeypatch.setenv("ISP_NUM_THREADS", threads)
        target = tmp_path / name
        options = ["--denoise", "median:3", "--auto-bright", "--overwrite"]
        assert run("convert", KDC, "-o", target, *options).exit_code == 0
        pictures.add(target.read_bytes())
    assert len(pictures) == 1


@pytest.mark.parametrize(("given", "expected"), [("1", 1), ("3", 3)])
def test_threads_by_option(tmp_path, monkeypatch, given, expected):
    from isp.threads import thread_count

    monkeypatch.setenv("ISP_NUM_THREADS", "many")  # the option wins
    assert half(KDC, "-d", tmp_path, "--threads", given).exit_code == 0
    assert thread_count() == expected
    assert "processors this process may use" in " ".join(run("convert", "--help").output.split())


# --- warm-up ---------------------------------------------------------------------------------------------------------


def test_after_a_warm_up_a_conversion_compiles_nothing(tmp_path):
    cache = tmp_path / "cache"
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "TMPDIR": str(tmp_path)}
    answer = subprocess.run([*REAL, "warmup"], capture_output=True, text=True, env=environment, timeout=300)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == "info: compiling kernels for this machine, once; some seconds\n"
    (folder,) = (cache / "isp").iterdir()
    assert str(folder) in answer.stdout and re.search(r"\b\d+\.\d s\b", answer.stdout)
    compiled = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(compiled) > 20
    variants = [
        [], ["--half"], ["--format", "png", "--bit-depth", "16"], ["--denoise", "median:3"], ["--denoise", "mean:3"],
        ["--vignetting", "radial:0.3"], ["--linear"], ["--denoise", "median:3:mosaic"], ["--gamma", "bt709"],
        ["--vignetting", "natural:angle=30", "--white-balance", "gray_world"], ["--tone", "none"],
        ["--format", "tiff", "--tiff-compression", "deflate"],
        ["--denoise", "cnn", "--set", "denoise.noise=[1e-3, 1e-5]"],
    ]  # fmt: skip
    for number, options in enumerate(variants):
        command = [*REAL, "convert", KDC, "-d", tmp_path / str(number), *options]
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        assert answer.returncode == 0 and "compiling" not in answer.stderr, answer.stderr
        new = {path.name for path in folder.iterdir()} - {path.name for path in compiled}
        assert not new, (options, new)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == compiled


def test_a_warm_up_where_the_users_folder_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "temporary").mkdir()
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "temporary")}
    answer = subprocess.run([*REAL, "warmup"], capture_output=True, text=True, env=environment, timeout=300)
    (folder,) = (tmp_path / "temporary").iterdir()
    assert answer.returncode == 0 and str(folder) in answer.stdout and answer.stderr.count("warning: ") == 1


def test_a_warm_up_that_keeps_nothing_is_a_failure(tmp_path):
    code = "from isp import code_cache; code_cache.folders = lambda: []; from isp_cli.main import main; main()"
    command = [sys.executable, "-c", code, "warmup"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 3 and answer.stdout == ""
    assert "error: compiled code cannot be kept" in answer.stderr


# --- existing files --------------------------------------------------------------------------------------------------


def test_what_exists_is_replaced_only_when_asked(tmp_path):
    target = tmp_path / "a.jpg"
    target.write_bytes(b"mine")
    before = target.stat().st_mtime_ns
    result = half(KDC, "-o", target)
    assert result.exit_code == 1 and "exists already; give --overwrite" in result.output
    assert target.read_bytes() == b"mine" and target.stat().st_mtime_ns == before and names(tmp_path) == ["a.jpg"]
    assert half(KDC, "-o", target, "--overwrite").exit_code == 0
    assert target.read_bytes()[:2] == b"\xff\xd8" and names(tmp_path) == ["a.jpg"]


# --- several files ---------------------------------------------------------------------------------------------------


def test_a_failed_file_does_not_stop_the_rest(tmp_path):
    for name in ("a.KDC", "c.KDC"):
        shutil.copy(KDC, tmp_path / name)
    (tmp_path / "b.NEF").write_text("not a raw file")
    result = half(tmp_path, "-d", tmp_path / "out")
    assert result.exit_code == 1 and names(tmp_path / "out") == ["a.jpg", "c.jpg"]
    assert "b.NEF" in result.output and result.output.endswith("2 converted, 1 failed\n")


def test_a_bug_in_one_file_is_one_line_and_does_not_stop_the_rest(tmp_path, monkeypatch):
    import isp.convert

    convert_file = isp.convert.convert_file
    errors = iter([ZeroDivisionError("oh\nno"), MemoryError()])

    def broken(source, target, settings):
        error = next(errors, None)
        if error:
            raise error
        return convert_file(source, target, settings)

    monkeypatch.setattr("isp.convert.convert_file", broken)
    for name in ("a.KDC", "b.KDC", "c.KDC"):
        shutil.copy(KDC, tmp_path / name)
    result = half(tmp_path, "-d", tmp_path / "out")
    assert result.exit_code == 1 and names(tmp_path / "out") == ["c.jpg"]
    bug, memory = [line for line in result.output.splitlines() if line.startswith("error")]
    assert "please report it: ZeroDivisionError: oh no (" in bug and "does not fit into memory" in memory


@posix
def test_progress_on_a_terminal_and_plain_lines_elsewhere(tmp_path):
    for name in ("a.KDC", "b.KDC"):
        shutil.copy(KDC, tmp_path / name)
    command = [*REAL, "convert", "--half", tmp_path / "a.KDC", tmp_path / "b.KDC"]
    shown = on_terminal(command)
    assert "[1/2]" in shown and "a.KDC ..." in shown and "\r\x1b[K[2/2]" in shown
    assert shown.rstrip().endswith("2 converted, 0 failed")
    plain = subprocess.run([*command, "--overwrite"], capture_output=True, text=True).stderr
    assert "\r" not in plain and "\x1b" not in plain and " ..." not in plain
    assert [line[:6] for line in plain.splitlines()] == ["[1/2] ", "[2/2] ", "2 conv"]


def on_terminal(command):
    leader, terminal = pty.openpty()
    process = subprocess.Popen(command, stderr=terminal, stdout=terminal, stdin=subprocess.DEVNULL)
    os.close(terminal)
    shown = b""
    while True:
        select.select([leader], [], [], 60)
        try:
            part = os.read(leader, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert process.wait(60) == 0, shown
    return shown.decode()


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(tmp_path, number, code):
    raws = [shutil.copy(KDC, tmp_path / f"{n:03}.KDC") for n in range(200)]
    out = tmp_path / "out"
    command = [*REAL, "convert", *raws, "-d", out, "--format", "png"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )  # nohup and a shell's & hand down an ignored Ctrl-C
    converted = 0
    while converted < 3:
        converted += b" -> " in process.stderr.readline()
    time.sleep(0.02)
    process.send_signal(number)
    rest = process.stderr.read().decode()
    assert process.wait(30) == code and "Traceback" not in rest
    pictures = names(out)
    assert 3 <= len(pictures) < 200
    assert {Path(name).suffix for name in pictures} == {".png"}  # nothing half-written, no temporary file
    for name in pictures:
        assert imagecodecs.imread(out / name).shape == (512, 768, 3)


@posix
@pytest.mark.parametrize("closed", ["0", "1", "2", "1,2", "0,1,2"])
def test_streams_that_are_closed(tmp_path, closed):
    """As `isp convert .. >&-`; the next file opened must not take over the stream's number and what C prints there."""
    command = [*REAL, "convert", "--half", KDC, tmp_path / "none.NEF", "-d", tmp_path / "out"]
    descriptors = [int(number) for number in closed.split(",")]
    answer = subprocess.run(
        command, capture_output=True, timeout=60, preexec_fn=lambda: [os.close(number) for number in descriptors]
    )
    assert names(tmp_path / "out") == ["dc50_0008.jpg"] and answer.returncode == 1  # the second is not there
    assert b"Traceback" not in answer.stderr and (2 in descriptors or b"1 converted, 1 failed" in answer.stderr)
    assert imagecodecs.imread(tmp_path / "out" / "dc50_0008.jpg").shape == (256, 384, 3)
    answer = subprocess.run(
        [*REAL, "convert", "--half", KDC, "-o", tmp_path / "a.jpg"],
        capture_output=True, timeout=60, preexec_fn=lambda: [os.close(number) for number in descriptors],
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr


@posix
def test_a_closed_stdout_has_nothing_to_show():
    for arguments in (["stages"], ["info", KDC]):
        answer = subprocess.run([*REAL, *arguments], stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1), timeout=60)
        assert answer.returncode == 0 and answer.stderr == b""


def test_output_into_a_pipe_that_closes():
    answer = subprocess.run(f"{sys.executable} -m isp_cli.main stages | head -1", shell=True, capture_output=True)
    assert answer.stdout == b"black_level\n" and b"Traceback" not in answer.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux only")
@pytest.mark.parametrize("arguments", [["stages"], ["--help"], ["info", KDC]])
def test_output_onto_a_full_disk(arguments):
    with open("/dev/full", "wb") as full:
        answer = subprocess.run([*REAL, *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
    assert answer.returncode == 3 and "No space left" in answer.stderr and "Traceback" not in answer.stderr


def test_the_installed_command_is_this_one():
    command = Path(sys.executable).with_name("isp")
    if not command.exists():
        pytest.skip("isp is not installed beside this Python")
    answer = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert answer.stdout == f"isp, version {isp.__version__}\n"


def test_suffixes_that_the_help_promises():
    assert set(SUFFIXES.values()) == {"jpeg", "png", "tiff", "webp"}
