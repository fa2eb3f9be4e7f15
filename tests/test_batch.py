"""A batch that cannot be fooled: which files, under which names, what is done again and why; with real files."""

import dataclasses
import importlib.metadata
import json
import os
import shutil
import sys
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp import isolation
from isp.atomic import machine, temporary_name
from isp.batch import Choice, decision, names
from isp.batch import process as process_module
from isp.batch.item import Item
from isp.batch.local import Local, _Budget
from isp.batch.process import process_item
from isp.batch.receipts import FOLDER, INTENT, Input, Picture, Receipt, Receipts
from isp.batch.run import run
from isp.batch.sources import Found, find, listed
from isp.batch.wanted import Wanted, wanted
from isp.convert import Settings, convert_file
from isp.errors import ChildError, LockedError, ParameterError, RawError, StorageError
from isp.memory import free_memory

from .batches import batch, damaged, done, left_overs, looked, options, pictures, raw, settings, stamps, statuses

linux = pytest.mark.skipif(sys.platform != "linux", reason="names that are no text, and case that counts")


@pytest.fixture
def src(tmp_path):
    """Three raw files in a tree."""
    for seed, name in enumerate(["a.dng", "sub/b.DNG", "sub/deep/c.dng"]):
        raw(tmp_path / "src" / name, seed)
    return tmp_path / "src"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def changed(out, src, how=None, **rules):
    """The pictures that a batch makes again."""
    before = stamps(out)
    results = batch(src, out, how, **rules)
    after = stamps(out)
    again = sorted(name for name in after if before.get(name) != after[name])
    assert again == done(results)  # what is said is what happened
    assert not left_overs(out)
    return again


def found(sources, out="nowhere", **choice):
    return [os.fspath(found.below) for found in find(map(Path, sources), Choice(**choice), out=Path(out))]


TREE = ["a.jpg", "sub/b.jpg", "sub/deep/c.jpg"]

# ---------------------------------------------------------------------------------------------------------- which files


def test_a_tree_becomes_a_like_tree(src, out):
    results = batch(src, out)
    assert list(pictures(out)) == TREE and set(statuses(results).values()) == {"done"}
    assert {result.reason for result in results.values()} == {"new"}
    convert_file(src / "sub/b.DNG", out.parent / "b.jpg")  # the same bytes as without a batch
    assert (out.parent / "b.jpg").read_bytes() == (out / "sub/b.jpg").read_bytes()
    assert not left_overs(out)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"include": ("*.dng",)}, ["a.dng", "sub/deep/c.dng"]),
        ({"include": ("sub/*",)}, ["sub/b.DNG", "sub/deep/c.dng"]),
        ({"exclude": ("deep",)}, ["a.dng", "sub/b.DNG"]),
        ({"include": ("*.dng",), "exclude": ("a.*",)}, ["sub/deep/c.dng"]),
        ({"exclude": ("*",)}, []),
    ],
)
def test_include_and_exclude(src, choice, expected):
    assert found([src], **choice) == expected


def test_what_is_no_raw_file_or_hidden_is_left_alone(src):
    (src / "readme.txt").write_text("")
    raw(src / ".hidden.dng")
    raw(src / ".trash" / "x.dng")
    assert found([src]) == ["a.dng", "sub/b.DNG", "sub/deep/c.dng"]


def test_symbolic_links_are_followed_only_if_asked_and_once_each(src, tmp_path):
    raw(tmp_path / "else" / "far.dng")
    (src / "link.dng").symlink_to(src / "a.dng")
    (src / "loop").symlink_to(src)
    (src / "there").symlink_to(tmp_path / "else")
    (src / "too").symlink_to(tmp_path / "else")
    (src / "dangling.dng").symlink_to(tmp_path / "nothing")
    assert found([src]) == ["a.dng", "sub/b.DNG", "sub/deep/c.dng"]
    assert found([src], follow=True) == ["a.dng", "sub/b.DNG", "sub/deep/c.dng", "there/far.dng"]
    assert found([src / "**" / "*.dng"]) == ["a.dng", "sub/deep/c.dng"]
    assert found([src / "there"]) == ["far.dng"]  # who names a link means what is behind it


