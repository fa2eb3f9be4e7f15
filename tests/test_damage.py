"""What shows that a file is damaged is seen, is accepted if that is asked for, and is never seen in a good file."""

import hashlib
import logging
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isp import damage, fresh_memory
from isp.errors import ChildError, DamagedError, RawError
from isp.isolation import read_isolated
from isp.raw import read_raw

from .dng_files import lossless_tiles, write_dng
from .paths import SAMPLES, shared

SHAPE = (128, 192)
TILE = (64, 64)


def noise(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).integers(100, 16000, shape).astype(np.uint16)


def write_tiled(path, pixels, *, broken=(), **tags):
    """A lossless-JPEG DNG for LibRaw to decode, some of whose tiles begin as JPEG does and then are none."""
    tiles = lossless_tiles(pixels, TILE)
    blobs = [blob[:4] + bytes(len(blob) - 4) if number in broken else blob for number, blob in enumerate(tiles.blobs)]
    write_dng(path, pixels, tiles=tiles._replace(blobs=tuple(blobs)), **tags)


def accepted(path, **options):
    """What is read of a file that is refused otherwise, in process and in a child, with the same words."""
    with pytest.raises(DamagedError) as here:
        read_raw(path)
    with pytest.raises(DamagedError) as there:
        read_isolated(path)
    frame = read_raw(path, accept_damaged=True, **options)
    assert str(here.value) == str(there.value)
    assert frame.meta.damage[0] in str(here.value)
    return frame


# ---------------------------------------------------------------------------------------------------------- the signs


@pytest.mark.parametrize("black", [0, 500])
def test_tiles_that_were_not_decoded(tmp_path, black, caplog):
    pixels = noise()
    write_tiled(tmp_path / "a.dng", pixels, broken=(4,), BlackLevel=black)
    frame = accepted(tmp_path / "a.dng")
    line = "2 of 6 tiles came out empty (the first at row 64, column 64)"  # LibRaw gives up at the first
    assert frame.meta.damage == (line,) and f"a.dng: {line}; it is read all the same" in caplog.text
    pixels[64:, 64:] = 0
    assert np.array_equal(frame.data, pixels)


@pytest.mark.parametrize("compressed", [False, True])
def test_black_tiles_are_no_damage(tmp_path, compressed):
    pixels = noise()
    pixels[:64] = 0
    tiles = lossless_tiles(pixels, TILE) if compressed else None
    write_dng(tmp_path / "a.dng", pixels, tiles=tiles, Make=None)
    assert read_raw(tmp_path / "a.dng").meta.damage == ()
    write_dng(tmp_path / "a.dng", pixels, tiles=tiles, BlackLevel=64)  # no sensor measures nothing but zeros
    if compressed:
        assert accepted(tmp_path / "a.dng").meta.damage[0].startswith("3 of 6 tiles came out empty")


def test_tiles_outside_the_file_and_tiles_that_are_no_jpeg(tmp_path):
    tiles = lossless_tiles(noise(), TILE)
    write_dng(tmp_path / "a.dng", noise(), tiles=tiles)
    content = bytearray((tmp_path / "a.dng").read_bytes())
    starts = [content.index(blob) for blob in tiles.blobs]
    table = content.index(struct.pack("<6I", *starts))
    struct.pack_into("<I", content, table + 8, len(content) - 10)
    (tmp_path / "a.dng").write_bytes(content)
    frame = accepted(tmp_path / "a.dng")
    assert len(frame.meta.damage) == 3
    assert frame.meta.damage[0].startswith("its pixels end at byte")
    assert frame.meta.damage[1].startswith("1 of 6 tiles do not begin as JPEG does")
    assert frame.meta.damage[2] == "4 of 6 tiles came out empty (the first at row 0, column 128)"
    expected = noise()
    expected[:64, 128:] = expected[64:] = 0
    assert np.array_equal(frame.data, expected)


