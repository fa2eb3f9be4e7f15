"""The cache of compiled code: a convenience, so nothing that is wrong with it may cost a picture."""

import os
import re
import shutil
import subprocess
import sys

import pytest

import isp.jit

from .command import KDC, REAL, names

WARNING = "compiled code"

# the median calls other kernels, so that numba meets the cache of one kernel while it compiles another.
SCRIPT = """
import logging, sys
import numpy as np
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
logging.getLogger("numba").setLevel(logging.WARNING)
from isp.denoisers import filtered
image = np.random.default_rng(0).random((9, 9, 3)).astype(np.float32)
windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), (0, 1))
assert np.array_equal(filtered(image, 'median', 3)[1:-1, 1:-1], np.median(windows, (-2, -1)))
assert np.allclose(filtered(image, 'mean', 3)[1:-1, 1:-1], windows.mean((-2, -1)))
"""


@pytest.fixture
def run(tmp_path):
    """Run SCRIPT with a cache in `folder`; return the lines that it logged."""
    (tmp_path / "temporary").mkdir()

    def run(folder, *, before=None, script=SCRIPT):
        environment = os.environ | {"XDG_CACHE_HOME": str(folder), "TMPDIR": str(tmp_path / "temporary")}
        answer = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env=environment,
            preexec_fn=before,
            timeout=120,
        )
        assert answer.returncode == 0 and "Traceback" not in answer.stderr, answer.stderr
        assert names(tmp_path / "temporary") == []  # nothing is left behind
        return answer.stderr.splitlines()

    return run


def warnings(lines):
    return [line for line in lines if line.startswith("WARNING")]


def test_the_first_run_says_that_it_takes_a_while_and_only_the_first(run, tmp_path):
    assert run(tmp_path / "cache") == ["INFO compiling kernels for this machine, once; some seconds"]
    compiled = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")}
    assert len(compiled) >= 6
    assert run(tmp_path / "cache") == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")} == compiled


DAMAGES = {
    "index cut short": ("*.nbi", lambda content: content[: len(content) // 2]),
    "index empty": ("*.nbi", lambda content: b""),
    "index of something else": ("*.nbi", lambda content: content[: content.index(b".") + 1] + b"cposix\nnothing\n."),
    "code cut short": ("*.nbc", lambda content: content[: len(content) // 2]),
    "code empty": ("*.nbc", lambda content: b""),
    "code of another kind": ("*.nbc", lambda content: b"I1\n."),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_reported_once_and_mended(run, tmp_path, damage):
    pattern, change = DAMAGES[damage]
    run(tmp_path / "cache")
    for path in (tmp_path / "cache").rglob(pattern):
        path.write_bytes(change(path.read_bytes()))
    (line,) = run(tmp_path / "cache")
    assert WARNING in line and "damaged" in line
    assert run(tmp_path / "cache") == []


def no_big_files():
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.skipif(os.name != "posix", reason="POSIX only")
def test_a_disk_that_takes_nothing(run, tmp_path):
    (line,) = warnings(run(tmp_path / "cache", before=no_big_files))
    assert WARNING in line and "cannot be kept" in line and "File too large" in line


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a tiny disk")
def test_a_full_disk_below_the_cache(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mount is not allowed here")
    try:
        environment = os.environ | {"XDG_CACHE_HOME": str(disk)}
        command = [*REAL, "convert", "--half", KDC, "-d", tmp_path / "out"]
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    finally:
        subprocess.run(["umount", disk], check=True)
    assert answer.returncode == 0 and names(tmp_path / "out") == ["dc50_0008.jpg"], answer.stderr
    assert answer.stderr.count("warning: ") == 1 and "No space left" in answer.stderr


@pytest.mark.parametrize("place", ["a file", "below a file"])
def test_a_folder_that_cannot_be_made(run, tmp_path, place):
    (tmp_path / "file").write_text("mine")
    for _ in range(2):
        (line,) = warnings(run(tmp_path / "file" / ("" if place == "a file" else "below")))
        assert WARNING in line and "cannot be kept" in line


def test_what_numba_would_choose_instead_is_not_used(run, tmp_path):
    """numba falls back to __pycache__ beside the sources, where it does not notice an edit in another file."""
    script = f"""
import isp.jit, pathlib
from isp import jit
jit.cache_folder = lambda: pathlib.Path({str(tmp_path / "gone")!r}) / "x"
pathlib.Path({str(tmp_path / "gone")!r}).write_text("")
{SCRIPT}
from isp.denoisers.mean import _rows
assert type(_rows._dispatcher._cache).__name__ == "NullCache"
"""
    (line,) = run(tmp_path / "cache", script=script)
    assert "cannot be kept" in line


def test_the_folder_is_of_these_sources_this_numba_and_this_processor(monkeypatch, tmp_path):
    import llvmlite.binding

    usual = isp.jit.cache_key()
    assert usual == isp.jit.cache_key() and re.fullmatch("[0-9a-f]{16}", usual)
    with monkeypatch.context() as changed:
        changed.setattr("numba.__version__", "0.0")
        assert isp.jit.cache_key() != usual
    with monkeypatch.context() as changed:
        changed.setattr(llvmlite.binding, "get_host_cpu_name", lambda: "another")
        assert isp.jit.cache_key() != usual
    with monkeypatch.context() as changed:  # the same library in another place is the same library
        shutil.copytree(os.path.dirname(isp.jit.__file__), tmp_path / "isp")
        changed.setattr(isp.jit, "__file__", str(tmp_path / "isp" / "jit.py"))
        assert isp.jit.cache_key() == usual
        (tmp_path / "isp" / "curve.py").write_text("")
        assert isp.jit.cache_key() != usual


def test_many_threads_make_one_dispatcher():
    """A first call comes from all threads at once; each making its own would compile the kernel once per thread."""
    code = """
import sys, threading
sys.setswitchinterval(1e-6)
from isp.denoisers.mean import _rows
made, start = [], threading.Barrier(8)
def get():
    start.wait()
    made.append(_rows._dispatcher)
threads = [threading.Thread(target=get) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(made) == 8 and len(set(map(id, made))) == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
