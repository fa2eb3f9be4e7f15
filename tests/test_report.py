"""The report of a batch: JSON that says all, HTML that needs nothing and that no name can break."""

import base64
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from isp.batch import page
from isp.batch.item import STATUSES, Item, Result
from isp.batch.report import Run, check_report, write_report
from isp.errors import StorageError, WriteError

THUMBNAIL = b"\xff\xd8 a small picture \xff\xd9"
NAMES = [
    "a.NEF", "Grüße 山/b.NEF", "<script>alert('x')<b>.NEF", 'a"onload="x&amp;.NEF', "{{ 7 * 7 }}.NEF",
    "x" * 250 + ".NEF", "javascript:alert(1).NEF", "a%41?b#c.NEF", "line\n\x1b[31m.NEF", os.fsdecode(b"bad\xff.NEF"),
]  # fmt: skip
RUN = Run(
    (Path("/raws"), Path(os.fsdecode(b"/r\xff<b>"))),
    Path("/out"),
    "[tone]\nmethod = 'a <b> & \udcff'\n",
    {"Format": "JPEG"},
    {"isp": "1.0", "LibRaw": "0.22"},
    "14 November 2026, 22:04",
    "22:07",
    192.0,
    30,
)


def result(name, status="done", reason="new", **more):
    item = Item(Path("/raws", name), Path("/out", name + ".jpg"), name + ".jpg")
    return Result(item, status, reason, **more)


def done(name, **more):
    return result(
        name, seconds={"read": 0.1, "compute": 0.5, "write": 0.2}, megapixels=12.0, bytes_written=2_000_000,
        thumbnail=THUMBNAIL, **more,
    )  # fmt: skip


def everything():
    """Return every name as done, and troubles of all kinds."""
    return [
        *map(done, NAMES),
        result("f1.NEF", "failed", "/raws/f1.NEF: LibRaw crashed (signal 11); copy it again", attempts=2),
        result("f2.NEF", "failed", "f2.NEF: LibRaw crashed (signal 6); copy it again"),
        result("<i>f3.NEF", "failed", "<i>f3.NEF: <b>odd</b>\n\udcff"),
        result(
            "old.NEF", "failed", "old.NEF: too slow (at 9 s) (failed before; --retry-failed tries again)", attempts=0
        ),
        result("d.NEF", "damaged", "3 tiles lie outside the file"),
        result("d2.NEF", "damaged", "3 tiles (damaged before; --retry-failed tries again)", attempts=0),
        result("k.NEF", "blocked", "/out/k.NEF.jpg: is not ours; --overwrite", attempts=0),
        *(result(f"s{n}.NEF", "skipped", "done before", thumbnail=THUMBNAIL, attempts=0) for n in range(9)),
        done("w.NEF", warnings=("w.NEF: no <matrix>", "odd\x00")),
    ]