def test_the_digest_of_a_lossy_dng(tmp_path):
    path = shared("raws/edge/photoprism_canon_eos_6d.dng")
    content = bytearray(path.read_bytes())
    assert read_raw(path).meta.damage == ()
    digest = bytes.fromhex("42a767736b7c0351692d5e3f801c4957")  # as exiftool and tifffile read it
    at = content.index(digest)
    (tmp_path / "unknown.dng").write_bytes(content[:at] + bytes(16) + content[at + 16 :])
    assert read_raw(tmp_path / "unknown.dng").meta.damage == ()
    content[at] ^= 1
    (tmp_path / "a.dng").write_bytes(content)
    frame = accepted(tmp_path / "a.dng")
    assert frame.meta.damage == ("its compressed pixels are not those of its NewRawImageDigest",)
    assert np.array_equal(frame.data, read_raw(path).data)


def test_a_flipped_bit_in_a_lossy_dng_is_seen(tmp_path):
    content = bytearray(shared("raws/edge/photoprism_canon_eos_6d.dng").read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "a.dng").write_bytes(content)
    with pytest.raises(DamagedError, match="NewRawImageDigest"):
        read_raw(tmp_path / "a.dng")


def test_a_lossy_dng_without_its_curves(tmp_path):
    """LibRaw takes what its stack holds for curves, other numbers each time."""
    content = bytearray(shared("raws/edge/photoprism_canon_eos_6d.dng").read_bytes())
    entry = content.index(struct.pack("<HH", 51009, 7))
    struct.pack_into("<I", content, entry + 4, 2)
    (tmp_path / "a.dng").write_bytes(content)
    with pytest.raises(DamagedError, match="its OpcodeList2 lacks curves for its pixels"):
        read_raw(tmp_path / "a.dng")


def test_a_pattern_outside_the_file(tmp_path):
    """LibRaw took for it what its memory held: other colours in every process."""
    write_tiled(tmp_path / "a.dng", noise())
    content = bytearray((tmp_path / "a.dng").read_bytes())
    entry = content.index(struct.pack("<HHI", 33422, 1, 4))
    struct.pack_into("<II", content, entry + 4, 260, 1 << 25)
    (tmp_path / "a.dng").write_bytes(content)
    with pytest.raises(DamagedError, match="its CFA pattern of 260 values lies outside the file"):
        read_raw(tmp_path / "a.dng")


def test_what_libjpeg_says_is_heard_in_the_child(tmp_path, caplog):
    """The DC120 is libjpeg's to decode. In process its complaint goes to the terminal."""
    content = bytearray(shared("raws/native/dc120_3911.KDC").read_bytes())
    content[55_000:55_064] = hashlib.sha512(b"").digest()
    (tmp_path / "a.KDC").write_bytes(content)
    assert read_raw(tmp_path / "a.KDC").meta.damage == ()
    with pytest.raises(DamagedError, match=r"a\.KDC: libjpeg says: Corrupt JPEG data: .*; it is cut short or damaged"):
        read_isolated(tmp_path / "a.KDC")
    reading = read_isolated(tmp_path / "a.KDC", accept_damaged=True)
    assert np.array_equal(reading.frame.data, read_raw(tmp_path / "a.KDC").data)
    assert reading.damage == reading.frame.meta.damage and reading.damage[0].startswith("libjpeg says: Corrupt JPEG")
    assert any("it is read all the same" in line for line in reading.warnings)


@pytest.mark.parametrize("name", ["segfault_dc120.KDC", "segfault_dc120_b.KDC"])
def test_accepting_what_kills_libraw_is_an_error_and_no_crash(name):
    path = shared(f"raws/killers/{name}")
    with pytest.raises(DamagedError, match="its pixels end at byte"):
        read_isolated(path)
    with pytest.raises(RawError) as caught:
        read_raw(path, accept_damaged=True)
    assert isinstance(caught.value, ChildError) or "claims more pixels" in str(caught.value)


@pytest.mark.parametrize("folder", ["killers", "edge"])
@pytest.mark.parametrize("accept", [False, True])
def test_every_file_that_did_harm_ends_in_a_clear_line(folder, accept):
    for path in sorted(shared(f"raws/{folder}").iterdir()):
        try:
            reading = read_isolated(path, accept_damaged=accept)
        except RawError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        else:
            assert accept or path.name == "photoprism_canon_eos_6d.dng"
            again = read_isolated(path, accept_damaged=accept)  # bytes equal to another fresh process's
            assert np.array_equal(again.frame.data, reading.frame.data) and again.damage == reading.damage


