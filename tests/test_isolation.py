"""A raw file read in a child is what `read_raw` returns, and whatever happens to the child is one clear error."""

import contextlib
import gc
import io
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from isp.errors import ChildError, ParameterError, RawError
from isp.headerless import Layout, find_sidecar
from isp.isolation import child, forked, read_isolated, reader, spawned, stop
from isp.isolation.messages import Request
from isp.raw import read_raw

from .dng_files import write_dng
from .paths import BAYER_SAMPLES, BAYER_SHARED, SAMPLES, shared

pytestmark = pytest.mark.skipif(not reader.FORKS, reason="the server forks")
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

SMALL, LONG = SAMPLES / "dc50_0008.KDC", SAMPLES / "g2_0304.CRW"
MORE = ["raws/dng/ljpeg_tiled.dng", "raws/edge/photoprism_canon_eos_6d.dng"]
FILES = [*BAYER_SAMPLES, *BAYER_SHARED, *MORE, "DSC_1339_768x512_rggb.raw", "DSC_1339_768x512_gbrg.raw"]


def check_same(frame, expected):
    assert np.array_equal(frame.data, expected.data) and frame.data.dtype == expected.data.dtype
    assert frame.meta == expected.meta and frame.space is expected.space and frame.gains == expected.gains


def server_pid():
    return forked._running().process.pid


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def wait_for(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.001)
    return found


@contextlib.contextmanager
def as_soon_as_it_reads(act):
    """In the block, once the server has a child, ``act(server, child)``."""
    read_isolated(SMALL)
    server, acted = server_pid(), []
    wait_for(lambda: not children(server))

    def watch():
        for pid in wait_for(lambda: children(server)):
            acted.append(act(server, pid))

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    thread.join()
    assert acted


# --------------------------------------------------------------------------------------------- what is read is the same


@pytest.mark.parametrize("name", FILES)
def test_a_frame_is_what_read_raw_returns(name):
    path = shared(name) if name.startswith("raws/") else SAMPLES / name
    reading = read_isolated(path)
    check_same(reading.frame, read_raw(path))
    assert reading.sha256 == subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout.split()[0][-64:]
    assert reading.damage == () and reading.seconds > 0


@pytest.mark.parametrize("crop", ["camera", "active", "full"])
@pytest.mark.parametrize("threads", [1, 3])
def test_options_reach_the_child(crop, threads):
    check_same(read_isolated(LONG, crop=crop, threads=threads).frame, read_raw(LONG, crop=crop))
    check_same(read_raw(LONG, crop=crop, isolate=True), read_raw(LONG, crop=crop))


@pytest.mark.parametrize("source", [SAMPLES / "README.md", "absent.nef", SAMPLES, "/dev/null", "\0"])
def test_errors_are_those_of_read_raw(source):
    with pytest.raises(RawError) as expected:
        read_raw(source)
    with pytest.raises(RawError) as found:
        read_isolated(source)
    assert str(found.value) == str(expected.value) and type(found.value) is type(expected.value)


@pytest.mark.parametrize("options", [{"max_pixels": 1000}, {"max_pixels": 0}, {"crop": "none"}])
def test_limits_and_wrong_options_are_those_of_read_raw(options):
    with pytest.raises((RawError, ParameterError)) as expected:
        read_raw(LONG, **options)
    with pytest.raises(type(expected.value)) as found:
        read_isolated(LONG, **options)
    assert str(found.value) == str(expected.value)


