"""`isp bench`, the inputs of the benchmarks and their arithmetic; never how fast anything is."""

import json
import os
import struct
import subprocess
import sys
import time
from functools import partial

import imagecodecs
import numpy as np
import pytest
import rawpy
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from isp.bench.race import Entrant, Sample, compared, race, ratios
from isp.bench.scene import BLACK, WHITE, expose, natural, size_of
from isp.bench.table import Table, number, text
from isp.dng_writer import write_dng

from .command import KDC, error_line, run
from .paths import SAMPLES

ROOT = SAMPLES.parent

# --- isp bench -------------------------------------------------------------------------------------------------------


def test_bench_measures_a_file():
    result = run("bench", KDC, "--seconds", 60, "--threads", 1, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    compared_rows, stages = (table["rows"] for table in report["tables"])
    names = {row["name"] for row in compared_rows if row["s"] > 0}
    assert {"chain to 8 bits", "chain to 16 bits", "read", "write JPEG, 8 bits", "convert to TIFF, 16 bits"} <= names
    assert [row["name"] for row in stages] == ["BlackLevel", "WhiteBalance", "Demosaic", "Color", "Tone", "Gamma"]
    assert report["machine"]["threads"] == 1
    libraw = next(row for row in compared_rows if row["name"] == "LibRaw LINEAR to 8 bits")
    assert libraw["against"] == "chain to 8 bits" and libraw["ratio"] > 0


def test_bench_prints_tables_and_leaves_libraw_out_where_it_cannot_know_the_file():
    result = run("bench", SAMPLES / "DSC_1339_768x512_gbrg.raw", "--seconds", 1)
    assert result.exit_code == 0, result.output
    assert "768 x 512, 0.4 MP" in result.stdout and "| Demosaic " in result.stdout and "LibRaw" not in result.stdout


def test_bench_says_what_is_wrong_with_a_file(tmp_path):
    empty = tmp_path / "empty.NEF"
    empty.touch()
    assert "empty.NEF: is empty" in error_line(run("bench", empty))
    assert "does not exist" in error_line(run("bench", tmp_path / "none.NEF"))
    assert run("bench", KDC, "--seconds", 0).exit_code == 2


# --- the inputs ------------------------------------------------------------------------------------------------------


# LibRaw misreads tiles where the width is less than one or exactly two of them; so sizes that pictures do not have.
@pytest.mark.parametrize("size", [(300, 518), (256, 768), (62, 274)])
@pytest.mark.parametrize("lossless", [False, True])
def test_libraw_reads_the_mosaic_that_was_written(tmp_path, size, lossless):
    scene, path = natural(side=64), tmp_path / "a.dng"
    frame = expose(scene, *size)
    write_dng(frame, path, lossless=lossless)
    with rawpy.imread(str(path)) as raw:
        np.testing.assert_array_equal(raw.raw_image, frame.data)
        assert raw.black_level_per_channel == [BLACK] * 4 and raw.white_level == WHITE
        np.testing.assert_allclose(raw.camera_whitebalance[:3], 1 / np.array(scene.neutral), rtol=1e-4)


def test_lossless_tiles_are_as_adobe_writes_them(tmp_path):
    path = tmp_path / "a.dng"
    frame = expose(natural(side=64), 256, 768)
    write_dng(frame, path, lossless=True)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        start, count = page.dataoffsets[1], page.databytecounts[1]
    tile = path.read_bytes()[start : start + count]
    head, scan = tile.index(b"\xff\xc3"), tile.index(b"\xff\xda")
    assert struct.unpack(">BHHB", tile[head + 4 : head + 10]) == (14, 256, 128, 2)  # bits, size, components
    assert tile[scan + 9] == 1  # the predictor, behind two components
    decoded = imagecodecs.jpegsof3_decode(tile).reshape(256, 256)
    np.testing.assert_array_equal(decoded, frame.data[:, 256:512])


def test_a_scene_is_the_same_for_any_number_of_threads_and_as_noisy_as_light(monkeypatch):
    grey = natural(side=64)._replace(picture=np.full((8, 8, 3), 0.25, np.float32))
    monkeypatch.setenv("ISP_NUM_THREADS", "1")
    mosaic = expose(grey, 400, 600).data
    monkeypatch.setenv("ISP_NUM_THREADS", "3")
    np.testing.assert_array_equal(expose(grey, 400, 600).data, mosaic)
    light = 0.25 * (WHITE - BLACK)
    assert mosaic.mean() == pytest.approx(BLACK + light, abs=0.5)
    assert mosaic.std() == pytest.approx(np.sqrt(light / 4 + 2**2 + 1 / 12), rel=0.01)


def test_a_scene_goes_on_in_mirrors():
    grey = np.random.default_rng(1).uniform(0.1, 0.9, (16, 20))
    scene = natural(side=64)._replace(picture=np.repeat(grey[:, :, None], 3, axis=2).astype(np.float32))
    light = np.pad(grey, ((0, 34), (0, 44)), mode="symmetric") * (WHITE - BLACK)
    error = expose(scene, 50, 64).data - BLACK - light
    assert np.abs(error).max() < 6 * np.sqrt(light.max() / 4 + 2**2)


@pytest.mark.parametrize("megapixels", [0.1, 4, 24, 61, 150])
def test_sizes_are_even_and_two_to_three(megapixels):
    height, width = size_of(megapixels)
    assert height % 2 == width % 2 == 0
    assert height * width / 1e6 == pytest.approx(megapixels, rel=0.01) and width / height == pytest.approx(
        1.5, rel=0.01
    )


# --- taking turns ----------------------------------------------------------------------------------------------------


def entrants(log, **seconds):
    """Entrants that note their turn and claim to have taken some time."""

    def run(name):
        log.append(name)
        if seconds[name] is None:
            raise ValueError("two\nlines")
        return Sample(seconds[name])

    return [Entrant(name, partial(run, name), against="a") for name in seconds]


def test_entrants_take_turns_and_the_slow_ones_fewer():
    log = []
    a, b, c = race(entrants(log, a=1.0, b=100.0, c=None), 5, limit=5)
    assert log == ["a", "b", "c", *["a", "b"] * 3, "a", "a"]
    assert (a.seconds, b.seconds, c.failure) == ([1.0] * 5, [100.0] * 3, "two lines")


def test_nothing_begins_that_would_end_too_late():
    log = []
    rows = compared(race(entrants(log, a=1e-6, b=1000.0), 2, until=time.perf_counter() + 100))
    assert log == ["a", "b", "a", "a"] and rows[1]["s"] == 1000  # its first run, for want of another
    assert compared(race(entrants([], a=1e-6), 2, until=0))[0]["failed"] == "no time left"


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=1, max_size=9))
def test_ratios_are_taken_turn_by_turn(pairs):
    ours, theirs = zip(*pairs, strict=True)
    found, expected = ratios(theirs, ours), np.array(theirs) / np.array(ours)
    assert found["ratio"] == pytest.approx(np.median(expected))
    assert found["share"] == pytest.approx(np.median(1 / expected))
    assert expected.min() <= found["ratio_low"] <= found["ratio"] <= found["ratio_high"] <= expected.max()