# ------------------------------------------------------------------------------------ nobody sees the picture before

STALE = """
import contextlib, gc, logging, sys
import numpy as np
from isp import raw
logging.disable()
cured, good, *damaged = sys.argv[1:]
raw.before_decoding = raw.after_decoding = lambda *_: ()
raw.find_layout = lambda _: None
if cured == "False":
    raw.fresh_memory = contextlib.nullcontext
before = raw.read_raw(good).data.copy()
def dirty():
    garbage = [before.copy() for _ in range(4)]
    barrier = bytearray(1 << 20)  # so that the heap keeps what is freed below it
    del garbage
    return barrier
for path in damaged:
    for _ in range(3):
        raw.read_raw(good)
    kept = dirty()
    after = raw.read_raw(path).data
    missing = np.load(path + ".npy")
    print(int(after[missing].astype(bool).sum()))
"""


@pytest.mark.skipif(fresh_memory._mallopt() is None, reason="has another C library than glibc")
@pytest.mark.parametrize("cured", [False, True])
def test_missing_tiles_are_never_what_was_read_before(tmp_path, cured):
    """Without the cure, and with the checks off, the file before shows through: the control."""
    pixels, shape = noise(shape=(1024, 1536)), (1024, 1536)
    good, paths = tmp_path / "good.dng", []
    tiles = lossless_tiles(pixels, (512, 512))
    write_dng(good, pixels, tiles=tiles)
    for number in range(3):
        blobs = [blob[:4] + bytes(len(blob) - 4) if n >= number else blob for n, blob in enumerate(tiles.blobs)]
        path = tmp_path / f"stale{number}.dng"
        write_dng(path, pixels, tiles=tiles._replace(blobs=tuple(blobs)))
        missing = np.ones(shape, bool)
        missing[:512, : number * 512] = False
        np.save(f"{path}.npy", missing)
        paths.append(path)
    check_stale(cured, good, paths)


@pytest.mark.skipif(fresh_memory._mallopt() is None, reason="has another C library than glibc")
@pytest.mark.parametrize("cured", [False, True])
def test_the_files_that_were_seen_to_do_it(tmp_path, cured):
    good, paths = shared("raws/dng/ljpeg_tiled.dng"), []
    for name, missing in (("stale_313.dng", None), ("stale_494.dng", None)):
        content = shared(f"raws/killers/{name}").read_bytes()
        (tmp_path / name).write_bytes(content)
        decoded = read_raw(tmp_path / name, accept_damaged=True)
        missing = decoded.data == 0
        np.save(tmp_path / f"{name}.npy", missing)
        assert missing.mean() > 0.15 and any("came out empty" in line for line in decoded.meta.damage)
        paths.append(tmp_path / name)
    check_stale(cured, good, paths)


def check_stale(cured, good, paths):
    command = [sys.executable, "-c", STALE, str(cured), *map(str, [good, *paths])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    counts = [int(line) for line in done.stdout.split()]
    assert len(counts) == len(paths), done.stderr
    assert not any(counts) if cured else any(counts), counts


def test_fresh_memory_may_be_nested(monkeypatch):
    calls = []
    monkeypatch.setattr(fresh_memory, "_mallopt", lambda: lambda *arguments: calls.append(arguments))
    with fresh_memory.fresh_memory(), fresh_memory.fresh_memory():
        assert {value for _, value in calls} == {0xFF}
    assert calls[-1] == (-6, 0) and [value for _, value in calls].count(0) == 1


def test_good_files_show_no_signs(caplog):
    with caplog.at_level(logging.WARNING, "isp.damage"):
        for path in [*SAMPLES.glob("*.[CK][RD][WC]"), *Path(shared("raws")).glob("[dn]*/*.???")]:
            assert read_isolated(path).damage == ()
    assert damage.logger.name not in {record.name for record in caplog.records}