def test_hard_links_are_files_of_their_own(src, out):
    os.link(src / "a.dng", src / "copy.dng")
    assert "copy.jpg" in batch(src, out)


def test_a_file_that_is_named_twice_is_converted_once(src, monkeypatch):
    monkeypatch.chdir(src)
    assert found(["a.dng", "./a.dng", src / "a.dng", "sub/../a.dng", src]) == ["a.dng", "sub/b.DNG", "sub/deep/c.dng"]


def test_the_output_folder_may_lie_in_the_input_folder(src):
    out = src / "sub" / "pictures"
    raw(out / "not_mine.dng")
    assert sorted(batch(src, out)) == TREE
    assert sorted(batch(src, out)) == TREE  # again: no picture of a picture
    assert statuses(batch([src / "**" / "*.*"], out))["a.jpg"] == "skipped"


def test_the_output_folder_may_be_the_input_folder(src):
    assert sorted(batch(src, src)) == TREE
    assert set(statuses(batch(src, src)).values()) == {"skipped"}


def test_several_folders_do_not_mix(src, out, tmp_path):
    raw(tmp_path / "other" / "a.dng", 7)
    assert sorted(batch([src, tmp_path / "other"], out)) == ["other/a.jpg", *(f"src/{name}" for name in TREE)]


def test_a_pattern_keeps_the_tree_below_what_is_fixed_of_it(src, out):
    assert sorted(batch(src / "**" / "*.dng", out)) == ["a.jpg", "sub/deep/c.jpg"]
    assert found([src / "s*" / "*"]) == ["sub/b.DNG", "sub/deep/c.dng"]
    with pytest.raises(ParameterError, match="stands for no file"):
        found([src / "*.nef"])


def test_a_name_with_a_bracket_is_a_name_where_it_exists(src):
    raw(src / "x[1].dng")
    assert found([src / "x[1].dng"]) == ["x[1].dng"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_lists(tmp_path, end):
    (tmp_path / "list").write_bytes(end.join([b"a b.nef", b"\xff\xe9.nef", b""]))
    assert [os.fsencode(path) for path in listed(tmp_path / "list")] == [b"a b.nef", b"\xff\xe9.nef"]


def test_names_in_a_nul_list_may_hold_line_ends(tmp_path):
    (tmp_path / "list").write_bytes(b"a\nb.nef\0c\rd.nef")
    assert list(map(os.fspath, listed(tmp_path / "list"))) == ["a\nb.nef", "c\rd.nef"]


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(ParameterError, match=r"list: cannot be read"):
        listed(tmp_path / "list")


def test_what_is_named_and_missing_fails_and_does_not_stop_the_others(src, out):
    results = batch([src / "a.dng", src / "gone.dng", src / "sub"], out)
    assert statuses(results) == {"a.jpg": "done", "b.jpg": "done", "deep/c.jpg": "done", "gone.jpg": "failed"}
    raw(src / "gone.dng", 9)
    assert batch([src / "gone.dng"], out)["gone.jpg"].status == "done"  # nothing was remembered of it


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "folder"])
def test_what_is_no_file_fails_at_once(tmp_path, src, out, name):
    if name == "pipe":
        os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    if name == "folder":
        with pytest.raises(RawError, match="no raw files there"):
            batch(tmp_path / "folder", out)
    else:
        results = batch([tmp_path / name, src / "a.dng"], out)
        assert sorted(statuses(results).values()) == ["done", "failed"]


def test_an_output_that_is_a_file(src, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ParameterError, match="is a file; give a folder"):
        batch(src, tmp_path / "out")


# ---------------------------------------------------------------------------------------------------------------- names


def planned(*below, suffix=".jpg"):
    items = names.name_pictures([Found(Path("/r", b), Path(b)) for b in below], Path("out"), suffix)
    return [item.relative for item in items]


def test_names_that_clash():
    assert planned("a.NEF", "a.CR2", "b.NEF") == ["a.NEF.jpg", "a.CR2.jpg", "b.jpg"]
    assert planned("x/a.NEF", "X/A.CR2") == ["x/a.NEF.jpg", "X/A.CR2.jpg"]  # on a Mac or Windows they would be one
    composed, decomposed = "\u00e9.NEF", "e\u0301.CR2"
    assert planned(composed, decomposed) == [composed + ".jpg", decomposed + ".jpg"]
    first, second = planned("a.NEF", "a.nef")
    assert first.startswith("a.NEF-") and second.startswith("a.nef-") and len(first) == len("a.NEF-01234567.jpg")