def test_a_layout_is_taken_for_the_sidecars(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(np.arange(48, dtype="<u2").tobytes())
    frame = read_isolated(path, headerless=Layout(8, 6, "RGGB", "uint16", 3)).frame
    assert np.array_equal(frame.data, np.arange(48).reshape(6, 8)) and frame.meta.black == ((3,),)
    with pytest.raises(RawError, match=r"a\.raw: has 96 bytes, but 8 x 7"):
        read_isolated(path, headerless=Layout(8, 7, "RGGB", "uint16"))


def test_a_file_object():
    with SMALL.open("rb") as file:
        check_same(read_isolated(file).frame, read_raw(SMALL))
    check_same(read_isolated(io.BytesIO(SMALL.read_bytes())).frame, read_raw(io.BytesIO(SMALL.read_bytes())))


def test_warnings_are_returned_and_logged_by_read_raw(caplog):
    expected = f"{SAMPLES / 'dc120_3910.KDC'}: as-shot white balance (0, 1, 0) is not valid; it is left out"
    assert read_isolated(SAMPLES / "dc120_3910.KDC").warnings == (expected,)
    assert caplog.messages == []
    read_raw(SAMPLES / "dc120_3910.KDC", isolate=True)
    assert caplog.messages == [expected]


def test_warnings_of_a_file_that_cannot_be_read(tmp_path, caplog):
    write_dng(tmp_path / "a.dng", np.full((32, 32), 1000, np.uint16), WhiteLevel=0, NoiseProfile=(-1.0, 0.0))
    with pytest.raises(RawError, match="white level") as caught:
        read_raw(tmp_path / "a.dng")
    expected = caplog.messages[:]
    assert len(expected) == 1
    with pytest.raises(RawError, match="white level") as isolated:
        read_raw(tmp_path / "a.dng", isolate=True)
    assert str(isolated.value) == str(caught.value) and caplog.messages == expected * 2


@pytest.mark.parametrize("name", [b"\xff\xfe.KDC", "Ä\u0308 \n'.KDC".encode(), b"n" * 251 + b".KDC"])
def test_any_name(tmp_path, name, monkeypatch):
    path = os.path.join(os.fsencode(tmp_path), name)
    shutil.copy(SMALL, path)
    check_same(read_isolated(path).frame, read_raw(path))
    monkeypatch.chdir(tmp_path)  # the server was started elsewhere
    check_same(read_isolated(name).frame, read_raw(name))
    check_same(read_isolated(Path(os.fsdecode(name))).frame, read_raw(name))


def test_many_threads_at_once():
    files = [SAMPLES / name for name in BAYER_SAMPLES] * 4
    expected = {path: read_raw(path) for path in files}
    with ThreadPoolExecutor(8) as pool:
        for path, reading in zip(files, pool.map(read_isolated, files), strict=True):
            check_same(reading.frame, expected[path])


# -------------------------------------------------------------------------------------------- what happens to the child


@linux
@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [
        (signal.SIGSEGV, "crash", "LibRaw crashed (signal 11); the file is damaged"),
        (signal.SIGABRT, "crash", "LibRaw crashed (signal 6); the file is damaged"),
        (signal.SIGALRM, "timeout", "takes too long to decode; the file is damaged"),
        (signal.SIGKILL, "memory", "its reader was killed (signal 9), as the system does when memory runs out"),
    ],
)
def test_how_a_child_ends_is_told(number, kind, text):
    with as_soon_as_it_reads(lambda _, pid: os.kill(pid, number) is None), pytest.raises(ChildError) as caught:
        read_isolated(LONG)
    assert caught.value.kind == kind and str(caught.value) == f"{LONG}: {text}, copy it from the card again"
    check_same(read_isolated(SMALL).frame, read_raw(SMALL))


def test_an_error_travels():
    error = pickle.loads(pickle.dumps(ChildError("a: b", "timeout")))
    assert (type(error), str(error), error.kind) == (ChildError, "a: b", "timeout")


@linux
@pytest.mark.parametrize("busy", [False, True])
def test_a_server_that_was_killed_is_replaced(busy):
    before = read_isolated(SMALL) and server_pid()
    if busy:
        with as_soon_as_it_reads(lambda server, _: os.kill(server, signal.SIGKILL) is None):
            check_same(read_isolated(LONG).frame, read_raw(LONG))  # asked once more, and nobody is told
    else:
        os.kill(before, signal.SIGKILL)
        check_same(read_isolated(SMALL).frame, read_raw(SMALL))
    assert server_pid() != before


