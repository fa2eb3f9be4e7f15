"""A thumbnail is the picture made small, whatever its shape and depth."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from isp.batch.thumbnail import SIDE, thumbnail


def opened(pixels):
    with Image.open(io.BytesIO(thumbnail(pixels))) as image:
        return np.asarray(image).astype(int)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("turned", [False, True])
def test_it_looks_like_pillows(dtype, turned):
    y, x = np.mgrid[0:1:1000j, 0:1:1500j]
    picture = np.stack((y, x, (x + y) / 2), axis=-1)  # smooth: a few pixels tell its means
    stored = picture**2.2 if dtype == np.float32 else picture * np.iinfo(dtype).max
    stored = stored.astype(dtype)
    picture, stored = (np.rot90(each) if turned else each for each in (picture, stored))
    small = opened(stored)
    rows, columns = small.shape[:2]
    expected = Image.fromarray((picture * 255).astype(np.uint8)).resize((columns, rows), Image.Resampling.BOX)
    assert max(rows, columns) <= SIDE < 2 * max(rows, columns)
    assert np.abs(small - np.asarray(expected).astype(int)).max() <= 8  # half a block of a slope, and JPEG's rounding


@settings(deadline=None)
@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(0, 255))
def test_any_shape(height, width, grey):
    small = opened(np.full((height, width, 3), grey, np.uint8))
    assert max(small.shape) <= SIDE and np.abs(small - grey).max() <= 1