def test_a_longer_name_may_clash_again():
    all_names = planned("a.NEF", "a.CR2", "a.NEF.dng")
    assert len(set(all_names)) == 3 and all_names[1] == "a.CR2.jpg"
    twins = planned("a.NEF", "a.nef")
    assert len(set(planned("a.NEF", "a.nef", Path(twins[0]).stem + ".dng"))) == 3  # even if somebody knows the hash


def test_a_picture_does_not_take_the_name_of_a_folder(tmp_path, out):
    raw(tmp_path / "src" / "x.dng")
    raw(tmp_path / "src" / "x.jpg" / "y.dng")
    assert sorted(batch(tmp_path / "src", out)) == ["x.dng.jpg", "x.jpg/y.jpg"]


PIECES = st.sampled_from(["a", "A", "\u00e9", "e\u0301", "ß", "ss", ".", "-", "x" * 120, "漢" * 60, "\udcff", "ﬁ"])
STEMS = st.lists(PIECES, min_size=1, max_size=3).map("".join)
SUFFIXES = st.sampled_from([".NEF", ".nef", ".CR2", ".jpg", "", ".NEF.dng"])
FOLDERS = st.sampled_from(["", "d/", "D/", "a.jpg/", "d/a.jpg/"])
BELOW = st.tuples(FOLDERS, STEMS, SUFFIXES).map("".join).filter(lambda name: Path(name).name.strip(".") != "")


def same_on_some_file_system(name):
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@given(st.lists(BELOW, min_size=1, max_size=12, unique_by=lambda name: os.fspath(Path(name))), st.randoms())
def test_names_are_different_short_and_independent_of_the_order(below, random):
    relative = planned(*below)
    folders = {same_on_some_file_system(os.fspath(parent)) for name in relative for parent in Path(name).parents}
    keys = list(map(same_on_some_file_system, relative))
    assert len(set(keys)) == len(below) and not folders & set(keys)
    assert all(len(os.fsencode(Path(name).name)) <= 255 for name in relative)
    assert [Path(name).parent for name in relative] == [Path(name).parent for name in below]
    shuffled = list(below)
    random.shuffle(shuffled)
    assert dict(zip(shuffled, planned(*shuffled), strict=True)) == dict(zip(below, relative, strict=True))


@linux
@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe caf\xe9.dng", b"x" * 251 + b".dng", "漢".encode() * 83 + b".dng", b"new\nline\x1b[31m.dng", b"-o.dng"],
)
def test_any_name_that_the_file_system_takes(tmp_path, out, name):
    path = raw(Path(os.fsdecode(os.fsencode(tmp_path / "src") + b"/" + name)), 3)
    (result,) = batch(tmp_path / "src", out).values()
    assert result.status == "done" and len(os.fsencode(result.item.target.name)) <= 255
    assert result.item.target.exists() and result.item.source == path and result.item.key.isascii()
    (again,) = batch(tmp_path / "src", out).values()
    assert again.status == "skipped"


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name and not name.startswith(b"/")))
def test_a_receipt_is_read_as_it_was_written_for_any_name(tmp_path_factory, name):
    out = tmp_path_factory.getbasetemp() / "receipts"
    item = Item(Path(os.fsdecode(name)), out / "x", os.fsdecode(name))
    receipt = Receipt(
        os.fsdecode(name), Input("ab", 1, 2, 3, "cd"), Wanted("r", "o", {"pixels": "1"}), "done", "",
        Picture("s", 4, 5), ("a warning \udcff",), {"read": 0.25}, 1.5, b"\xff\xd8", 2,
    )  # fmt: skip
    Receipts(out).write(item, receipt)
    assert Receipts(out).read(item) == receipt and Receipts(out).name(item.key) == item.relative


# ------------------------------------------------------------------------------------------ what is done again, and why


@pytest.fixture
def ready(src, out):
    """An output folder in which all is done."""
    batch(src, out)
    return out


