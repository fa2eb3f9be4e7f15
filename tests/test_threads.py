import math
import os
import subprocess
import sys

import numpy as np
import pytest

from isp import (
    BlackLevel,
    Color,
    Demosaic,
    Denoise,
    Exposure,
    Gamma,
    ParameterError,
    Tone,
    Vignetting,
    WhiteBalance,
    default_pipeline,
)  # fmt: skip
from isp.threads import cpu_limit, processors, thread_count

from .frames import MATRIX, RGGB, XTRANS, camera, linear, mosaic, noise, raw

HEIGHT, WIDTH = 7 * 32 + 5, 37  # bands are 32 rows or more, so 7 threads have work

DATA = np.random.default_rng(1).integers(0, 4000, (HEIGHT, WIDTH))
RAW = {"white": 3900.0, "black": ((60.0, 61.5), (62.0, 63.0)), "white_balance": (2.0, 1.0, 1.5)}
COLOURS = noise(2, HEIGHT, WIDTH, 3)
MOSAIC = noise(3, HEIGHT, WIDTH)

CASES = [
    (BlackLevel(), raw(DATA, **RAW)),
    (Vignetting("natural", angle=30.0), mosaic(MOSAIC)),
    (Vignetting("natural", angle=30.0), camera(COLOURS, demosaiced=True)),
    (WhiteBalance("gray_world"), mosaic(MOSAIC)),
    (WhiteBalance("white_world", clip=False), mosaic(MOSAIC, XTRANS)),
    (WhiteBalance("gray_world"), mosaic(MOSAIC, saturation=noise(4, HEIGHT, WIDTH, low=0.9))),
    (WhiteBalance("gray_world"), camera(COLOURS, demosaiced=True)),
    (Demosaic("bilinear"), mosaic(MOSAIC, RGGB)),
    (Demosaic("bilinear"), mosaic(MOSAIC, XTRANS)),
    (Demosaic("half"), mosaic(np.tile(MOSAIC, (3, 1)))),
    (Denoise("mean", 5), camera(COLOURS)),
    (Denoise("median", 7), camera(COLOURS)),
    (Denoise("median", 3, "mosaic"), mosaic(np.tile(MOSAIC, (2, 1)))),
    (Color(), camera(COLOURS, xyz_to_camera=MATRIX)),
    (Exposure(0.7, auto_bright=True), linear(COLOURS)),
    (Tone(), linear(COLOURS)),
    (Gamma("bt709"), linear(COLOURS)),
    (default_pipeline(vignetting="radial:0.3", denoise="median:3"), raw(DATA, xyz_to_camera=MATRIX, **RAW)),
]


def name(value):
    return type(value).__name__


@pytest.mark.parametrize(("stage", "frame"), CASES, ids=name)
def test_the_same_bytes_for_any_number_of_threads(stage, frame, monkeypatch):
    results = []
    for threads in ("1", "2", "3", "7", "100"):
        monkeypatch.setenv("ISP_NUM_THREADS", threads)
        result = stage(frame)
        results.append((result.data.tobytes(), np.asarray(result.saturation).tobytes(), result.gains))
    assert results.count(results[0]) == len(results)


@pytest.mark.parametrize("threads", ["1", "7", "128"])
def test_the_environment_says_how_many(threads, monkeypatch):
    monkeypatch.setenv("ISP_NUM_THREADS", threads)
    assert thread_count() == int(threads)


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_every_processor_works(value, monkeypatch):
    monkeypatch.delenv("ISP_NUM_THREADS", raising=False)
    if value is not None:
        monkeypatch.setenv("ISP_NUM_THREADS", value)
    assert thread_count() == processors() >= 1


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " ", "1e3", "²"])
def test_a_number_that_is_none(value, monkeypatch):
    monkeypatch.setenv("ISP_NUM_THREADS", value)
    with pytest.raises(ParameterError, match=r"ISP_NUM_THREADS = .* a whole number from 1 up"):
        Tone()(linear(COLOURS))


# --- the processors of a container -----------------------------------------------------------------------------------


def groups(folder, membership, **files):
    """A control group file system, and what /proc/self/cgroup says."""
    (folder / "membership").write_text(membership)
    for path, text in files.items():
        place = folder / "fs" / path.replace("__", "/").replace("cpu_", "cpu.")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder / "fs", folder / "membership"


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/\n", {"cpu_max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu_max": "max 100000\n"}, math.inf),
        ("0::/\n", {}, math.inf),
        ("0::/a/b\n", {"a__b__cpu_max": "max 100000\n", "a__cpu_max": "150000 100000"}, 1.5),
        ("0::/a/b\n", {"a__b__cpu_max": "50000 100000\n", "a__cpu_max": "150000 100000"}, 0.5),
        ("0::/../elsewhere\n", {"cpu_max": "300000 100000"}, 3.0),  # a host's path, seen from inside a container
        ("4:memory:/x\n2:cpu,cpuacct:/x\n0::/\n", {"cpu__x__cpu_cfs_quota_us": "250000\n",
         "cpu__x__cpu_cfs_period_us": "100000\n"}, 2.5),
        ("2:cpu:/host/path\n", {"cpu__cpu_cfs_quota_us": "100000\n", "cpu__cpu_cfs_period_us": "50000\n"}, 2.0),
        ("2:cpu:/\n", {"cpu__cpu_cfs_quota_us": "-1\n", "cpu__cpu_cfs_period_us": "100000\n"}, math.inf),
        ("2:cpu:/\n", {"cpu__cpu_cfs_quota_us": "5\n", "cpu__cpu_cfs_period_us": "0\n"}, math.inf),
        ("3:cpuset:/\n1:name=systemd:/\n", {"cpu_max": "100000 100000"}, math.inf),  # neither is about time
        ("nonsense\n\n", {"cpu_max": "nonsense"}, math.inf),
    ],
)  # fmt: skip
def test_the_limit_of_control_groups(tmp_path, membership, files, limit):
    assert cpu_limit(*groups(tmp_path, membership, **files)) == limit


def test_no_control_groups(tmp_path):
    assert cpu_limit(tmp_path / "none", tmp_path / "none") == math.inf


@pytest.mark.parametrize(("limit", "count"), [(math.inf, 6), (8.0, 6), (2.0, 2), (1.5, 2), (0.1, 1)])
def test_threads_are_no_more_than_the_limit_feeds(limit, count, monkeypatch):
    monkeypatch.setattr("isp.threads._available", lambda: 6)
    monkeypatch.setattr("isp.threads.cpu_limit", lambda: limit)
    assert processors.__wrapped__() == count


# --- fork ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_threads_of_its_own():
    code = """
import multiprocessing, time
import numpy as np
from isp.threads import over_rows

def fill(first, last, out):
    time.sleep(0.1)  # so that the pool starts all its threads; it would start the missing ones in the child
    out[first:last] = 1

def work(_):
    out = np.zeros(256)
    over_rows(fill, len(out), out)
    return out.sum()

work(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, range(4)) == [256.0] * 4)
work(0)
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | {"ISP_NUM_THREADS": "3"},
    )
    assert answer.returncode == 0 and answer.stdout == "True\n", answer.stderr
