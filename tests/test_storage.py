import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from isp.errors import StorageError
from isp.frame import Frame, Meta, Rectangle, Space
from isp.image import write_image

from .contents import atomic_write

ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")
linux_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="Linux root only")


def refuse(number):
    def function(*_arguments, **_keywords):
        raise OSError(number, os.strerror(number))

    return function


def one_line(error):
    return "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG])
def test_a_disk_that_fails_late_keeps_the_old_file(tmp_path, monkeypatch, number):
    target = tmp_path / "a.jpg"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refuse(number))
    with pytest.raises(StorageError) as error:
        atomic_write(target, b"new", overwrite=True)
    assert one_line(error) and error.value.exit_code == 3
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.jpg"]


@pytest.fixture
def tiny_disk(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a tiny disk")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@linux_root
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_a_picture_on_a_full_disk(tiny_disk, name):
    whole = Rectangle(0, 0, 200, 300)
    meta = Meta(cfa=((1,),), white=1.0, size=(200, 300), active=whole, crop=whole)
    noise = np.random.default_rng(2).random((200, 300, 3), np.float32)
    with pytest.raises(StorageError, match="disk is full"):
        write_image(Frame(noise, Space.DISPLAY, meta), tiny_disk / name, quality=100)
    assert os.listdir(tiny_disk) == []


@linux_root
def test_full_disk(tiny_disk):
    with pytest.raises(StorageError, match="disk is full") as error:
        atomic_write(tiny_disk / "a.tif", bytes(200_000))
    assert one_line(error) and os.listdir(tiny_disk) == []
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(StorageError, match="read-only") as error:
        atomic_write(tiny_disk / "a.tif", b"content")
    assert one_line(error) and os.listdir(tiny_disk) == []


@posix
def test_file_size_limit(tmp_path):
    code = """
import resource, signal, sys
from isp.atomic import atomic_file
from isp.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    with atomic_file(sys.argv[1]) as file:
        file.write(bytes(200_000))
except StorageError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, tmp_path / "a.tif"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "larger than" in answer.stdout and answer.stdout.count("\n") == 1 and os.listdir(tmp_path) == []


@posix
def test_folder_that_may_not_be_written():
    folder = Path(tempfile.mkdtemp())  # not tmp_path, whose parents another user may not enter
    folder.chmod(0o555)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        with pytest.raises(StorageError, match="may not be written") as error:
            atomic_write(folder / "a.jpg", b"content")
        assert one_line(error)
    finally:
        if root:
            os.seteuid(0)
        assert os.listdir(folder) == []
        folder.rmdir()


def test_missing_folder(tmp_path):
    with pytest.raises(StorageError, match="does not exist"):
        atomic_write(tmp_path / "none" / "a.jpg", b"content")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="not a folder"):
        atomic_write(tmp_path / "file" / "a.jpg", b"content")