def reasons(src, out, how=None, **rules):
    return dict(looked(src, out, how, **rules).reasons())


def test_what_is_done_is_not_done_again(src, ready):
    assert changed(ready, src) == [] and reasons(src, ready) == {}
    for rule in ("verify", "checksum", "retry_failed", "accept_damaged", "keep_version", "overwrite"):
        assert changed(ready, src, **{rule: True}) == [], rule


def test_a_new_file_is_the_only_one_done(src, ready):
    raw(src / "sub/new.dng", 5)
    assert reasons(src, ready) == {"new": 1}
    assert changed(ready, src) == ["sub/new.jpg"]


@pytest.mark.parametrize("knob", [{"exposure": 0.5}, {"denoise": "median:3"}, {"gamma": "bt709"}, {"demosaic": "half"}])
def test_another_recipe_makes_all_again(src, ready, out, knob):
    assert reasons(src, ready, settings(**knob)) == {"recipe changed": 3}
    assert changed(ready, src, settings(**knob)) == TREE
    assert changed(ready, src, settings(**knob)) == []


def test_another_recipe_makes_again_only_what_is_named(src, ready):
    how = settings(exposure=0.5)
    assert changed(ready, src, how, include=("*.DNG",)) == ["sub/b.jpg"]
    assert changed(ready, src, how) == ["a.jpg", "sub/deep/c.jpg"]


def test_a_file_that_the_recipe_names_counts_by_its_content(src, out, tmp_path):
    flat = raw(tmp_path / "flat.dng", 50)
    how = settings(vignetting=f"flat:{flat}")
    batch(src, out, how)
    shutil.copy(flat, tmp_path / "copy.dng")
    os.utime(flat)
    assert changed(out, src, how) == []
    raw(flat, 51)
    assert reasons(src, out, how) == {"recipe changed": 3}


@pytest.mark.parametrize("output", [{"quality": 60}, {"metadata": False}, {"subsampling": "4:4:4"}])
def test_other_settings_of_the_output_make_all_again(src, ready, output):
    assert reasons(src, ready, settings(output=output)) == {"output changed": 3}
    assert changed(ready, src, settings(output=output)) == TREE


def test_another_format_is_another_picture(src, ready):
    assert sorted(batch(src, ready, settings(output={"file_format": "png"}))) == [n[:-3] + "png" for n in TREE]
    assert set(looked(src, ready, settings(output={"file_format": "png"})).strays) == set(TREE)


@pytest.mark.parametrize("name", ["PIXELS", "LIBRAW"])
def test_another_version_makes_all_again_unless_that_is_not_wanted(src, ready, monkeypatch, name):
    monkeypatch.setattr(f"isp.batch.wanted.{name}", "another")
    assert reasons(src, ready) == {"version changed": 3}
    assert reasons(src, ready, keep_version=True) == {}
    assert changed(ready, src) == TREE


def test_another_encoder_makes_all_again_and_another_isp_nothing(src, ready, monkeypatch):
    real = importlib.metadata.version
    monkeypatch.setattr("isp.batch.wanted.version", lambda package: "99" if package == "isp" else real(package))
    assert reasons(src, ready) == {}
    monkeypatch.setattr("isp.batch.wanted.version", lambda package: "99" if package == "imagecodecs" else real(package))
    assert reasons(src, ready) == {"version changed": 3}


def test_a_raw_file_counts_by_its_content(src, ready):
    os.utime(src / "a.dng", (1, 1))
    assert changed(ready, src) == []
    raw(src / "a.dng", 77)
    assert reasons(src, ready) == {"raw file changed": 1}
    assert changed(ready, src) == ["a.jpg"]


