"""A picture by rows against the whole picture, to the last bit, and the files of both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isp
from isp.convert import picture, picture_by_rows
from isp.frame import Rectangle
from isp.image import Output, write_picture
from isp.rendering import Rendering, Upright

from .frames import CFAS, MATRIX, RGGB, cfas, meta, seeds

KNOBS = [{}, {"denoise": "median:3"}, {"denoise": "mean:3:mosaic", "auto_bright": True}, {"gamma": "linear"}]
KNOBS += [{"demosaic": "half", "vignetting": "radial:0.3"}]


def raw(height, width, cfa, seed, **changes):
    data = np.random.default_rng(seed).integers(0, 1100, (height, width)).astype(np.uint16)
    facts = {"white": 1023.0, "black": ((64.0,),), "white_balance": (2.0, 1.0, 1.5), "xyz_to_camera": MATRIX}
    return isp.Frame(data, isp.Space.RAW, meta((height, width), cfa, **(facts | changes)))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(4, 200), st.integers(4, 30), cfas, st.sampled_from(KNOBS), st.sampled_from([8, 16]), seeds, st.data()
)
def test_rows_are_those_of_the_whole_in_any_order(height, width, cfa, knobs, bit_depth, seed, data):
    frame, pipeline = raw(height, width, cfa, seed), isp.default_pipeline(**knobs)
    if knobs.get("gamma") == "linear":
        bit_depth = 16
    try:
        whole, rows = pipeline.render(frame, bit_depth), pipeline.rendering(frame, bit_depth)
    except isp.StageError:  # nothing unclipped to measure in a tiny frame
        return
    assert rows.shape == whole.shape and rows.dtype == whole.dtype
    for _ in range(5):
        first = data.draw(st.integers(0, len(whole) - 1))
        last = data.draw(st.integers(first + 1, len(whole)))
        np.testing.assert_array_equal(rows[first:last], whole[first:last])


def test_a_slice_is_one_of_an_array():
    frame, pipeline = raw(40, 30, RGGB, 3), isp.default_pipeline()
    whole, rows = pipeline.render(frame), pipeline.rendering(frame)
    for part in np.s_[:], np.s_[-7:], np.s_[:9], np.s_[5:5], np.s_[9:3], np.s_[35:99], np.s_[50:60]:
        np.testing.assert_array_equal(rows[part], whole[part])
    with pytest.raises(isp.ParameterError, match="step = 2 is not allowed"):
        rows[::2]


def test_rows_are_the_same_in_many_threads_at_once():
    frame, pipeline = raw(400, 60, RGGB, 3), isp.default_pipeline(denoise="median:3")
    whole, rows = pipeline.render(frame), pipeline.rendering(frame)
    assert isinstance(rows, Rendering)
    parts = [slice(top, top + 1 + top % 23) for top in range(0, 400, 7)] * 5
    with ThreadPoolExecutor(7) as pool:
        for part, result in zip(parts, pool.map(rows.__getitem__, parts), strict=True):
            np.testing.assert_array_equal(result, whole[part])


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
@pytest.mark.parametrize("demosaic", ["bilinear", "half"])
def test_upright_rows_are_those_of_the_upright_picture(orientation, demosaic):
    frame = raw(90, 60, CFAS[1], 4, crop=Rectangle(3, 5, 81, 50), orientation=orientation)
    pipeline = isp.default_pipeline(demosaic=demosaic)
    whole, rows = picture(pipeline, frame, 8), picture_by_rows(pipeline, frame, 8)
    assert isinstance(rows, Upright) and rows.shape == whole.shape
    for top in range(0, len(whole), 16):
        np.testing.assert_array_equal(rows[top : top + 16], whole[top : top + 16])


@pytest.mark.parametrize(
    "changes",
    [*({"orientation": number} for number in range(1, 9)), {"pixel_aspect": 1.5}, {"crop": Rectangle(1, 3, 150, 70)}],
)
@pytest.mark.parametrize(
    ("suffix", "bit_depth"), [(".jpg", None), (".png", 16), (".tif", None), (".tif", 32), (".webp", None)]
)
def test_a_file_is_the_same_by_rows(tmp_path, monkeypatch, changes, suffix, bit_depth):
    monkeypatch.setattr("isp.encoders.strips.STRIP_BYTES", 5000)
    frame, pipeline = raw(160, 80, RGGB, 5, **changes), isp.default_pipeline()
    for name, make in (("whole", picture), ("rows", picture_by_rows)):
        path = tmp_path / f"{name}{suffix}"
        write_picture(
            lambda depth, make=make: make(pipeline, frame, depth), frame.meta, "srgb", path, Output(bit_depth=bit_depth)
        )
    assert (tmp_path / f"whole{suffix}").read_bytes() == (tmp_path / f"rows{suffix}").read_bytes()