class Page(HTMLParser):
    """What a browser would see: elements with attributes, text, addresses."""

    VOID = ("meta", "img", "br")

    def __init__(self, path):
        super().__init__()
        self.elements, self.text, self.open = [], [], []
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in (*self.VOID, "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open[-1:] != ["style"]:
            self.text.append(text)

    def all(self, tag, attribute):
        return [attributes[attribute] for each, attributes in self.elements if each == tag and attribute in attributes]

    @property
    def words(self):
        return " ".join("".join(self.text).split())


def html(tmp_path, results, run=RUN):
    write_report(results, run, tmp_path / "report.html")
    return Page(tmp_path / "report.html")


# --- JSON ------------------------------------------------------------------------------------------------------------


def path_of(entry):
    return os.fsdecode(base64.b64decode(entry["base64"])) if "base64" in entry else entry["text"]


def test_json_says_all(tmp_path):
    results = everything()
    write_report(iter(results), RUN, tmp_path / "r.json")
    report = json.loads((tmp_path / "r.json").read_bytes())
    assert (report["format"], report["version"]) == ("isp-batch-report", 1)
    assert report["counts"] == {"done": 11, "skipped": 9, "failed": 4, "damaged": 2, "blocked": 1, "left": 3}
    assert set(report["counts"]) == {*STATUSES, "left"}
    run = report["run"]
    assert [path_of(source) for source in run["sources"]] == list(map(os.fspath, RUN.sources))
    assert (run["seconds"], run["settings"], run["versions"]) == (192.0, RUN.settings, RUN.versions)
    assert run["recipe"] == "[tone]\nmethod = 'a <b> & \\udcff'\n"
    by_key = {each.item.key: each for each in results}
    assert len(report["items"]) == len(by_key) == len(results)
    for entry in report["items"]:
        each = by_key[entry["key"]]
        assert path_of(entry["name"]) == each.item.relative and path_of(entry["source"]) == os.fspath(each.item.source)
        assert path_of(entry["target"]) == os.fspath(each.item.target) and entry["status"] == each.status
        assert entry["seconds"] == each.seconds and entry["attempts"] == each.attempts
        assert (entry["megapixels"], entry["bytes_written"]) == (each.megapixels, each.bytes_written)
        assert len(entry["warnings"]) == len(each.warnings) and entry["reason"][:9] == each.reason[:9]


def test_json_has_a_line_for_each_item_and_no_odd_characters(tmp_path):
    write_report(everything(), RUN, tmp_path / "r.json")
    text = (tmp_path / "r.json").read_bytes().decode("utf-8")
    assert sum(line.startswith('  {"key"') for line in text.splitlines()) == len(everything())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", text)


def test_nothing_done(tmp_path):
    nothing = RUN._replace(total=0)
    write_report([], nothing, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_bytes())["items"] == []
    assert "There was nothing to do." in html(tmp_path, [], nothing).words


# --- HTML ------------------------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_from_anywhere(tmp_path):
    shown = html(tmp_path, everything())
    assert {tag for tag, _ in shown.elements} <= {
        "html", "head", "meta", "title", "style", "body", "header", "section", "div", "p", "h1", "h2", "h3", "dl", "dt",
        "dd", "ul", "li", "i", "b", "a", "img", "span", "code", "table", "tr", "td", "details", "summary", "pre", "wbr",
        "br",
    }  # fmt: skip
    assert all(address.startswith("data:image/jpeg;base64,") for address in shown.all("img", "src"))
    assert len(shown.all("img", "src")) == 20
    assert base64.b64decode(shown.all("img", "src")[0].partition(",")[2]) == THUMBNAIL
    assert not re.search(r"url\(|@import|https?:|//[a-z]", (tmp_path / "report.html").read_text("utf-8"))
    (policy,) = (a["content"] for tag, a in shown.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_no_name_is_markup_or_an_address(tmp_path):
    shown = html(tmp_path, everything())
    known = {
        "lang", "charset", "name", "content", "http-equiv", "class", "style", "role", "aria-label", "title", "href",
        "src", "alt", "loading", "decoding", "open",
    }  # fmt: skip
    assert {attribute for _, attributes in shown.elements for attribute in attributes} <= known
    assert "<script>alert('x')<b>.NEF" in shown.words and "{{ 7 * 7 }}.NEF" in shown.words
    assert r"line\n\x1b[31m.NEF" in shown.words and r"bad\xff.NEF" in shown.words and r"/r\xff<b>" in shown.words
    addresses = shown.all("a", "href")
    assert not any(re.search(r"[:?#\s<>\"']", address) for address in addresses)
    targets = {os.path.normpath(os.path.join(os.fsencode(tmp_path), unquote_to_bytes(a))) for a in addresses}
    assert targets == {os.fsencode(f"/out/{name}.jpg") for name in [*NAMES, "w.NEF", *(f"s{n}.NEF" for n in range(9))]}


def test_every_item_is_named(tmp_path):
    words = html(tmp_path, everything()).words
    for name in ("f1", "f2", "<i>f3", "old", "d", "k", "s0", "s8", "w", "a", "b"):
        assert f"{name}.NEF" in words
    assert "20 of 30 pictures are there." in words  # done or done before
    assert "The others were done before." in words and "0.0 MP before" in words


def test_failures_come_first_and_together_by_their_reason(tmp_path):
    words = html(tmp_path, everything()).words
    order = [
        "Failed 3",
        "Failed before 1",
        "Damaged 1",
        "Damaged before 1",
        "Blocked 1",
        "Warnings 1",
        "Time ",
        "Pictures 20",
    ]
    places = [words.index(heading) for heading in [*order, "Pictures 20"]]
    assert places == sorted(places)
    assert "LibRaw crashed (signal …) \N{MULTIPLICATION SIGN} 2 copy it again /raws/f1.NEF " in words
    assert "/raws/f1.NEF LibRaw crashed (signal 11) · 2 tries /raws/f2.NEF LibRaw crashed (signal 6)" in words
    assert r"<b>odd</b>\n\xff /raws/<i>f3.NEF" in words
    assert "is not ours --overwrite /raws/k.NEF" in words
    assert "too slow (at 9 s) /raws/old.NEF" in words and "3 tiles /raws/d2.NEF" in words and "no <matrix>" in words


def test_a_batch_without_trouble(tmp_path):
    words = html(tmp_path, [done("a.NEF")], RUN._replace(total=1)).words
    assert "The picture is there." in words
    assert not any(word in words for word in ("Failed", "Damaged", "Blocked", "Warnings", "left", "ended early"))


def test_a_batch_that_was_stopped(tmp_path):
    words = html(tmp_path, [done("a.NEF")], RUN._replace(stopped="interrupted")).words
    assert "The run ended early: interrupted." in words and "left 29" in words


def test_thumbnails_end_somewhere_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "THUMBNAILS", 3)
    old = [result(f"0{n}.NEF", "skipped", "done before", thumbnail=THUMBNAIL, attempts=0) for n in range(5)]
    shown = html(tmp_path, [*old, *(done(f"{n}.NEF") for n in range(8)), result("none.NEF")])
    assert len(shown.all("img", "src")) == 3 and "were done before" not in shown.words  # the new ones
    assert "Only the first 3 are shown" in shown.words
    assert "Without a thumbnail 11" in shown.words and len(shown.all("a", "href")) == 14


def test_bars_end_where_the_seconds_do(tmp_path):
    shown = html(tmp_path, [done("a.NEF"), done("b.NEF")])
    (style,) = set(shown.all("i", "style")[-2:])
    assert style == "--a:12.5%;--b:75.0%;--c:100.0%"
    assert shown.all("i", "aria-label")[-1] == "read 0.1 s, compute 0.5 s, write 0.2 s"


# --- where it is written ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["r.json", "r.html", "r.HTM"])
def test_a_report_replaces_reports_only(tmp_path, name):
    target = tmp_path / name
    write_report(everything(), RUN, target)
    first = target.read_bytes()
    write_report([done("a.NEF")], RUN, target)
    assert target.read_bytes() != first
    target.write_bytes(b"")
    check_report(target)
    for other in (b"my diary", first[:10], b"<!doctype html>\n<html>", b'{"format": 1}'):
        target.write_bytes(other)
        for write in (write_report, lambda *given: check_report(given[-1])):
            with pytest.raises(WriteError, match=r"r\.\w+ exists and is not a report of isp batch; choose another"):
                write([], RUN, target)
        assert target.read_bytes() == other
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["report", "report.txt", "report.jpg"])
def test_other_suffixes_are_refused(tmp_path, name):
    for function in (check_report, lambda path: write_report([], RUN, path)):
        with pytest.raises(WriteError, match=r"a report is \.json or \.html"):
            function(tmp_path / name)


def test_folders_are_refused_early_and_a_missing_one_is_said(tmp_path):
    (tmp_path / "r.html").mkdir()
    with pytest.raises(WriteError, match="is a folder"):
        check_report(tmp_path / "r.html")
    with pytest.raises(StorageError, match="folder does not exist"):
        write_report([], RUN, tmp_path / "none" / "r.json")


def test_what_fails_on_the_way_leaves_the_old_report(tmp_path):
    target = tmp_path / "r.html"
    write_report([], RUN, target)
    before = target.read_bytes()

    def results():
        yield done("a.NEF")
        raise MemoryError

    with pytest.raises(MemoryError):
        write_report(results(), RUN, target)
    assert target.read_bytes() == before and os.listdir(tmp_path) == ["r.html"]
