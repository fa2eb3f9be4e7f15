"""Compiled code: called as NumPy would compute, kept, mended, and never anybody else's."""

import hashlib
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from isp import code_cache
from isp.in_turn import run_in_turn
from isp.jit import combination, kernel
from isp.machine_code import emit, on_whole_lines

from .command import KDC, REAL, names

WARNING = "compiled code"

# kernels that are made of others, and the one that runs them in turn
SCRIPT = """
import logging, sys
import numpy as np
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
logging.getLogger("numba").setLevel(logging.WARNING)
from isp.denoisers.registry import load
from isp.denoisers.window import by_site
image = np.random.default_rng(0).random((9, 9)).astype(np.float32)
windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), (0, 1))
assert np.array_equal(by_site(load('median'), image, 1, 1)[1:-1, 1:-1], np.median(windows, (-2, -1)))
print('numba' in sys.modules)
assert np.allclose(by_site(load('mean'), image, 1, 1)[1:-1, 1:-1], windows.mean((-2, -1)))
"""
COMPILING = "INFO compiling kernels for this machine, once; some seconds"


# --- the cache -------------------------------------------------------------------------------------------------------


class Runs:
    """Runs SCRIPT, with all that a run may write below one folder."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.home, self.cache, self.temporary = folder / "home", folder / "cache", folder / "temporary"
        self.home.mkdir()
        self.temporary.mkdir()

    def __call__(self, *, before=None, **environment):
        """Return the lines that a run logged."""
        usual = {"XDG_CACHE_HOME": str(self.cache), "TMPDIR": str(self.temporary)}
        answer = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=os.environ | usual | environment,
            preexec_fn=before, timeout=120, cwd=self.home,
        )  # fmt: skip
        assert answer.returncode == 0 and "Traceback" not in answer.stderr, answer.stderr
        self.imports_numba = answer.stdout == "True\n"
        return answer.stderr.splitlines()

    @property
    def folder(self):
        (folder,) = (self.cache / "isp").iterdir()
        return folder

    @property
    def spare(self):
        (folder,) = self.temporary.iterdir()
        return folder


@pytest.fixture
def run(tmp_path):
    return Runs(tmp_path)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    run = Runs(tmp_path_factory.mktemp("compiled"))
    run()
    return run.cache


@pytest.fixture
def later_run(run, compiled):
    """Runs SCRIPT with the code of an earlier run."""
    shutil.copytree(compiled, run.cache)
    return run


def test_the_first_run_says_that_it_takes_a_while_and_the_next_needs_no_compiler(run):
    assert run() == [COMPILING] and run.imports_numba
    compiled = {path: path.stat().st_mtime_ns for path in run.folder.iterdir()}
    assert len(compiled) == 4 and names(run.temporary) == [] == names(run.home)
    assert run() == [] and not run.imports_numba
    assert {path: path.stat().st_mtime_ns for path in run.folder.iterdir()} == compiled
    assert os.name != "posix" or stat.S_IMODE(run.folder.stat().st_mode) == 0o700


DAMAGES = {
    "cut short": lambda content: content[:-1],
    "its hash cut short": lambda content: content[:20],
    "one bit": lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:],
    "something else": lambda content: b"something else",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_reported_once_and_mended(later_run, damage):
    for path in later_run.folder.iterdir():
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    line, compiling = later_run()
    assert WARNING in line and "damaged" in line and compiling == COMPILING
    assert later_run() == []


def test_code_that_calls_what_is_not_there_is_compiled_again(later_run):
    """What numba finds installed may be gone later: Intel's vector mathematics."""
    for path in later_run.folder.iterdir():
        content = b"__gone_from_here " + path.read_bytes()[32:]
        path.write_bytes(hashlib.sha256(content).digest() + content)
    assert later_run() == [COMPILING]
    assert later_run() == []


def test_an_empty_file_is_no_code(later_run):
    for path in later_run.folder.iterdir():
        path.write_bytes(b"")
    assert later_run() == [COMPILING]
    assert later_run() == []


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
def test_where_the_users_folder_cannot_be_made_a_private_one_serves(run, variable):
    run.cache.write_text("mine")
    cache = {"XDG_CACHE_HOME": "", variable: str(run.cache)}
    compiling, line = run(**cache)
    assert compiling == COMPILING and WARNING in line and str(run.spare) in line
    assert os.name != "posix" or stat.S_IMODE(run.spare.stat().st_mode) == 0o700
    assert run(**cache) == [] and names(run.home) == []


