"""`isp batch` as users run it: real processes, real signals, real disks that are full, read-only or vanish."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from isp.batch.receipts import FOLDER

from .batches import damaged, left_overs, marked, pictures, raw, stamps, start, wait_for_none
from .command import run, run_real

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, signals or tmpfs")
MANY = 40


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Raw files that take some seconds together."""
    src = tmp_path_factory.mktemp("many") / "src"
    for number in range(MANY):
        raw(src / f"d{number % 4}" / f"{number:02}.dng", number)
    return src


@pytest.fixture(scope="module")
def right(many, tmp_path_factory):
    """The pictures of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("right") / "out"
    assert run_real("batch", many, "-o", out, "-q").returncode == 0
    return pictures(out)


@pytest.fixture
def src(tmp_path):
    for seed, name in enumerate(["a.dng", "sub/b.dng", "sub/c.dng"]):
        raw(tmp_path / "src" / name, seed)
    return tmp_path / "src"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def mark():
    mark = uuid.uuid4().hex
    yield mark
    for pid in marked(mark):
        os.kill(pid, signal.SIGKILL)


def lines(result):
    """What was told on stderr; never a traceback."""
    text = result.stderr.decode()
    assert "Traceback" not in text and "Exception" not in text, text
    return text.splitlines()


def error(result):
    """The one line that tells why a run ended."""
    (line,) = (line for line in lines(result) if line.startswith("error:"))
    return line


def end(process):
    """Wait for a process; returns its exit code and all lines that it has not told yet."""
    _, errors = process.communicate(timeout=120)
    assert b"Traceback" not in errors and b"Exception" not in errors, errors.decode()
    return process.returncode, errors.decode().splitlines()


def wait_for_picture(process):
    """Wait until the first picture is told."""
    for line in process.stderr:
        if line.startswith(b"[1/"):
            return
    raise AssertionError(process.wait())


# --------------------------------------------------------------------------------------------------------- exit codes


def test_all_done_and_nothing_to_do(src, out):
    first = run_real("batch", src, "-o", out)
    assert first.returncode == 0 and re.search(r"^3 done in ", lines(first)[-1])
    before = stamps(out)
    second = run_real("batch", src, "-o", out)
    assert second.returncode == 0 and "3 skipped (done before)" in lines(second)[-1]
    assert stamps(out) == before and not left_overs(out)


def test_a_failure_is_named_and_the_others_are_done(src, out):
    (src / "bad.dng").write_bytes(b"no raw file")
    damaged(src / "hurt.dng")
    out.mkdir()
    (out / "a.jpg").write_text("mine")
    result = run_real("batch", src, "-o", out)
    told = [line for line in lines(result) if line.startswith(("error:", "damaged:", "blocked:"))]
    assert result.returncode == 1 and len(told) == 3
    assert all(any(str(name) in line for line in told) for name in (src / "bad.dng", "hurt.dng", out / "a.jpg"))
    assert sorted(pictures(out)) == ["a.jpg", "sub/b.jpg", "sub/c.jpg"]
    assert run_real("batch", src, "-o", out).returncode == 1  # still not all done


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["batch", "-o", "out"], "give a folder, raw files or --from-file"),
        (["batch", "src"], "Missing option '-o'"),
        (["batch", "src", "-o", "out", "--denoise", "nonsense"], "nonsense"),
        (["batch", "src", "-o", "src/a.dng"], "is a file; give a folder"),
        (["batch", "src/*.nef", "-o", "out"], "stands for no file"),
        (["batch", "src", "-o", "out", "--jobs", "0"], "--jobs"),
        (["batch", "src", "-o", "out", "--from-file", "absent"], "absent: cannot be read"),
    ],
)
def test_wrong_usage(src, monkeypatch, arguments, told):
    monkeypatch.chdir(src.parent)
    result = run(*arguments)
    assert result.exit_code == 2 and told in result.output and not Path("out").exists()


@pytest.mark.parametrize(("arguments", "told"), [(["src/sub/none"], "none"), (["empty"], "no raw files there")])
def test_nothing_to_work_on(src, monkeypatch, arguments, told):
    monkeypatch.chdir(src.parent)
    Path("empty").mkdir()
    result = run("batch", *arguments, "-o", "out")
    assert result.exit_code == 1 and told in result.output


# ------------------------------------------------------------------------------------------------------------ signals


@linux
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_keeps_what_is_done_and_goes_on(many, right, out, mark, number, code):
    process = start("batch", many, "-o", out, "--report", out.parent / "r.json", mark=mark)
    wait_for_picture(process)
    process.send_signal(number)
    assert end(process)[0] == code
    assert marked(mark) == [] and not left_overs(out)
    before = stamps(out)
    assert 0 < len(before) < MANY and pictures(out).items() <= right.items()
    told = json.loads((out.parent / "r.json").read_text())
    assert "stopped" in json.dumps(told) and run_real("batch", many, "-o", out, "-q").returncode == 0
    assert pictures(out) == right and before.items() <= stamps(out).items()


@linux
def test_a_second_signal_does_not_wait(many, out, mark):
    process = start("batch", many, "-o", out, mark=mark)
    wait_for_picture(process)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
    assert end(process)[0] == 130
    assert wait_for_none(mark) == []
    assert run_real("batch", many, "-o", out, "-q").returncode == 0 and not left_overs(out)


@linux
def test_ctrl_c_reaches_the_whole_group_and_nobody_complains(many, out, mark):
    process = start("batch", many, "-o", out, mark=mark)
    wait_for_picture(process)
    os.killpg(process.pid, signal.SIGINT)
    code, told = end(process)
    assert code == 130 and not [line for line in told if line.startswith("error")] and wait_for_none(mark) == []


# -------------------------------------------------------------------------------------------------------------- disks


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own; a function changes how it is mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    small = ["mount", "-t", "tmpfs", "-o", "size=160k", "isp-test", folder]
    if not sys.platform.startswith("linux") or subprocess.run(small, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield lambda how: subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_stops_the_run_and_with_room_it_goes_on(many, right, tmp_path, disk):
    out = tmp_path / "disk" / "out"
    full = run_real("batch", many, "-o", out)
    assert full.returncode == 3 and "the disk is full" in error(full)
    before = stamps(out)
    assert 0 < len(before) < MANY and pictures(out).items() <= right.items() and not left_overs(out)
    assert run_real("batch", many, "-o", out).returncode == 3  # still full
    disk("size=20m")
    assert run_real("batch", many, "-o", out, "-q").returncode == 0
    assert pictures(out) == right and not left_overs(out)
    assert before.items() <= stamps(out).items()  # nothing was done twice


@pytest.mark.parametrize("file_format", ["png", "tiff", "webp"])
def test_a_full_disk_is_one_whatever_the_encoder_says(many, tmp_path, disk, file_format):
    out = tmp_path / "disk" / "out"
    full = run_real("batch", many, "-o", out, "--format", file_format)
    assert full.returncode == 3 and "disk is full" in error(full)
    assert not left_overs(out)


def test_a_read_only_disk(src, tmp_path, disk):
    disk("ro")
    result = run_real("batch", src, "-o", tmp_path / "disk" / "out")
    assert result.returncode == 3 and "read-only" in error(result).lower()


@linux
def test_a_disk_that_becomes_read_only(many, right, tmp_path, disk, mark):
    disk("size=20m")
    out = tmp_path / "disk" / "out"
    process = start("batch", many, "-o", out, mark=mark)
    wait_for_picture(process)
    for _ in range(1000):  # busy while a file is open for writing
        if not subprocess.run(["mount", "-o", "remount,ro", out.parent], capture_output=True).returncode:
            break
    code, told = end(process)
    assert code == 3 and any("read-only" in line.lower() for line in told), told
    assert pictures(out).items() <= right.items() and len(pictures(out)) < MANY and marked(mark) == []
    disk("rw")
    assert run_real("batch", many, "-o", out, "-q").returncode == 0 and pictures(out) == right


@linux
def test_a_raw_file_that_vanishes_fails_alone(many, right, tmp_path, out, mark):
    src = tmp_path / "src"
    shutil.copytree(many, src)
    process = start("batch", src, "-o", out, "-j", 1, mark=mark)
    wait_for_picture(process)
    (src / "d3" / "39.dng").unlink()  # the last one
    code, told = end(process)
    assert code == 1 and [line for line in told if line.startswith("error:") and "39.dng" in line]
    expected = {name: digest for name, digest in right.items() if name != "d3/39.jpg"}
    assert pictures(out) == expected


# ----------------------------------------------------------------------------------------------------- several at once


@linux
def test_three_runs_at_once(many, right, out, mark):
    first = start("batch", many, "-o", out, "-j", 1, mark=mark)
    wait_for_picture(first)
    told = run_real("batch", many, "-o", out)
    assert told.returncode == 3 and f"at work there (process {first.pid} on " in error(told)
    others = [start("batch", many, "-o", out, "-j", 2, "--join", mark=mark) for _ in range(2)]
    for process in (first, *others):
        code, rest = end(process)
        assert code == 0, rest
    assert pictures(out) == right and not left_overs(out) and marked(mark) == []
    before = stamps(out)
    assert run_real("batch", many, "-o", out, "--verify").returncode == 0 and stamps(out) == before


# ------------------------------------------------------------------------------------------------------------ options


def test_a_dry_run_tells_what_and_why_and_writes_nothing(src, out):
    dry = run("batch", src, "-o", out, "--dry-run")
    assert dry.exit_code == 0 and "3 to do (new: 3)" in dry.output and not out.exists()
    run("batch", src / "sub", "-o", out / "sub")
    (src / "bad.dng").write_bytes(b"no raw file")
    assert run("batch", src, "-o", out, "--include", "bad*").exit_code == 1
    raw(src / "new.dng", 7)
    before = {path: os.stat(path).st_mtime_ns for path in out.rglob("*")}
    dry = run("batch", src, "-o", out, "--dry-run", "--retry-failed")
    assert "new: 2" in dry.output and "failed before: 1" in dry.output
    assert {path: os.stat(path).st_mtime_ns for path in out.rglob("*")} == before
    run("batch", src / "a.dng", "-o", out)
    assert "recipe changed: 1" in run("batch", src / "a.dng", "-o", out, "--dry-run", "--exposure", "1").output


def test_reports(src, out, tmp_path):
    (src / "bad.dng").write_bytes(b"no raw file")
    result = run_real("batch", src, "-o", out, "--report", tmp_path / "r.json", "--report", tmp_path / "r.html")
    assert result.returncode == 1
    told = json.loads((tmp_path / "r.json").read_text())
    assert "bad.dng" in json.dumps(told) and "bad.dng" in (tmp_path / "r.html").read_text()


def test_a_report_of_what_was_stopped_by_a_full_disk(many, tmp_path, disk):
    report = tmp_path / "r.json"
    assert run_real("batch", many, "-o", tmp_path / "disk" / "out", "--report", report).returncode == 3
    assert "disk is full" in report.read_text()


def test_quiet_tells_failures_alone(src, out):
    run_real("batch", src, "-o", out.parent / "warm")  # it may tell that it compiles
    assert lines(run_real("batch", src, "-o", out, "-q")) == []
    (src / "bad.dng").write_bytes(b"no raw file")
    (line,) = lines(run_real("batch", src, "-o", out, "--quiet"))
    assert line.startswith("error:") and "bad.dng" in line


def test_the_recipe_is_printed(src, out):
    result = run("batch", src, "-o", out, "--exposure", "0.5", "--print-recipe")
    assert result.exit_code == 0 and re.search(r"(?m)^ev = 0\.5|= 0\.5$", result.output) and not out.exists()


@pytest.mark.parametrize("end_of_line", ["\0", "\n"])
def test_a_list_on_standard_input(src, out, end_of_line):
    names = end_of_line.join(map(str, sorted(src.rglob("*.dng"))))
    result = run_real("batch", "--from-file", "-", "-o", out, input=names.encode())
    assert result.returncode == 0 and sorted(pictures(out)) == ["a.jpg", "b.jpg", "c.jpg"]


@linux
def test_a_list_of_names_that_are_no_text(src, out):
    name = os.fsencode(src) + b"/\xff\n.dng"
    shutil.copy(src / "a.dng", name)
    result = run_real("batch", "--from-file", "-", "-o", out, input=name + b"\0")
    assert result.returncode == 0 and b"\xff\n.jpg" in os.listdir(os.fsencode(out))


def test_help_shows_examples_units_and_exit_codes():
    text = run("batch", "--help").output
    for word in ("isp batch photos/ -o pictures", "find . ", "MB", "Exit codes: 0", "130", "receipts"):
        assert word in text, word


def test_nothing_but_pictures_and_one_folder_lies_in_the_output(src, out):
    run("batch", src, "-o", out)
    assert sorted(os.listdir(out)) == [FOLDER, "a.jpg", "sub"]
