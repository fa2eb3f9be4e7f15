"""Pixels that change while their version does not would leave old pictures among new ones in every resumed batch.

``python -m tests.test_pixel_version`` writes tests/golden.json anew.
"""

import hashlib
import json
import platform
import sys
from pathlib import Path

import pytest

import isp
from isp.batch.wanted import PIXELS
from isp.source import LIBRAW

from .paths import SAMPLES

GOLDEN = Path(__file__).with_name("golden.json")
COMMAND = "python -m tests.test_pixel_version"
ONE = "s40_0101.CRW"
RAWS = [*sorted(path.name for path in SAMPLES.iterdir() if path.suffix in (".CRW", ".KDC", ".raw"))]
OPTIONS = [
    ("demosaic", "half"), ("denoise", "median:3"), ("denoise", "mean:5:mosaic"), ("white_balance", "gray_world"),
    ("white_balance", "white_world"), ("white_balance", "5200K"), ("white_balance", "1.9,1,1.5"),
    ("vignetting", "radial:0.3,0.1"), ("vignetting", "natural:angle=30"), ("exposure", 0.5), ("auto_bright", True),
    ("tone", "none"), ("gamma", "bt709"), ("gamma", "linear"), ("gamma", "2.2"), ("crop", "active"), ("crop", "full"),
]  # fmt: skip
CASES = {name: (name, {}) for name in RAWS} | {f"{ONE} {key}={value}": (ONE, {key: value}) for key, value in OPTIONS}
# Not the CNN: its weights' hash is among a batch's versions, so pixels follow them by themselves.


def pixels(case: str) -> str:
    """The hash of a picture's pixels and of their shape."""
    name, knobs = CASES[case]
    developed = isp.develop(SAMPLES / name, **knobs)
    return hashlib.sha256(repr(developed.shape).encode() + developed.tobytes()).hexdigest()


def here() -> dict[str, str]:
    """What pixels depend on besides isp."""
    return {"libraw": LIBRAW, "machine": platform.machine()}


@pytest.fixture(scope="module")
def golden():
    found = json.loads(GOLDEN.read_text("utf-8"))
    for name, value in here().items():
        if found[name] != value:
            pytest.skip(f"golden.json is of {name} {found[name]}, this is {value}: its pixels may be others")
    return found


def test_the_golden_pixels_are_of_this_version(golden):
    assert golden["pixels"] == PIXELS, f"golden.json is of another version: run `{COMMAND}` and commit the file"
    assert set(golden["hashes"]) == set(CASES), f"raw files or options came or went: run `{COMMAND}`"


@pytest.mark.parametrize("case", CASES)
def test_pixels_are_those_of_their_version(golden, case):
    assert pixels(case) == golden["hashes"].get(case), (
        f"the pixels of {case} are not those of version {golden['pixels']}. If that is intended, raise PIXELS in "
        f"isp/batch/wanted.py, or batches would take old pictures for done, then run `{COMMAND}` and commit golden.json"
    )


def main() -> None:
    """Write the golden file; refuse to change a hash whose version stays."""
    hashes = {case: pixels(case) for case in CASES}
    if GOLDEN.exists():
        old = json.loads(GOLDEN.read_text("utf-8"))
        same = old["pixels"] == PIXELS and all(old[name] == value for name, value in here().items())
        if changed := [case for case in hashes if same and old["hashes"].get(case, hashes[case]) != hashes[case]]:
            sys.exit(f"pixels changed ({', '.join(changed)}): raise PIXELS in isp/batch/wanted.py first")
    table = {"pixels": PIXELS, **here(), "hashes": hashes}
    GOLDEN.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