def test_a_raw_file_that_hides_its_change_is_found_by_its_hash(src, ready):
    before = os.stat(src / "a.dng")
    raw(src / "a.dng", 77)
    os.utime(src / "a.dng", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(src / "a.dng").st_size == before.st_size
    assert changed(ready, src) == []  # the price of not reading all files each time
    assert changed(ready, src, checksum=True) == ["a.jpg"]


def test_a_sidecar_is_a_part_of_the_raw_file(tmp_path, out):
    src = tmp_path / "src"
    src.mkdir()
    (src / "x.bin").write_bytes(os.urandom(64 * 48 * 2))
    text = 'width = 64\nheight = 48\ncfa = "RGGB"\ndtype = "uint16"\nblack = {}\nwhite = 65535\n'
    (src / "x.bin.toml").write_text(text.format(0))
    batch(src, out)
    assert changed(out, src) == []
    (src / "x.bin.toml").write_text(text.format(1024))
    assert reasons(src, out) == {"raw file changed": 1}
    assert changed(out, src) == ["x.jpg"]


def test_a_missing_picture_is_made_again(src, ready):
    (ready / "a.jpg").unlink()
    assert reasons(src, ready) == {"picture missing": 1}
    assert changed(ready, src) == ["a.jpg"]


def flip(path):
    """Change one byte, and leave size and time as they were."""
    status, content = os.stat(path), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_one_flipped_byte_of_a_picture_is_found_if_asked_for(src, ready):
    whole = pictures(ready)
    flip(ready / "sub/b.jpg")
    assert changed(ready, src) == []
    results = batch(src, ready, verify=True)
    assert statuses(results)["sub/b.jpg"] == "blocked" and "--overwrite" in results["sub/b.jpg"].reason
    assert changed(ready, src, verify=True, overwrite=True) == ["sub/b.jpg"]
    assert pictures(ready) == whole


def test_a_picture_that_somebody_worked_on_is_left_alone(src, ready):
    with open(ready / "a.jpg", "ab") as file:
        file.write(b"a caption")
    mine = (ready / "a.jpg").read_bytes()
    for how in (None, settings(exposure=1.0)):
        results = batch(src, ready, how)
        assert results["a.jpg"].status == "blocked" and (ready / "a.jpg").read_bytes() == mine
    assert changed(ready, src, settings(exposure=1.0), overwrite=True) == ["a.jpg"]


def test_a_picture_edited_to_the_same_size_is_left_alone_if_the_recipe_changes(src, ready):
    content = bytearray((ready / "a.jpg").read_bytes())
    content[-5] ^= 1
    (ready / "a.jpg").write_bytes(content)
    os.utime(ready / "a.jpg", (1, 1))
    assert batch(src, ready, settings(exposure=1.0))["a.jpg"].status == "blocked"
    assert (ready / "a.jpg").read_bytes() == content


@pytest.mark.parametrize("what", ["file", "folder", "link", "dangling"])
def test_what_the_batch_did_not_make_is_left_alone(src, out, tmp_path, what):
    (tmp_path / "mine").write_text("mine")
    out.mkdir()
    if what == "file":
        (out / "a.jpg").write_text("mine")
    elif what == "folder":
        (out / "a.jpg").mkdir()
    else:
        (out / "a.jpg").symlink_to(tmp_path / ("mine" if what == "link" else "nothing"))
    results = batch(src, out)
    assert statuses(results) == {"a.jpg": "blocked", "sub/b.jpg": "done", "sub/deep/c.jpg": "done"}
    assert str(out / "a.jpg") in results["a.jpg"].reason
    assert (tmp_path / "mine").read_text() == "mine" and not (tmp_path / "nothing").exists()
    assert what != "file" or (out / "a.jpg").read_text() == "mine"
    if what == "folder":
        assert batch(src, out, overwrite=True)["a.jpg"].status == "blocked"
        (out / "a.jpg").rmdir()
        assert batch(src, out)["a.jpg"].status == "done"


def test_a_raw_file_is_never_replaced(tmp_path):
    src = tmp_path / "src"
    first, second = raw(src / "a.tif", 1), raw(src / "b.dng", 2)
    before = first.read_bytes()
    os.link(first, src / "b.tif")  # the picture of b would be a raw file of this batch
    how = settings(output={"file_format": "tiff"})
    results = batch([first, second], src, how, overwrite=True)
    assert set(statuses(results).values()) == {"blocked"} and first.read_bytes() == before


def test_a_file_where_a_folder_should_be_fails_its_items_alone(src, out):
    out.mkdir()
    (out / "sub").write_text("mine")
    assert statuses(batch(src, out)) == {"a.jpg": "done", "sub/b.jpg": "failed", "sub/deep/c.jpg": "failed"}
    (out / "sub").unlink()
    assert changed(out, src) == TREE[1:]  # nothing was remembered: no raw file was to blame


GARBAGE = [
    b"", b"{", b"null", b"[1]", b"\xff\xfe", b'{"version": 1}', b"[" * 100_000,
    b'{"version": 1, "status": "done", "source": 1}',
]  # fmt: skip


def receipt_of(src, out, name):
    item = next(item for item in looked(src, out).decisions if item.relative == name)
    return out / FOLDER / "receipts" / item.key[:2] / f"{item.key}.json"


@pytest.mark.parametrize("content", [*GARBAGE, "cut", "future"])
def test_a_receipt_that_cannot_be_read_is_as_good_as_none(src, ready, content):
    path = receipt_of(src, ready, "a.jpg")
    if content == "cut":
        content = path.read_bytes()[:-40]
    elif content == "future":
        content = path.read_bytes().replace(b'"version": 1,', b'"version": 2,')
    path.write_bytes(content)
    assert batch(src, ready)["a.jpg"].status == "blocked"  # nothing tells that the picture is ours
    (ready / "a.jpg").unlink()
    assert changed(ready, src) == ["a.jpg"]


FIELDS = [field.name for field in dataclasses.fields(Receipt)]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [None, 7, "x", [1], {"y": None}, "absent"])
def test_a_receipt_with_one_wrong_value_does_no_harm(src, ready, name, value):
    path = receipt_of(src, ready, "a.jpg")
    table = json.loads(path.read_bytes())
    table[name] = value
    if value == "absent":
        del table[name]
    path.write_text(json.dumps(table))
    (ready / "a.jpg").unlink()
    results = batch(src, ready)
    assert (ready / "a.jpg").exists() or results["a.jpg"].status in ("failed", "damaged")


