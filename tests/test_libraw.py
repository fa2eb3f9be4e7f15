"""Our chain against LibRaw's linear path, at matched settings, on every Bayer raw at hand.

LibRaw truncates after white balance, after the demosaic and after the matrix, and clips negatives to 0. So its demosaiced
values lie up to 1 below the exact mean, and so does floor(65535 x) of ours: they differ by 1 at most. After the matrix an
error of 1 in each channel grows by the sum of the row's magnitudes (under 3 in these files): 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import rawpy

import isp

from .paths import BAYER_SAMPLES, BAYER_SHARED, SAMPLES, shared

RAW, SRGB = rawpy.ColorSpace.raw, rawpy.ColorSpace.sRGB


@pytest.fixture(params=[*BAYER_SAMPLES, *BAYER_SHARED, "raws/dng/ljpeg_tiled.dng"], ids=lambda name: Path(name).name)
def path(request: pytest.FixtureRequest) -> Path:
    """Each Bayer raw in turn; those that do not ship are skipped where they are absent."""
    return shared(request.param) if request.param.startswith("raws/") else SAMPLES / request.param


class Ours(NamedTuple):
    """Our frames of one file, with the mosaic clipped at 0 as LibRaw does."""

    raw: isp.Frame
    gains: tuple[float, float, float]
    camera: isp.Frame
    linear: isp.Frame
    display: isp.Frame


def ours(path: Path) -> Ours:
    frame = isp.read_raw(path, crop="active")
    balanced = isp.WhiteBalance("as_shot" if frame.meta.white_balance else "white_world")(isp.BlackLevel()(frame))
    camera = isp.Demosaic("bilinear")(balanced.replace(data=np.maximum(balanced.data, 0)))
    linear = isp.Exposure(baseline=False)(isp.Color()(camera))
    return Ours(frame, balanced.gains, camera, linear, isp.Gamma("srgb")(isp.Tone("none")(linear)))


def libraw(path: Path, gains: tuple[float, float, float], **settings: Any) -> np.ndarray:
    """Render with LibRaw's bilinear demosaic, our gains, no auto-bright, white from the file, not rotated."""
    defaults = {"output_bps": 16, "gamma": (1, 1), "no_auto_bright": True, "output_color": SRGB}
    with path.open("rb") as file, rawpy.imread(file) as raw:
        return raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
            user_wb=[*gains, gains[1]],
            adjust_maximum_thr=0.0,
            user_flip=0,
            **{**defaults, **settings},
        )


def levels(frame: isp.Frame) -> np.ndarray:
    """Return floor(65535 x) as LibRaw holds it, with the columns repeated that it repeats for non-square pixels.

    LibRaw 0.22 makes pixels square by repeating columns, without interpolation: it adds up 1 / aspect from column to
    column and takes the whole part.
    """
    return np.floor(np.clip(stretched(frame), 0, 1).astype(np.float64) * 65535).astype(int)


def stretched(frame: isp.Frame) -> np.ndarray:
    aspect = frame.meta.pixel_aspect
    assert aspect >= 1, "no file with tall pixels is at hand"
    steps = np.full(int(frame.data.shape[1] * aspect + 0.5), 1 / aspect)
    steps[0] = 0
    return frame.data[:, np.cumsum(steps).astype(int)]


def test_every_step_agrees_with_libraw(path: Path) -> None:
    mine = ours(path)
    demosaiced = libraw(path, mine.gains, output_color=RAW).astype(int)
    assert np.abs(levels(mine.camera) - demosaiced).max() <= 1
    linear = libraw(path, mine.gains).astype(int)
    assert np.abs(levels(mine.linear) - linear).max() <= 3
    encoded = libraw(path, mine.gains, output_bps=8, gamma=(2.4, 12.92)).astype(int)
    final = np.floor(stretched(mine.display) * 255 + 0.5).astype(int)
    assert np.abs(final - encoded).max() <= 1


def test_auto_bright_is_libraws_to_one_in_ten_thousand(path: Path) -> None:
    mine = ours(path)
    stretch = isp.Frame(stretched(mine.linear), isp.Space.LINEAR, mine.linear.meta)
    gain = isp.Exposure(baseline=False, auto_bright=True).gain(stretch)
    off = libraw(path, mine.gains).astype(float)
    on = libraw(path, mine.gains, no_auto_bright=False).astype(float)
    # a ratio of integers over 20000 is known to 1 / 20000; the centre of many of them to far better
    usable = (on > 20000) & (on < 65000)
    theirs = np.median((on[usable] + 0.5) / (off[usable] + 0.5))
    assert gain == pytest.approx(theirs, rel=1e-4)


def test_gray_world_is_near_libraws(path: Path) -> None:
    """Within 3 %: LibRaw leaves out whole 8x8 blocks around clipped values and keeps the two greens apart."""
    mine = isp.WhiteBalance("gray_world").measure(isp.BlackLevel()(isp.read_raw(path, crop="active")))
    with path.open("rb") as file, rawpy.imread(file) as raw:
        raw.postprocess(use_auto_wb=True, half_size=True, adjust_maximum_thr=0.0)
        r, g1, b, g2 = raw.auto_whitebalance
    green = (g1 + (g2 or g1)) / 2
    theirs = np.array([r, green, b]) / min(r, green, b)
    assert np.array(mine) == pytest.approx(theirs, rel=0.03)
