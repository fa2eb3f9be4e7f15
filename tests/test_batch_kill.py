"""Kill -9 at any moment: of the run, of a process that decodes, of the one that serves those, of all of them.

Six moments by default; ``ISP_LONG_TESTS=1`` tries thirty.
"""

import contextlib
import os
import random
import shutil
import signal
import sys
import time
import uuid
from pathlib import Path

import pytest

from isp.batch.decision import is_in_place
from isp.batch.item import Item
from isp.batch.receipts import Receipts

from .batches import damaged, left_overs, looked, marked, pictures, raw, stamps, start, wait_for_none
from .command import run_real
from .paths import SAMPLES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

FILES, DAMAGED, BROKEN = 60, (7, 31, 50), (13, 44)
MOMENTS = 30 if os.environ.get("ISP_LONG_TESTS") else 6
VICTIMS = ("run", "child", "server", "all")


@pytest.fixture(scope="module")
def src(tmp_path_factory):
    """Small files in a tree: real ones, mosaics without a header, some damaged, some that are no raw files at all."""
    src = tmp_path_factory.mktemp("kill") / "src"
    for number in range(FILES):
        path = src / f"d{number % 5}" / f"{number:02}.dng"
        if number in DAMAGED:
            damaged(path, number)
        elif number in BROKEN:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(random.Random(number).randbytes(5000))
        elif number % 6 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SAMPLES / "dc50_0008.KDC", path.with_suffix(".KDC"))
        else:
            raw(path, number)
    return src


@pytest.fixture(scope="module")
def undisturbed(src, tmp_path_factory):
    """The hashes of the pictures of a run that nobody disturbs, and how long it took."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    run_real("batch", src, "-o", out / "warm", "--include", "0*")
    begin = time.monotonic()
    assert run_real("batch", src, "-o", out / "all", "-q").returncode == 1  # the damaged and the broken
    assert len(pictures(out / "all")) == FILES - len(DAMAGED) - len(BROKEN)
    return pictures(out / "all"), time.monotonic() - begin


def children(pid):
    with contextlib.suppress(OSError, ValueError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def kill(process, victim, mark):
    """Kill a victim as soon as there is one; returns whether there was before the run ended."""
    while process.poll() is None:
        servers = children(process.pid)
        decoding = [child for server in servers for child in children(server)]
        victims = {"run": [process.pid], "server": servers[:1], "child": decoding[:1], "all": marked(mark)}[victim]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if victims:
            return True
    return False


def kept(src, out):
    """The inodes and times of pictures that have a receipt, or an intent that tells of them."""
    receipts = Receipts(out)
    names = set()
    for item in looked(src, out).decisions:
        told = [receipts.read(item), *receipts.intents(item)]
        if any(receipt is not None and is_in_place(item, receipt) for receipt in told):
            names.add(item.relative)
    return {name: stamp for name, stamp in stamps(out).items() if name in names}


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_whatever_is_killed_the_next_run_ends_as_if_nothing_had_been(src, undisturbed, tmp_path, moment):
    right, seconds = undisturbed
    chance, out, mark = random.Random(moment), tmp_path / "out", uuid.uuid4().hex
    victim = VICTIMS[moment % len(VICTIMS)]
    process = start("batch", src, "-o", out, "-j", 3, mark=mark)
    try:
        time.sleep(chance.uniform(0.15, 0.95) * seconds)
        struck = kill(process, victim, mark)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert wait_for_none(mark) == []  # no orphans
    if victim in ("child", "server"):
        assert process.returncode == 1, errors.decode()  # it went on, and nothing innocent failed
        assert pictures(out) == right
    else:
        assert process.returncode == (-signal.SIGKILL if struck else 1)
    assert pictures(out).items() <= right.items()  # whole or not there
    before = kept(src, out) if out.exists() else {}
    assert run_real("batch", src, "-o", out, "-q").returncode == 1
    assert pictures(out) == right
    assert before.items() <= stamps(out).items()  # nothing that was done is done twice
    assert not left_overs(out) and not list((out / ".isp" / "intents").iterdir())
    assert run_real("batch", src, "-o", out, "-q", "--verify").returncode == 1 and before.items() <= stamps(out).items()


def test_a_picture_with_an_intent_alone_counts_as_kept(src, tmp_path):
    """The check above would not see what it is for if this were not so."""
    out = tmp_path / "out"
    run_real("batch", src, "-o", out, "-q", "--include", "01.dng")
    (receipt,) = out.rglob("*.json")
    item = Item(src, out / "d1/01.jpg", "d1/01.jpg")
    receipt.rename(out / ".isp" / "intents" / f".{item.key}.x.intent")
    assert list(kept(src, out)) == ["d1/01.jpg"]