def test_strays_are_named_and_left(src, ready):
    (src / "a.dng").unlink()
    raw(src / "bad.dng").write_bytes(b"no raw file")
    batch(src, ready)
    (src / "bad.dng").unlink()  # it has a receipt, and no picture
    surveyed = looked(src, ready)
    assert surveyed.strays == ("a.jpg",) and (ready / "a.jpg").exists()


def test_a_survey_writes_nothing(src, out):
    surveyed = looked(src, out)
    assert surveyed.reasons() == {"new": 3} and not out.exists()


# ------------------------------------------------------------------------------------------- failures, and trying again


def test_a_failure_is_remembered_until_asked_for_or_until_something_changes(src, ready, out):
    (src / "bad.dng").write_bytes(b"no raw file at all")
    assert statuses(batch(src, out))["bad.jpg"] == "failed"
    again = batch(src, out)["bad.jpg"]
    assert again.status == "failed" and "--retry-failed" in again.reason and looked(src, out).todo == []
    assert reasons(src, out, retry_failed=True) == {"failed before": 1}
    assert reasons(src, out, settings(exposure=1.0), include=("bad*",)) == {"recipe changed": 1}
    raw(src / "bad.dng", 4)
    assert changed(out, src) == ["bad.jpg"]


def test_a_picture_whose_raw_file_was_broken_for_a_while_is_still_ours(src, ready):
    good = (src / "a.dng").read_bytes()
    (src / "a.dng").write_bytes(good[:300])
    assert batch(src, ready)["a.jpg"].status == "damaged"
    (src / "a.dng").write_bytes(good)
    assert changed(ready, src) == ["a.jpg"]


def test_damage_is_a_status_of_its_own(src, out):
    damaged(src / "bad.dng", 8)
    results = batch(src, out)
    assert results["bad.jpg"].status == "damaged" and not (out / "bad.jpg").exists()
    assert batch(src, out)["bad.jpg"].status == "damaged"
    accepted = batch(src, out, accept_damaged=True)["bad.jpg"]
    assert accepted.status == "done" and any("tiles" in warning for warning in accepted.warnings)
    assert changed(out, src) == []


def test_a_raw_file_that_still_grows_is_not_remembered_as_failed(src, out, tmp_path, monkeypatch):
    whole = (src / "a.dng").read_bytes()
    (src / "a.dng").write_bytes(whole[:300])
    real = process_module.read_isolated

    def copied_meanwhile(source, **options):
        try:
            return real(source, **options)
        finally:
            Path(source).write_bytes(whole)

    monkeypatch.setattr(process_module, "read_isolated", copied_meanwhile)
    assert batch(src / "a.dng", out)["a.jpg"].status == "damaged"
    monkeypatch.undo()
    assert batch(src / "a.dng", out)["a.jpg"].status == "done"