def test_a_table_shows_a_failure_as_a_row():
    rows = [{"name": "a", "s": 0.0123}, {"name": "b", "failed": "gone"}]
    table = Table("T", "n", (text("what", "name"), number("ms", "s", ".1f", 1e3)), rows)
    lines = table.markdown().splitlines()
    assert lines[:4] == ["### T", "", "n", ""]
    assert [line.split() for line in lines[6:]] == [
        ["|", "a", "|", "12.3", "|"],
        ["|", "b", "|", "failed:", "gone", "|"],
    ]
    assert table.plain()["rows"] == rows


# --- python -m benchmarks --------------------------------------------------------------------------------------------


def test_the_long_benchmark_writes_markdown_and_json(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--sizes", "0.1", "--only", "accuracy", "--out", str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    assert sorted(os.listdir(tmp_path)) == ["benchmark.json", "benchmark.md"]
    report = json.loads((tmp_path / "benchmark.json").read_text("utf-8"))
    (table,) = report["tables"]
    assert "rawpy" in report["peers"] and "processor" in report["machine"]
    assert [row["name"] for row in table["rows"]] == ["sRGB", "camera tone, sRGB", "BT.709", "power 2.2"]
    assert all(row["error_8"] <= 0.55 and row["error_16"] <= 2 for row in table["rows"])
    assert answer.stdout.rstrip() == (tmp_path / "benchmark.md").read_text("utf-8").rstrip()
