"""Where the test pictures are."""

from __future__ import annotations

from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[1] / "sample_raws"
SHARED = Path(__file__).parents[2] / "shared" / "data"

BAYER_SAMPLES = ["dc120_3910.KDC", "dc50_0008.KDC", "g2_0304.CRW", "s40_0101.CRW", "s40_0117.CRW"]
BAYER_SHARED = [
    "raws/native/dc120_3908.KDC", "raws/native/dc120_3911.KDC", "raws/native/dc120_3912.KDC",
    "raws/native/g2_0305.CRW", "raws/native/s40_0104.CRW", "raws/native/s40_0118.CRW",
    "raws/dng/canon550d_colorchart.dng", "raws/dng/gopro7_8508.DNG", "raws/dng/gpr_GOPR0024.DNG",
]  # fmt: skip


def shared(path: str) -> Path:
    """A file of the shared data, which does not ship with the project; skips the test where it is absent."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"needs {path} of the shared test data, which does not ship (looked in {SHARED})")
    return found