def test_a_reading_that_was_stopped_is_no_failure(src, out):
    """What the engine does when the user interrupts: it is neither tried again nor remembered."""
    surveyed = looked(src, out)
    out.mkdir()
    raised = []

    def work():
        try:
            while True:
                process_item(surveyed.todo[0], surveyed.order)
                shutil.rmtree(out)
                out.mkdir()
        except ChildError as error:
            raised.append(error.kind)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        isolation.stop()
    assert raised == ["stopped"] and not list(out.rglob("*.json"))


# ------------------------------------------------------------------------------------------------------- runs that died


def half_done(out, item, receipt, number=2**22 + 1):
    """Leave an intent as a process does that is killed; its number belongs to no process."""
    name = temporary_name(item.key, INTENT).replace(f"-{os.getpid()}-", f"-{number}-")
    path = receipt.rename(out / FOLDER / "intents" / name)
    assert machine() in path.name
    return path


def test_a_picture_whose_writer_died_before_the_receipt_is_done(src, ready):
    item = next(iter(looked(src, ready).decisions))
    half_done(ready, item, receipt_of(src, ready, item.relative))
    assert reasons(src, ready) == {}
    assert changed(ready, src) == []
    assert receipt_of(src, ready, item.relative).exists()


def test_an_intent_without_its_picture_is_nothing(src, ready):
    item = next(iter(looked(src, ready).decisions))
    half_done(ready, item, receipt_of(src, ready, item.relative))
    (ready / "a.jpg").unlink()
    (src / "sub/b.DNG").unlink()
    assert reasons(src, ready) == {"new": 1}
    assert changed(ready, src) == ["a.jpg"]


def test_an_intent_does_not_make_a_strangers_file_ours(src, ready):
    item = next(iter(looked(src, ready).decisions))
    half_done(ready, item, receipt_of(src, ready, item.relative))
    flip(ready / "a.jpg")
    assert batch(src, ready)["a.jpg"].status == "blocked" and not left_overs(ready)


def test_temporary_files_of_the_dead_are_removed_and_others_are_not(src, ready):
    dead = ready / "sub" / temporary_name("x.jpg").replace(f"-{os.getpid()}-", f"-{2**22 + 1}-")
    alive, mine = ready / temporary_name("y.jpg"), ready / ".mine.part"
    old = ready / temporary_name("z.jpg")  # of this process's number, before the machine was started again
    for path in (dead, alive, mine, old):
        path.write_bytes(b"")
    os.utime(old, (1, 1))
    batch(src, ready)
    assert [path.exists() for path in (dead, alive, mine, old)] == [False, True, True, False]


# ------------------------------------------------------------------------------------------------------ several at once


def test_the_bytes_do_not_depend_on_the_number_of_jobs(src, tmp_path):
    for seed in range(10, 18):
        raw(src / f"{seed}.dng", seed)
    folders = [tmp_path / f"out{jobs}" for jobs in (1, 2, 3, 7)]
    for jobs, folder in zip((1, 2, 3, 7), folders, strict=True):
        batch(src, folder, jobs=jobs)
    assert len(pictures(folders[0])) == 11
    assert all(pictures(folder) == pictures(folders[0]) for folder in folders)


def test_workers_that_do_the_same_item_at_once_all_come_to_the_same_end(src, out):
    surveyed = looked(src, out)
    out.mkdir()
    for how in (None, settings(exposure=0.5)):  # new pictures, and pictures that are replaced
        order = looked(src, out, how).order
        items = 5 * list(surveyed.decisions)
        with ThreadPoolExecutor(len(items)) as pool:
            results = list(pool.map(process_item, items, [order] * len(items)))
        assert {result.status for result in results} <= {"done", "skipped"} and len(results) == 15
        assert changed(out, src, how) == [] and changed(out, src, how, verify=True) == []