def test_a_user_whose_home_nobody_knows(monkeypatch, tmp_path):
    monkeypatch.setattr(code_cache, "usual_folder", lambda: Path("~", ".cache", "isp", "kernels-0"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    (folder,) = code_cache.folders()
    assert folder.parent == tmp_path and folder.name.endswith("kernels-0")


def test_nowhere_to_keep_code(monkeypatch, caplog):
    def none():
        raise FileNotFoundError

    monkeypatch.setattr(code_cache, "usual_folder", lambda: Path("~", "kernels-0"))
    monkeypatch.setattr(code_cache, "_warned", set())
    monkeypatch.setattr(tempfile, "gettempdir", none)
    for _ in range(2):
        code_cache.write("x", b"")
    assert code_cache.read("x") is None and code_cache.kept_in() is None
    (record,) = caplog.records
    assert "cannot be kept in any folder; every run compiles anew" in record.message


def no_big_files():
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.skipif(os.name != "posix", reason="POSIX only")
def test_a_disk_that_takes_nothing(run):
    compiling, line = run(before=no_big_files)
    assert compiling == COMPILING and WARNING in line and "File too large" in line
    assert names(run.folder) == []  # nothing is left behind


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a tiny disk")
def test_a_full_disk_below_the_cache(tmp_path):
    disk, spare = tmp_path / "disk", tmp_path / "spare"
    disk.mkdir()
    spare.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mount is not allowed here")
    try:
        environment = os.environ | {"XDG_CACHE_HOME": str(disk), "TMPDIR": str(spare)}
        command = [*REAL, "convert", "--half", KDC, "-d", tmp_path / "out"]
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    finally:
        subprocess.run(["umount", disk], check=True)
    assert answer.returncode == 0 and names(tmp_path / "out") == ["dc50_0008.jpg"], answer.stderr
    assert answer.stderr.count("warning: ") == 1 and "No space left" in answer.stderr


# --- what may be run -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="POSIX only")
@pytest.mark.parametrize("trouble", ["open to all", "open to a group", "a link", "another user's"])
def test_code_that_others_could_have_written_is_not_run(later_run, trouble):
    if trouble == "a link":
        later_run.folder.rename(later_run.home / "elsewhere")
        (later_run.cache / "isp" / "x").symlink_to(later_run.home / "elsewhere")
        (later_run.cache / "isp" / "x").rename(later_run.cache / "isp" / f"kernels-{code_cache.key()}")
    elif trouble == "another user's":
        if os.geteuid() != 0:
            pytest.skip("only root can give files away")
        os.chown(later_run.folder, 54321, -1)
    else:
        later_run.folder.chmod(0o777 if trouble == "open to all" else 0o770)
    compiling, line = later_run()
    assert compiling == COMPILING and WARNING in line and "it goes to" in line
    assert later_run() == []  # from the spare folder
    later_run.spare.chmod(0o777)
    assert later_run()[0] == COMPILING


def test_the_folder_is_of_these_sources_this_numba_and_this_processor(monkeypatch, tmp_path):
    usual = code_cache.key()
    assert usual == code_cache.key() and re.fullmatch("[0-9a-f]{16}", usual)
    with monkeypatch.context() as changed:
        changed.setattr(code_cache, "_numba", lambda: b"0.0")
        assert code_cache.key() != usual
    with monkeypatch.context() as changed:
        changed.setattr(code_cache, "host", lambda: ("triple", "another", "+features"))
        assert code_cache.key() != usual
    with monkeypatch.context() as changed:  # the same library in another place is the same library
        shutil.copytree(os.path.dirname(code_cache.__file__), tmp_path / "isp")
        changed.setattr(code_cache, "__file__", str(tmp_path / "isp" / "code_cache.py"))
        assert code_cache.key() == usual
        (tmp_path / "isp" / "curve.py").write_text("")
        assert code_cache.key() != usual


def test_the_version_of_numba_is_found_without_importing_it():
    import numba

    assert f'"{numba.__version__}"'.encode() in code_cache._numba()


def test_many_threads_compile_once():
    """A first call comes from all threads at once."""
    code = """
import sys, threading
import numpy as np
sys.setswitchinterval(1e-6)
from isp import code_cache, jit
written, start = [], threading.Barrier(8)
code_cache.read, code_cache.write = (lambda name: None), (lambda name, content: written.append(name))
from isp.loops import each_pixel
from isp.rows import Point
from isp.stages.exposure import _exposed
image, rows = np.ones((8, 3, 5), np.float32), each_pixel(Point(_exposed))
def double(number):
    start.wait()
    rows(number, number + 1, image, 0, image, 0, (np.float32(2),))
threads = [threading.Thread(target=double, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(written) == 1 and (image == 2).all()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- calling ---------------------------------------------------------------------------------------------------------


@kernel
def scaled_sum(first, last, source, target, factor, offset, divisor):
    for y in range(first, last):
        for x in range(source.shape[1]):
            target[y, x] += source[y, x] * factor / divisor + offset


@kernel
def half_of(value):
    return value / 2


@kernel
def refusing(source):
    if source[0] == 0:
        raise ValueError


@kernel
def counting(first, last, counts):
    if last > counts.size:
        raise ValueError
    for y in range(first, last):
        counts[y] += 1


@combination
def twice(function, number):
    @kernel
    def both(source, parameters):
        for x in range(source.size):
            source[x] = function(function(source[x])) * parameters[0][1] + parameters[1][x] + number

    return both


SOURCES = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "every other": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "one row for all": lambda a: np.broadcast_to(a[:1], a.shape),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    "empty": lambda a: a[:, :0],
}


@pytest.mark.parametrize("layout", SOURCES)
@pytest.mark.parametrize("dtype", ["u1", "u2", "i8", "f4", "f8"])
def test_arrays_of_any_layout_and_type(layout, dtype):
    source = SOURCES[layout](np.arange(35).reshape(5, 7).astype(dtype))
    target = np.zeros(source.shape)
    scaled_sum(1, np.int64(4), source, target, 2.5, np.float32(0.25), 2)
    expected = np.zeros(source.shape)
    expected[1:4] = source[1:4] * 2.5 / 2 + 0.25
    assert np.array_equal(target, expected)


def run_with(call, arguments):
    for number, argument in arguments.items():
        call.replace(number, argument)
    call()


def test_a_bound_call_takes_other_whole_numbers_and_sees_what_the_arrays_hold():
    source, target = np.ones((4, 3), np.float32), np.zeros((4, 3))
    call = scaled_sum.bind(0, 0, source, target, 1.0, np.float32(0), 1)
    run_with(call, {0: 1, 1: 2})
    source[:] = 5
    run_with(call, {0: 3, 1: 4})
    call()  # the numbers stay
    run_with(call, {0: 0, 1: 4, 6: 2})  # the last is the divisor, an argument after the arrays
    assert target[:, 0].tolist() == [2.5, 3.5, 2.5, 12.5]


def test_tuples_of_arrays_and_numbers_reach_a_combination_of_kernels():
    source, other = np.arange(4.0), np.arange(4, dtype=np.uint16)
    twice(half_of, 3)(source, ((1, 2.0), other, ()))
    assert source.tolist() == [3.0, 4.5, 6.0, 7.5]
    assert twice(half_of, 3) is twice(half_of, 3) is not twice(half_of, 4)
    assert len({twice(half_of, 3).name, twice(half_of, 4).name, twice(scaled_sum, 3).name}) == 3


@pytest.mark.parametrize("argument", [np.zeros(3, ">f4"), "text", None, (1, "2"), 1j, np.uint16, [1.0]], ids=repr)
def test_what_is_neither_array_nor_number(argument):
    with pytest.raises(TypeError, match="a kernel takes native arrays"):
        half_of(argument)


def test_a_kernel_that_returns_a_value_is_for_kernels():
    with pytest.raises(TypeError, match="half_of returns a value"):
        half_of(1.0)


def test_a_failure_in_compiled_code_is_an_error():
    with pytest.raises(RuntimeError, match="refusing failed"):
        refusing(np.zeros(3))


def test_calls_in_turn_do_what_each_does_alone():
    source, between, target = np.arange(12.0).reshape(6, 2), np.zeros((6, 2)), np.zeros((6, 2))
    calls = [
        scaled_sum.bind(0, 0, source, between, 3.0, np.float32(1), 1),
        scaled_sum.bind(0, 0, between, target, 1.0, np.float32(0), 1),
    ]
    run_in_turn(calls, np.array([[0, 0], [3, 2], [3, 3], [5, 4]]))  # the second is a row behind the first
    assert np.array_equal(between, np.where(np.arange(6)[:, None] < 5, source * 3 + 1, 0))
    assert np.array_equal(target, np.where(np.arange(6)[:, None] < 4, between, 0))


def test_no_call_follows_one_that_failed():
    well, badly = np.zeros(9, np.int64), np.zeros(4, np.int64)
    with pytest.raises(RuntimeError, match="counting failed"):
        run_in_turn([counting.bind(0, 0, well), counting.bind(0, 0, badly)], np.array([[0, 0], [3, 3], [6, 6], [9, 9]]))
    assert (well.tolist(), badly.tolist()) == ([1, 1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 0])


def test_vectors_on_the_stack_lie_in_whole_lines_of_the_cache():
    from llvmlite import binding

    dispatcher = scaled_sum._dispatcher
    scaled_sum(0, 0, np.zeros((1, 1)), np.zeros((1, 1)), 1.0, np.float32(0), 1)
    module = binding.parse_assembly(on_whole_lines(dispatcher.inspect_llvm(next(iter(dispatcher.overloads)))))
    compiled = [str(function) for function in module.functions if not function.is_declaration]
    assert compiled and all("alignstack(64)" in function for function in compiled)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="looks for an instruction of x86-64")
def test_what_is_emitted_aligns_the_stack():
    code = emit("define i32 @f(ptr %p) {\nstore volatile i32 1, ptr %p\nret i32 0\n}\n")
    assert b"\x48\x83\xe4\xc0" in code.object_file  # and rsp, -64


def test_only_this_packages_kernels_are_kept():
    scaled_sum(0, 0, np.zeros((1, 1)), np.zeros((1, 1)), 1.0, np.float32(0), 1)
    assert not [path for folder in code_cache.folders() for path in folder.glob("*scaled_sum*")]