@linux
def test_all_threads_survive_a_killed_server():
    stopping, expected = threading.Event(), read_raw(SMALL)

    def kill():
        while not stopping.wait(0.6):
            with contextlib.suppress(ProcessLookupError):
                os.kill(server_pid(), signal.SIGSTOP)
                os.kill(server_pid(), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(outcome_of(SMALL), range(200)))
    stopping.set()
    thread.join()
    for outcome in outcomes:
        if isinstance(outcome, ChildError):
            assert "ends twice" in str(outcome)
        else:
            check_same(outcome.frame, expected)


def outcome_of(path):
    def read(_):
        try:
            return read_isolated(path)
        except ChildError as error:
            return error

    return read


@linux
def test_signals_of_the_terminal_do_not_reach_the_server():
    read_isolated(SMALL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(server_pid(), number)
    before = server_pid()
    assert os.getpgid(before) != os.getpgid(0)
    read_isolated(SMALL)
    assert server_pid() == before


@linux
def test_stop_ends_everything_and_the_next_reading_starts_anew():
    seen = []
    with as_soon_as_it_reads(lambda server, pid: seen.extend((server, pid)) or stop() is None):
        with pytest.raises(ChildError, match="it was stopped") as caught:
            read_isolated(LONG)
    assert caught.value.kind == "stopped"
    assert wait_for(lambda: not any(map(alive, seen)), 1)
    check_same(read_isolated(SMALL).frame, read_raw(SMALL))


@linux
def test_a_child_that_nobody_waits_for_is_ended(monkeypatch):
    class Interrupted(Exception):
        pass

    def interrupt(connection):
        raise Interrupted

    read_isolated(SMALL)
    monkeypatch.setattr(forked, "receive", interrupt)
    with pytest.raises(Interrupted):
        read_isolated(LONG)
    assert wait_for(lambda: not children(server_pid()), 1)


@linux
def test_a_child_that_ends_while_the_server_sleeps():
    """Its end and that of its connection come at once."""
    with as_soon_as_it_reads(lambda server, pid: os.kill(server, signal.SIGSTOP) is None):
        server = server_pid()
        check_same(read_isolated(LONG).frame, read_raw(LONG))
    assert wait_for(lambda: not any(map(alive, children(server))))
    os.kill(server, signal.SIGCONT)
    assert wait_for(lambda: not children(server))
    check_same(read_isolated(SMALL).frame, read_raw(SMALL))
    assert server == server_pid() and alive(server)


@linux
def test_nothing_leaks():
    read_isolated(SMALL)
    server = server_pid()
    wait_for(lambda: not children(server))
    gc.collect()
    before = [len(os.listdir(f"/proc/{pid}/fd")) for pid in (os.getpid(), server)]
    for _ in range(100):
        read_isolated(SMALL)
        with contextlib.suppress(RawError):
            read_isolated(SAMPLES / "README.md")
    wait_for(lambda: not children(server))
    gc.collect()
    assert server == server_pid()
    assert [len(os.listdir(f"/proc/{pid}/fd")) for pid in (os.getpid(), server)] == before
    assert len(os.listdir(f"/proc/{server}/task")) == 1  # or it must not fork


@linux
def test_neither_server_nor_child_inherits_open_files(tmp_path):
    stop()
    with open(tmp_path / "private", "w") as file:
        os.set_inheritable(file.fileno(), True)
        seen = []

        def look(*pids):
            seen.extend(os.readlink(link) for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir())

        with as_soon_as_it_reads(lambda *pids: (os.kill(pids[1], signal.SIGSTOP), look(*pids), os.kill(pids[1], 18))):
            read_isolated(LONG)
    assert seen and not [link for link in seen if "private" in link]


# ------------------------------------------------------------------------------------------------ who reads, from where


def python(code, *arguments, flags=(), **options):
    command = [sys.executable, *flags, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


READ = """
import sys
from isp import read_raw
frame = read_raw(sys.argv[1], isolate=True)
print(frame.data.shape, int(frame.data.sum()))
"""


@pytest.fixture(scope="module")
def expected_output():
    frame = read_raw(SMALL)
    return f"{frame.data.shape} {int(frame.data.sum())}\n"


@pytest.mark.parametrize("flags", [(), ("-I",), ("-s", "-E"), ("-W", "error", "-X", "dev"), ("-O",)], ids=str)
def test_a_script_without_a_guard(tmp_path, flags, expected_output):
    script = tmp_path / "script.py"
    script.write_text(READ)
    done = subprocess.run([sys.executable, *flags, script, SMALL], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == (expected_output, "", 0)


def test_a_decoy_in_the_current_folder(tmp_path, expected_output):
    (tmp_path / "isp").mkdir()
    (tmp_path / "isp" / "__init__.py").write_text("raise SystemExit('the wrong isp')")
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    root = str(Path(__file__).parents[1])
    code = f"import sys; sys.path[:] = [{root!r}] + [p for p in sys.path if p]" + READ
    done = python(code, SMALL, cwd=tmp_path, env=os.environ | {"PYTHONPATH": ""})
    assert (done.stdout, done.returncode) == (expected_output, 0), done.stderr


def test_the_same_isp_as_the_callers(tmp_path):
    """One that is loaded from a place that no path names any more, and marked."""
    shutil.copytree(Path(__file__).parents[1] / "isp", tmp_path / "isp", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "isp" / "raw.py").open("a") as file:
        file.write("\nread_source_ = read_source\ndef read_source(*a, **k):\n    raise RawError('the copy')\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport isp.isolation\nsys.path.pop(0)\n" + READ
    assert "RawError: the copy" in python(code, SMALL).stderr


def test_closed_standard_streams(tmp_path, expected_output):
    code = READ.replace("print(", "print(file=open(sys.argv[2], 'w'), *(").replace("sum()))", "sum())))")
    command = [sys.executable, "-c", code, str(SMALL), str(tmp_path / "out")]
    subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], check=True, timeout=60)
    assert (tmp_path / "out").read_text() == expected_output


DAEMONIC = """
import multiprocessing, sys
from isp.isolation import forked, read_isolated
def read(path):
    data = read_isolated(path).frame.data
    print(data.shape, int(data.sum()), flush=True)
if __name__ == "__main__":
    read_isolated(sys.argv[1])
    before = forked._running().process.pid  # not a forked copy's to use, nor to end
    process = multiprocessing.get_context(sys.argv[2]).Process(target=read, args=(sys.argv[1],), daemon=True)
    process.start()
    process.join()
    read_isolated(sys.argv[1])
    sys.exit(process.exitcode or before != forked._running().process.pid)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_from_a_daemonic_process(tmp_path, method, expected_output):
    (tmp_path / "script.py").write_text(DAEMONIC)
    command = [sys.executable, tmp_path / "script.py", SMALL, method]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == (expected_output, 0), done.stderr


ORPHANS = """
import os, sys, threading, time
from isp.isolation import forked, read_isolated
read_isolated(sys.argv[1])
if sys.argv[3] == "forked" and os.fork() == 0:
    time.sleep(5)
    os._exit(0)
def work():
    while True:
        read_isolated(sys.argv[2])
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
print(forked._running().process.pid, flush=True)
time.sleep(60)
"""


@linux
@pytest.mark.parametrize("how", ["alone", "forked"])
def test_a_killed_caller_leaves_nobody(how):
    command = [sys.executable, "-c", ORPHANS, str(SMALL), str(LONG), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        server = int(process.stdout.readline())
        family = [server, *wait_for(lambda: children(server))]
        process.kill()
        assert wait_for(lambda: not any(map(alive, family)), 1.5), family


def test_the_end_of_a_program_is_quick_and_quiet(expected_output):
    done = python(READ + "import time; print(time.time(), file=sys.stderr)", SMALL, flags=("-X", "dev", "-W", "error"))
    assert done.stdout == expected_output and "Warning" not in done.stderr and "Traceback" not in done.stderr


# ----------------------------------------------------------------------------------------------------- inside the child


def request(path, **changes):
    return Request(str(path), os.path.getsize(path), "camera", 10**8, None, 1, False)._replace(**changes)


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.KDC"
    shutil.copy(SMALL, path)

    def touch(*arguments, **options):
        os.utime(path, (1, 1))
        return read_source(*arguments, **options)

    read_source = child.read_source
    monkeypatch.setattr(child, "read_source", touch)
    with path.open("rb") as file:
        answer, pixels = child.answer(request(path), file)
    assert (
        pixels is None and str(answer.error) == f"{path}: was changed while it was read; read it again when it is whole"
    )


def test_a_bug_is_not_hidden(monkeypatch):
    def fail(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(child, "read_source", fail)
    with SMALL.open("rb") as file:
        answer, pixels = child.answer(request(SMALL), file)
    assert pixels is None and type(answer.error) is RuntimeError and "KeyError: 'a bug'" in str(answer.error)


def test_memory_that_is_not_granted(monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(child, "read_source", fail)
    with SMALL.open("rb") as file:
        answer, _ = child.answer(request(SMALL), file)
    assert isinstance(answer.error, ChildError) and answer.error.kind == "memory"


def test_logging_is_as_before(monkeypatch):
    before = logging.getLogger("isp").propagate, logging.getLogger("isp").handlers[:]
    with SMALL.open("rb") as file:
        child.answer(request(SMALL), file)
    assert before == (logging.getLogger("isp").propagate, logging.getLogger("isp").handlers)


# ----------------------------------------------------------------------------------------------- where nothing can fork


@pytest.fixture
def spawning(monkeypatch):
    monkeypatch.setattr(reader, "FORKS", False)
    yield
    spawned.stop()


@pytest.mark.parametrize("path", [SMALL, LONG, SAMPLES / "DSC_1339_768x512_rggb.raw"])
def test_a_spawned_child_reads_the_same(spawning, path, tmp_path):
    for _ in range(2):
        reading = read_isolated(path)
        check_same(reading.frame, read_raw(path))
    assert reading.sha256 == read_isolated(io.BytesIO(path.read_bytes()), headerless=find_sidecar(path)).sha256
    copy = os.path.join(os.fsencode(tmp_path), b"\xff.KDC")
    shutil.copy(SMALL, copy)
    assert read_isolated(copy).frame.meta.name.endswith("\\xff.KDC")


def test_a_spawned_childs_errors_are_the_same(spawning):
    for source in (SAMPLES / "README.md", "absent.nef"):
        with pytest.raises(RawError) as expected:
            read_raw(source)
        with pytest.raises(RawError) as found:
            read_isolated(source)
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGSEGV, "crash"), (signal.SIGKILL, "memory")])
def test_how_a_spawned_child_ends_is_told(spawning, monkeypatch, number, kind):
    monkeypatch.setattr(spawned, "pack", lambda request: os.kill(max(p.pid for p in spawned._at_work), number) or b"")
    with pytest.raises(ChildError) as caught:
        read_isolated(SMALL)
    assert caught.value.kind == kind


def test_a_spawned_child_that_takes_too_long(spawning, monkeypatch):
    monkeypatch.setattr(spawned, "longest", lambda size: 0.001)
    with pytest.raises(ChildError, match="takes too long to decode") as caught:
        read_isolated(LONG)
    assert caught.value.kind == "timeout"


def test_stopping_spawned_children(spawning, monkeypatch):
    monkeypatch.setattr(spawned, "pack", lambda request: spawned.stop() or b"")
    with pytest.raises(ChildError, match="it was stopped"):
        read_isolated(LONG)
