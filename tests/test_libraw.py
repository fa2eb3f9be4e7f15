"""Our chain against LibRaw's linear path, at matched settings, on every Bayer raw at hand.

LibRaw truncates to integers of 65535 after white balance, after the demosaic and after the matrix, and clips negatives.
So its demosaiced values lie up to 1 below the exact mean, as does floor(65535 x) of ours: they differ by 1 at most. The
matrix makes of that 1 in each channel the sum of a row's magnitudes: under 3 in these files, but 5.1 in the blue of the
DC50. Handed LibRaw's own truncated picture, our matrix differs from its by 1 at most on every file.
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
    assert balanced.gains is not None
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
    return frame.data[:, column_positions(frame)]


def column_positions(frame: isp.Frame) -> np.ndarray:
    assert frame.meta.pixel_aspect >= 1, "no file with tall pixels is at hand"
    steps = np.full(int(frame.data.shape[1] * frame.meta.pixel_aspect + 0.5), 1 / frame.meta.pixel_aspect)
    steps[0] = 0
    return np.cumsum(steps).astype(int)


def test_every_step_agrees_with_libraw(path: Path) -> None:
    mine = ours(path)
    demosaiced = libraw(path, mine.gains, output_color=RAW).astype(int)
    after_demosaic = np.abs(levels(mine.camera) - demosaiced).max()
    linear = libraw(path, mine.gains).astype(int)
    magnitude = np.abs(isp.Color().camera_to_srgb(mine.raw.meta)).sum(axis=1).max()
    assert magnitude < 3 or path.name.startswith("dc50")
    after_matrix = np.abs(levels(mine.linear) - linear).max()
    encoded = libraw(path, mine.gains, output_bps=8, gamma=(2.4, 12.92)).astype(int)
    final = np.floor(stretched(mine.display) * 255 + 0.5).astype(int)
    at_the_end = np.abs(final - encoded).max()
    print(f"{path.name}: {after_demosaic} and {after_matrix} of 65535, {at_the_end} of 255")
    assert after_demosaic <= 1 and after_matrix <= max(3, np.ceil(magnitude)) and at_the_end <= 1


def test_the_matrix_agrees_with_libraws_on_its_own_demosaiced_picture(path: Path) -> None:
    mine = ours(path)
    integers = libraw(path, mine.gains, output_color=RAW).astype(np.float64) + 0.01  # so that no rounding falls below
    picture = isp.Frame((integers / 65535).astype(np.float32), isp.Space.CAMERA, mine.raw.meta)
    result = np.floor(np.clip(isp.Color()(picture).data, 0, 1).astype(np.float64) * 65535).astype(int)
    assert np.abs(result - libraw(path, mine.gains).astype(int)).max() <= 1


def test_auto_bright_is_libraws(path: Path) -> None:
    """Our rule on LibRaw's linear picture gives LibRaw's gain to 1e-4; on our own picture, within one of its bins.

    The two pictures differ by less than a bin of 8 of 65535, so the brightest bin T can be the next one. For non-square
    pixels LibRaw counts before it repeats columns but takes its 1 % of the wider picture.
    """
    mine = ours(path)
    off = libraw(path, mine.gains).astype(float)
    on = libraw(path, mine.gains, no_auto_bright=False).astype(float)
    # one ratio of integers over 20000 is known to 1 / 20000; the median of many of them to far better
    usable = (on > 20000) & (on < 65000)
    theirs = np.median((on[usable] + 0.5) / (off[usable] + 0.5))
    width = mine.linear.data.shape[1]
    brighten = isp.Exposure(baseline=False, auto_bright=True, clipped=0.01 * off.shape[1] / width)
    once = np.unique(column_positions(mine.linear), return_index=True)[1]
    same_picture = mine.linear.replace(data=((off[:, once] + 0.5) / 65535).astype(np.float32))
    assert brighten.gain(same_picture) == pytest.approx(theirs, rel=1e-4)
    assert brighten.gain(mine.linear) == pytest.approx(theirs, abs=theirs * theirs / 8192 + 1e-4)


def test_gray_world_is_near_libraws(path: Path) -> None:
    """Within 3 %: LibRaw leaves out whole 8x8 blocks around clipped values and keeps the two greens apart."""
    mine = isp.WhiteBalance("gray_world").measure(isp.BlackLevel()(isp.read_raw(path, crop="active")))
    with path.open("rb") as file, rawpy.imread(file) as raw:
        raw.postprocess(use_auto_wb=True, half_size=True, adjust_maximum_thr=0.0)
        r, g1, b, g2 = raw.auto_whitebalance
    green = (g1 + (g2 or g1)) / 2
    theirs = np.array([r, green, b]) / min(r, green, b)
    assert np.array(mine) == pytest.approx(theirs, rel=0.03)
