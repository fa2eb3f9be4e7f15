"""Small frames of any size, colour pattern and seed, and what several tests say about stages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from isp.errors import ParameterError
from isp.frame import Frame, Meta, Rectangle, Space


def pattern(rows):
    """A CFA from its letters: "RG GB"."""
    return tuple(tuple("RGB".index(letter) for letter in row) for row in rows.split())


BAYER = {name: pattern(f"{name[:2]} {name[2:]}") for name in ("RGGB", "GRBG", "GBRG", "BGGR")}
RGGB = BAYER["RGGB"]
XTRANS = pattern("GGRGGB GGBGGR BRGRBG GGBGGR GGRGGB RBGBRG")
MONO = ((1,),)
CFAS = [*BAYER.values(), XTRANS, MONO]
COLOUR_CFAS = CFAS[:-1]

# XYZ (D65) to camera of a Canon PowerShot G2, any plausible camera.
MATRIX = ((0.9087, -0.2693, -0.1049), (-0.6715, 1.4382, 0.2537), (-0.2291, 0.2819, 0.7790))

sides = st.integers(1, 64)
seeds = st.integers(0, 2**32 - 1)
cfas = st.sampled_from(CFAS)
colour_cfas = st.sampled_from(COLOUR_CFAS)


def rolled(cfa, down, across):
    """The pattern that a crop starting `down` rows and `across` columns later has."""
    return tuple(tuple(map(int, row)) for row in np.roll(np.array(cfa), (-down, -across), (0, 1)))


def meta(size, cfa=RGGB, **changes):
    whole = Rectangle(0, 0, *size)
    return Meta(**({"cfa": cfa, "white": 1.0, "size": size, "active": whole, "crop": whole} | changes))


def noise(seed, *shape, low=-0.3, high=1.5):
    """Random float32 values; by default some are negative and some over 1."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def raw(data, cfa=RGGB, **changes):
    data = np.asarray(data, np.uint16)
    return Frame(data, Space.RAW, meta(data.shape, cfa, **changes))


def mosaic(data, cfa=RGGB, *, saturation=1.0, gains=None, **changes):
    data = np.asarray(data, np.float32)
    return Frame(data, Space.MOSAIC, meta(data.shape, cfa, **changes), saturation, gains)


def camera(data, *, demosaiced=False, **changes):
    data = np.asarray(data, np.float32)
    facts = meta(data.shape[:2], demosaiced=demosaiced, **changes)
    return Frame(data, Space.CAMERA, facts, gains=(1.0, 1.0, 1.0) if demosaiced else None)


def linear(data, **changes):
    data = np.asarray(data, np.float32)
    return Frame(data, Space.LINEAR, meta(data.shape[:2], **changes))


def refuses(make, stage, parameter, value, allowed):
    """Check that a call raises the one-line error that names what is wrong and what is allowed."""
    with pytest.raises(ParameterError) as caught:
        make()
    text = str(caught.value)
    assert isinstance(caught.value, ValueError) and "\n" not in text
    for part in (stage, parameter, repr(value), allowed):
        assert part in text, f"{part!r} is missing in {text!r}"


def run(stage, frame):
    """Run a stage and check what every stage promises: untouched input, contiguous float32 output, no NaN."""
    before = frame.data.copy()
    result = stage(frame)
    np.testing.assert_array_equal(frame.data, before)
    assert result.data.dtype == np.float32 and result.data.flags.c_contiguous and not result.data.flags.writeable
    assert not np.isnan(result.data).any()
    assert result.meta is frame.meta
    assert result.space is (stage.writes if frame.space is stage.reads else frame.space)
    return result