def test_a_second_run_is_told_so_and_may_join(src, out):
    first = run([src], out, None, options(), engine=Local(1))
    next(first)
    with pytest.raises(LockedError, match=rf"at work there \(process {os.getpid()} on .*--join"):
        batch(src, out)
    assert set(statuses(batch(src, out, join=True)).values()) <= {"done", "skipped"}
    assert {result.status for result in first} <= {"done", "skipped"}
    assert changed(out, src) == []


@pytest.mark.parametrize("content", ["dead", "silent", "garbage"])
def test_the_lock_of_a_dead_run_is_nothing(src, ready, content):
    lock = ready / FOLDER / "lock"
    who = {"machine": "here", "processes": machine(), "pid": 2**22 + 1 if content == "dead" else os.getpid()}
    lock.write_text("?" if content == "garbage" else json.dumps(who))
    if content == "silent":  # another process has its number now
        os.utime(lock, (1, 1))
    assert changed(ready, src) == []


def test_an_iterator_that_is_closed_keeps_what_is_done(src, out):
    for seed in range(20, 40):
        raw(src / f"{seed}.dng", seed)
    results = run([src], out, None, options(), engine=Local(1))
    first = next(results)
    results.close()
    assert not left_overs(out) and first.item.target.exists()
    kept = stamps(out)
    assert batch(src, out)[first.item.relative].status == "skipped"
    assert kept.items() <= stamps(out).items() and len(pictures(out)) == 23


def test_a_disk_that_cannot_be_written_stops_the_run(src, out):
    out.mkdir()
    (out / FOLDER).write_text("in the way")
    with pytest.raises(StorageError):
        batch(src, out)


# --------------------------------------------------------------------------------------------------------------- memory


def test_what_needs_more_memory_than_there_is_runs_alone(src, out):
    assert set(statuses({r.item.relative: r for r in run([src], out, engine=Local(3, memory=1))}).values()) == {"done"}


def test_a_budget_is_kept_and_the_largest_is_alone():
    budget, most, lock, now = _Budget(10), [], threading.Lock(), []

    def work(cost):
        with budget.taken(cost):
            with lock:
                now.append(cost)
                most.append(tuple(now))
            with lock:
                now.remove(cost)

    threads = [threading.Thread(target=work, args=(cost,)) for cost in [4, 25, 3, 7, 10, 1] * 20]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 120 and all(sum(costs) <= 10 or costs == (25,) for costs in most)


@pytest.mark.parametrize(
    ("files", "membership", "expected"),
    [
        ({}, "", 1000 << 10),
        ({"g/memory.max": "500000", "g/memory.current": "100000"}, "0::/g", 400_000),
        ({"g/memory.max": "max", "g/memory.current": "100000"}, "0::/g", 1000 << 10),
        ({"memory.max": "300", "memory.current": "1", "g/memory.max": "max", "g/memory.current": "1"}, "0::/g", 299),
        ({"g/memory.max": "5", "g/memory.current": "100000"}, "0::/g", 0),
        ({"memory/g/memory.limit_in_bytes": "70", "memory/g/memory.usage_in_bytes": "20"}, "4:memory:/g", 50),
        ({"memory/g/memory.limit_in_bytes": "70", "memory/g/memory.usage_in_bytes": "20"}, "4:cpu:/g", 1000 << 10),
        ({"g/memory.max": "x", "g/memory.current": ""}, "0::/g", 1000 << 10),
    ],
)  # fmt: skip
def test_free_memory_is_the_least_that_is_granted(tmp_path, files, membership, expected):
    for name, content in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "membership").write_text(membership + "\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9999 kB\nMemAvailable: 1000 kB\n")
    assert free_memory(tmp_path / "cgroup", tmp_path / "membership", tmp_path / "meminfo") == expected


# ------------------------------------------------------------------------------------------------------- what is wanted


def test_the_key_tells_apart_what_makes_another_picture():
    keys = [wanted(how, "jpeg")[:2] for how in (Settings(), Settings(crop="full"), settings(tone="none"))]
    assert len(set(keys)) == 3 and wanted(Settings(), "jpeg") == wanted(settings(), "jpeg")
    assert wanted(Settings(), "png").output != wanted(Settings(), "jpeg").output
    assert decision.Rules() == decision.Rules(*[False] * 6)
