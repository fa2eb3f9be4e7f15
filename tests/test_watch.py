"""Files that arrive: taken when they are whole, again when they change, whatever the folder does meanwhile."""

import logging
import os
import shutil
import signal
import subprocess
import threading

import pytest

from isp.batch.watch import settled
from isp.errors import RawError

from .command import KDC, REAL, names, run


class World:
    """A folder, a clock, and what happens at which second."""

    def __init__(self, folder, seconds, events):
        self.folder, self.seconds, self.events, self.now = folder, seconds, events, 0.0
        self.happen()

    def happen(self):
        for event in self.events.get(self.now, ()):
            event()

    def find(self):
        return sorted(self.folder.iterdir())

    def sleep(self, seconds):
        for _ in range(int(seconds)):
            self.now += 1.0
            self.happen()

    def watch(self, find=None, *, interval=1.0, settle=2.0):
        """Return when which files were taken."""
        taken = settled(
            find or self.find, interval=interval, settle=settle,
            stop=lambda: self.now > self.seconds, clock=lambda: self.now, sleep=self.sleep,
        )  # fmt: skip
        return [(self.now, [path.name for path in files]) for files in taken]


@pytest.fixture
def world(tmp_path):
    return lambda seconds, events: World(tmp_path, seconds, events)


def grow(path, count=1):
    def event():
        with open(path, "ab") as file:
            file.write(b"x" * count)

    return event


def replace(path):
    def event():
        path.with_suffix(".part").write_bytes(b"y")
        stamp = path.stat()
        os.utime(path.with_suffix(".part"), ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        os.replace(path.with_suffix(".part"), path)

    return event


def test_files_that_are_there_are_taken_together_after_a_while(tmp_path, world):
    events = {0: [grow(tmp_path / "b"), grow(tmp_path / "a")]}
    assert world(9, events).watch() == [(2, ["a", "b"])]


@pytest.mark.parametrize(("settle", "when"), [(0, 7), (1, 7), (2, 8), (5, 11)])
def test_a_file_is_taken_when_it_has_stopped_growing(tmp_path, world, settle, when):
    events = {second: [grow(tmp_path / "a")] for second in (1, 2, 3, 4, 5, 6)}
    taken = world(20, events).watch(settle=settle)
    assert taken[-1] == ((when, ["a"]) if settle else (6, ["a"])) and len(taken) == (1 if settle else 6)


def test_looks_that_are_rare_do_not_take_a_growing_file(tmp_path, world):
    events = {second: [grow(tmp_path / "a")] for second in range(1, 10)}
    assert world(30, events).watch(interval=3.0, settle=2.0) == [(12, ["a"])]


def test_a_file_that_changes_is_taken_again(tmp_path, world):
    events = {0: [grow(tmp_path / "a"), grow(tmp_path / "b")], 6: [grow(tmp_path / "a")]}
    assert world(20, events).watch() == [(2, ["a", "b"]), (8, ["a"])]


def test_a_file_that_is_replaced_by_one_of_the_same_size_and_time_is_taken_again(tmp_path, world):
    events = {0: [grow(tmp_path / "a")], 6: [replace(tmp_path / "a")]}
    assert world(20, events).watch() == [(2, ["a"]), (8, ["a"])]


def test_an_empty_file_is_not_there_yet(tmp_path, world):
    events = {0: [grow(tmp_path / "a", 0)], 9: [grow(tmp_path / "a")]}
    assert world(20, events).watch() == [(11, ["a"])]


def test_a_file_that_vanishes_is_forgotten(tmp_path, world):
    a, b = tmp_path / "a", tmp_path / "b"
    events = {0: [grow(a), grow(b)], 1: [b.unlink], 5: [a.unlink], 7: [grow(a)]}
    assert world(20, events).watch() == [(2, ["a"]), (9, ["a"])]


def test_a_name_that_cannot_be_looked_at_is_passed_over(tmp_path, world):
    events = {0: [grow(tmp_path / "a"), lambda: (tmp_path / "dangling").symlink_to("nowhere")]}
    assert world(9, events).watch() == [(2, ["a"])]


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), RawError("x: the folder cannot be read")])
def test_a_folder_that_cannot_be_read_for_a_moment_ends_nothing(tmp_path, world, caplog, error):
    place = world(20, {0: [grow(tmp_path / "a")], 9: [grow(tmp_path / "b")]})

    def find():
        if 4 <= place.now <= 7 or place.now == 15:
            raise error
        return place.find()

    with caplog.at_level(logging.WARNING, "isp"):
        assert place.watch(find) == [(2, ["a"]), (11, ["b"])]  # a is not taken again
    assert [record.getMessage() for record in caplog.records] == [f"{error}; it is tried again"] * 2


def test_it_ends_when_it_is_told_to(tmp_path):
    assert list(settled(lambda: 1 / 0, stop=lambda: True)) == []


def test_with_the_real_clock(tmp_path):
    done = threading.Event()
    (tmp_path / "a").write_bytes(b"x")
    for files in settled(lambda: tmp_path.iterdir(), interval=0.01, settle=0.02, stop=done.is_set):
        assert files == [tmp_path / "a"]
        done.set()


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def watching(tmp_path):
    """`isp watch` at work on a folder, and its lines as they come."""
    card, out = tmp_path / "card", tmp_path / "pictures"
    (card / "sub").mkdir(parents=True)
    shutil.copy(KDC, card / "sub" / "a.KDC")
    command = [*REAL, "watch", "--half", "--interval", "0.1", "--settle", "0.3", card, "-o", out]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    yield card, out, process
    process.kill()
    process.wait()
    process.stderr.close()


def line(process):
    """The next line that is not about the compiler."""
    while (text := process.stderr.readline().decode().rstrip()).startswith("info:"):
        pass
    return text


@pytest.mark.skipif(os.name != "posix", reason="POSIX only")
def test_what_arrives_is_converted_until_it_is_interrupted(watching):
    card, out, process = watching
    assert line(process).startswith(f"[1] {card}/sub/a.KDC -> {out}/sub/a.jpg (")
    shutil.copy(KDC, card / "b.KDC")
    assert line(process).startswith(f"[2] {card}/b.KDC -> {out}/b.jpg (")
    (card / "c.KDC").write_bytes(b"no raw file")
    assert line(process).startswith(f"error: [3] {card}/c.KDC")
    shutil.copy(KDC, card / "c.KDC")
    assert line(process).startswith(f"[4] {card}/c.KDC -> {out}/c.jpg (")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130 and line(process) == "interrupted"
    assert names(out) == [".isp", "b.jpg", "c.jpg", "sub"] and names(out / "sub") == ["a.jpg"]


def test_wrong_usage(tmp_path):
    for arguments, said in [
        ((tmp_path / "none", "-o", tmp_path), "is not a folder that can be watched"),
        ((tmp_path, "-o", tmp_path / "out", "--report", "r.html"), "No such option '--report'"),
        ((tmp_path,), "Missing option '-o'"),
        (("-o", tmp_path), "Missing argument"),
    ]:
        answer = run("watch", *arguments)
        assert answer.exit_code == 2 and said in answer.output
