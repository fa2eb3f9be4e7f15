import contextlib
import errno
import os
import threading
from pathlib import Path

import pytest

from isp.atomic import atomic_file, check_target
from isp.errors import WriteError, printable

from .contents import atomic_write

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


def refuse(number):
    def function(*_arguments, **_keywords):
        raise OSError(number, os.strerror(number))

    return function


def interrupt(*_arguments, **_keywords):
    raise KeyboardInterrupt


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["a.jpg", "with a space.jpg", "Grüße 山.jpg", "-o.jpg", ".hidden", "a\nb.png"])
def test_content_and_nothing_else(tmp_path, name, overwrite):
    atomic_write(tmp_path / name, b"content", overwrite=overwrite)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_bytes() == b"content"


@posix
def test_name_that_is_not_utf8(tmp_path):
    target = os.path.join(os.fsencode(tmp_path), b"a\xff\xfe.jpg")
    atomic_write(os.fsdecode(target), b"content")
    assert os.listdir(os.fsencode(tmp_path)) == [b"a\xff\xfe.jpg"]
    with pytest.raises(WriteError) as error:
        atomic_write(os.fsdecode(target), b"other")
    str(error.value).encode("utf-8")  # can be printed
    assert r"a\xff\xfe.jpg exists already" in str(error.value)


@pytest.mark.parametrize("name", ["x" * 251 + ".jpg", "ü" * 125 + "x.jpg", "山" * 83 + "xx.jpg"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_longest_names(tmp_path, name, overwrite):
    atomic_write(tmp_path / name, b"content", overwrite=overwrite)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("overwrite", [False, True])
def test_name_too_long(tmp_path, overwrite):
    with pytest.raises(WriteError, match="too long") as error:
        atomic_write(tmp_path / ("x" * 252 + ".jpg"), b"content", overwrite=overwrite)
    assert "\n" not in str(error.value) and os.listdir(tmp_path) == []


def test_existing_target_is_kept_unless_told(tmp_path):
    target = tmp_path / "a.jpg"
    target.write_bytes(b"old")
    with pytest.raises(WriteError, match=r"a\.jpg exists already; give --overwrite") as error:
        atomic_write(target, b"new")
    assert type(error.value) is WriteError and error.value.exit_code == 1 and target.read_bytes() == b"old"
    atomic_write(target, b"new", overwrite=True)
    assert target.read_bytes() == b"new" and os.listdir(tmp_path) == ["a.jpg"]


def test_of_many_writers_one_wins(tmp_path):
    target, won, start = tmp_path / "a.jpg", [], threading.Barrier(16)

    def write(letter):
        start.wait()
        with contextlib.suppress(WriteError):
            atomic_write(target, letter * 100_000)
            won.append(letter)

    threads = [threading.Thread(target=write, args=(bytes([65 + i]),)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and target.read_bytes() == won[0] * 100_000 and os.listdir(tmp_path) == ["a.jpg"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_file_system_without_hard_links(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "link", refuse(number))
    atomic_write(tmp_path / "a.jpg", b"content")
    with pytest.raises(WriteError, match="exists already"):
        atomic_write(tmp_path / "a.jpg", b"other")
    assert (tmp_path / "a.jpg").read_bytes() == b"content" and os.listdir(tmp_path) == ["a.jpg"]


def test_target_appears_after_the_check(tmp_path, monkeypatch):
    target, link = tmp_path / "a.jpg", os.link

    def late(source, name):
        target.write_bytes(b"rival")
        link(source, name)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(WriteError, match="exists already"):
        atomic_write(target, b"content")
    assert target.read_bytes() == b"rival" and os.listdir(tmp_path) == ["a.jpg"]


def test_target_appears_where_there_are_no_hard_links(tmp_path, monkeypatch):
    target = tmp_path / "a.jpg"

    def late(_source, _name):
        target.write_bytes(b"rival")
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(WriteError, match="exists already"):
        atomic_write(target, b"content")
    assert target.read_bytes() == b"rival" and os.listdir(tmp_path) == ["a.jpg"]


@pytest.mark.parametrize(("function", "overwrite"), [("fsync", False), ("link", False), ("replace", True)])
def test_interrupt_leaves_nothing_behind(tmp_path, monkeypatch, function, overwrite):
    monkeypatch.setattr(os, function, interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "a.jpg", b"content", overwrite=overwrite)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, WriteError])
def test_a_file_given_up_half_way_leaves_nothing_behind(tmp_path, error, overwrite):
    (tmp_path / "a.jpg").write_bytes(b"old")
    target = tmp_path / ("a.jpg" if overwrite else "b.jpg")
    with pytest.raises(error), atomic_file(target, overwrite=overwrite) as file:
        file.write(b"half")
        assert len(os.listdir(tmp_path)) == 2
        raise error
    assert os.listdir(tmp_path) == ["a.jpg"] and (tmp_path / "a.jpg").read_bytes() == b"old"


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_file_is_refused(tmp_path, overwrite):
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(WriteError, match="is a folder"):
        atomic_write(tmp_path / "folder.jpg", b"content", overwrite=overwrite)
    with pytest.raises(WriteError, match="not a file name"):
        atomic_write(f"{tmp_path}/a\0b.jpg", b"content", overwrite=overwrite)
    assert os.listdir(tmp_path) == ["folder.jpg"]


@posix
@pytest.mark.parametrize("overwrite", [False, True])
def test_devices_are_refused(tmp_path, overwrite):
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", Path(os.devnull)):
        with pytest.raises(WriteError, match="device or a pipe"):
            check_target(path, overwrite=overwrite)
    assert Path(os.devnull).is_char_device()


@posix
def test_links_stay_links(tmp_path):
    (tmp_path / "file.jpg").write_bytes(b"old")
    (tmp_path / "link.jpg").symlink_to("file.jpg")
    (tmp_path / "dangling.jpg").symlink_to("nowhere.jpg")
    for name in ("link.jpg", "dangling.jpg"):
        with pytest.raises(WriteError, match="exists already"):
            atomic_write(tmp_path / name, b"new")
    atomic_write(tmp_path / "link.jpg", b"new", overwrite=True)
    assert (tmp_path / "link.jpg").is_symlink() and (tmp_path / "file.jpg").read_bytes() == b"new"


@posix
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_permissions_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "a.jpg", b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "a.jpg").stat().st_mode & 0o777 == 0o666 & ~umask


def test_relative_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    atomic_write("a.jpg", b"content")
    assert os.listdir() == ["a.jpg"]
    assert printable("a.jpg") == "a.jpg"
