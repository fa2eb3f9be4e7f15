"""What a batch shows: the bytes that a pseudo-terminal gets, and the lines that a file gets."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from isp.batch.item import Item, Result
from isp_cli import progress
from isp_cli.progress import Progress

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")

SCRIPT = """
import sys
from pathlib import Path
from isp.batch.item import Item, Result
from isp_cli.progress import Progress
def result(name, *rest, **more):
    return Result(Item(Path("in", name + ".NEF"), Path("out", name + ".jpg"), name + ".jpg"), *rest, **more)
results = [result(f"s{n}", "skipped", "done before", ("told already",), attempts=0) for n in range(3000)]
results.append(result("old", "failed", "LibRaw crashed (failed before; --retry-failed tries again)", attempts=0))
results.append(result("a", "done", "new", seconds={"read": 0.5, "write": 0.25}, megapixels=12))
results.append(result("b", "failed", "in/b.NEF: LibRaw crashed (signal 11)"))
results.append(result("c", "damaged", "3 of 24 tiles lie outside the file"))
results.append(result("d", "blocked", "out/d.jpg is not ours", attempts=0))
results.append(result("e", "done", "new", ("e.NEF: no colour matrix",), megapixels=12, attempts=2))
results.append(result("x\\n\\x1b[31m\\udcff" + 60 * "y", "failed", "no such file"))
with Progress(len(results) + 5, quiet="quiet" in sys.argv) as progress:
    for each in results:
        progress.add(each)
"""


def lines(*arguments, **environment):
    command = [sys.executable, "-c", SCRIPT, *arguments]
    answer = subprocess.run(command, capture_output=True, env=os.environ | environment, check=True)
    assert answer.stdout == b""
    return answer.stderr.decode().splitlines()


def on_terminal(*arguments, columns=100, **environment):
    """What the terminal gets, as bytes."""
    import fcntl
    import pty
    import struct
    import termios

    leader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    command = [sys.executable, "-c", SCRIPT, *arguments]
    process = subprocess.Popen(command, stderr=terminal, env={"TERM": "xterm"} | os.environ | environment)
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(leader, 65536):
            shown += part
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(leader)
    assert process.wait(60) == 0, shown
    return shown


def bars(shown):
    """Return the states of the bar, without what wipes it."""
    return [part.rstrip() for part in re.split(r"[\r\n]", shown.decode()) if re.match(r"\d[\d,]*/3,012 ", part)]


def test_plain_lines():
    shown = lines()
    assert shown[:-1] == [
        "error: [3,001/3,012] in/old.NEF: LibRaw crashed (failed before; --retry-failed tries again)",
        "[3,002/3,012] in/a.NEF -> out/a.jpg (0.75 s)",
        "error: [3,003/3,012] in/b.NEF: LibRaw crashed (signal 11)",
        "damaged: [3,004/3,012] in/c.NEF: 3 of 24 tiles lie outside the file",
        "blocked: [3,005/3,012] in/d.NEF: out/d.jpg is not ours",
        "warning: [3,006/3,012] e.NEF: no colour matrix",
        "[3,006/3,012] in/e.NEF -> out/e.jpg (0.00 s, try 2)",
        rf"error: [3,007/3,012] in/x\n\x1b[31m\xff{60 * 'y'}.NEF: no such file",
    ]
    assert shown[-1].startswith("2 done, 3,000 skipped (done before), 3 failed, 1 damaged, 1 blocked, 5 left in ")
    assert shown[-1].endswith(" MP/s")


def test_quiet_says_only_what_failed():
    assert [line.split()[0] for line in lines("quiet")] == ["error:", "error:", "damaged:", "blocked:", "error:"]


@posix
def test_quiet_on_a_terminal_has_no_bar():
    shown = on_terminal("quiet")
    assert b"\r\n" in shown and shown.count(b"\r") == shown.count(b"\n") == 5 and b"left" not in shown


@posix
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_bar_with_the_failures_above_it(columns):
    shown = on_terminal(columns=columns)
    text = re.sub(r"\x1b\[\d*[mK]", "", shown.decode())
    assert "error: [3,003/3,012] in/b.NEF: LibRaw crashed (signal 11)\r\n" in text
    assert "warning: [3,006/3,012] e.NEF: no colour matrix\r\n" in text
    assert "in/a.NEF" not in text  # what is done is only counted
    states = bars(shown)
    assert 5 <= len(states) < 60 and max(map(len, states)) <= columns
    assert ("█" in "".join(states)) == (columns >= 60)
    assert text.rstrip().splitlines()[-1].split("\r")[-1].startswith("2 done, 3,000 skipped")


@posix
def test_control_characters_of_names_never_reach_the_terminal():
    shown = on_terminal()
    assert b"\x1b[31m\xff" not in shown and b"in/x\\n\\x1b[31m\\xffyyy" in shown


@posix
def test_colour_only_where_it_is_wanted():
    assert b"\x1b[31merror:\x1b[0m" in on_terminal(NO_COLOR="") and b"\x1b[33mwarning:" in on_terminal()
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        shown = on_terminal(**environment)
        assert not re.search(rb"\x1b\[\d+m", shown) and b"error: [3,003" in shown


@posix
@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, {"LANG": "C", "LC_ALL": ""}, {"PYTHONIOENCODING": "ascii"}])
def test_no_block_characters_for_a_terminal_without_them(environment):
    shown = on_terminal(**{"LC_ALL": "C.UTF-8"} | environment)
    shown.decode("ascii")
    assert b"/3,012 ###" in shown


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_the_time_left_is_foretold_from_what_was_computed(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    item = Item(Path("a"), Path("b"), "b")
    with Progress(1000, quiet=True) as shown:
        for status, seconds in [("skipped", 0.001)] * 500 + [("done", 2.0)] * 10 + [("skipped", 0.001)] * 390:
            clock.now += seconds
            shown.add(Result(item, status, megapixels=24.0, attempts=int(status == "done")))
        assert shown._state() == "3 min 20 s left, 12 MP/s, 890 skipped"  # 100 left, 2 s each
        assert shown.summary() == "10 done, 890 skipped (done before), 100 left in 21 s, 12 MP/s"


def test_a_total_that_nobody_knows(capsys):
    with Progress(None, quiet=False) as shown:
        shown.add(Result(Item(Path("a.NEF"), Path("a.jpg"), "a.jpg"), "done", seconds={"read": 1.0}))
    assert capsys.readouterr().err == "[1] a.NEF -> a.jpg (1.00 s)\n"
