"""The band schedule against stage after stage, to the last bit, and the table against float64 curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isp
from isp import fused
from isp.curve import look_up
from isp.frame import Rectangle
from isp.opcodes import GainMap

from .frames import CFAS, MATRIX, RGGB, XTRANS, cfas, meta, noise, seeds
from .paths import SAMPLES

POINTS = tuple(tuple((1.0 + 0.3 * row + 0.2 * column,) for column in range(3)) for row in range(2))


def raw(height, width, cfa, seed, **changes):
    data = np.random.default_rng(seed).integers(0, 1100, (height, width)).astype(np.uint16)
    facts = {"white": 1023.0, "black": ((64.0,),), "white_balance": (2.0, 1.0, 1.5), "xyz_to_camera": MATRIX}
    return isp.Frame(data, isp.Space.RAW, meta((height, width), cfa, **(facts | changes)))


def gain_map(height, width):
    area = (0, 1, height, width, 2, 1, 0, 1)
    return GainMap(*area, spacing=(1.0, 0.5), origin=(0.0, 0.0), points=POINTS, after_demosaic=False)


def both(pipeline):
    return pipeline, isp.Pipeline(pipeline.stages, fuse=False)


KNOBS = [
    {},
    {"tone": "none", "exposure": 0.7},
    {"vignetting": "radial:0.3", "white_balance": "gray_world"},
    {"vignetting": ["natural:angle=30", "pixel:angle=20"], "gamma": "bt709"},
    {"denoise": "median:3", "auto_bright": True},
    {"denoise": "mean:3:mosaic", "gamma": "2.2"},
    {"gamma": "linear", "tone": "none", "exposure": -1},
    {"demosaic": "half", "white_balance": "white_world:90"},
]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 64), st.integers(2, 64), cfas, st.sampled_from(KNOBS), st.sampled_from([8, 16, 32]), seeds)
def test_fused_equals_stage_after_stage(height, width, cfa, knobs, bit_depth, seed):
    frame = raw(height, width, cfa, seed, lens_shading=(gain_map(height, width),))
    if knobs.get("demosaic") == "half" and min(height, width) < 3:
        return
    try:
        fast, plain = (each.render(frame, bit_depth) for each in both(isp.default_pipeline(**knobs)))
    except isp.StageError:  # nothing unclipped to measure in a tiny frame: so say both
        with pytest.raises(isp.StageError):
            both(isp.default_pipeline(**knobs))[1](frame)
        return
    assert fast.dtype == plain.dtype
    np.testing.assert_array_equal(fast, plain)


@pytest.mark.parametrize("cfa", CFAS)
@pytest.mark.parametrize("knobs", KNOBS)
def test_bands_do_not_show(cfa, knobs):
    """More rows than a band has, odd sizes: frames are equal too, whatever they carry."""
    frame = raw(3 * 64 + 5, 37, cfa, 3)
    fast, plain = (each(frame) for each in both(isp.default_pipeline(**knobs)))
    np.testing.assert_array_equal(fast.data, plain.data)
    np.testing.assert_array_equal(fast.saturation, plain.saturation)
    assert (fast.space, fast.gains, fast.encoding, fast.meta) == (plain.space, plain.gains, plain.encoding, plain.meta)


@pytest.mark.parametrize("cfa", CFAS)
@pytest.mark.parametrize("windows", [(3, 3, 3), (5, 3, 7), (3, 5, 3)])
def test_windows_after_windows(cfa, windows):
    """Every window reads rows of the one before, which are made once: longer than any ring, to the last bit."""
    before, after = [isp.BlackLevel(), isp.WhiteBalance(), isp.Demosaic()], [isp.Color(), isp.Gamma()]
    filters = [isp.Denoise(method, window) for method, window in zip(("mean", "median", "mean"), windows, strict=True)]
    pipeline = isp.Pipeline([*before, *filters, *after])
    fast, plain = (each.render(raw(2 * 64 + 37, 35, cfa, 5), 8) for each in both(pipeline))
    np.testing.assert_array_equal(fast, plain)


@pytest.mark.parametrize("threads", ["1", "2", "3", "7"])
@pytest.mark.parametrize("cfa", [RGGB, XTRANS])
def test_same_bytes_for_any_number_of_threads(monkeypatch, threads, cfa):
    frame = raw(300, 41, cfa, 7)
    monkeypatch.setenv("ISP_NUM_THREADS", threads)
    several = isp.default_pipeline().render(frame, 16)
    monkeypatch.setenv("ISP_NUM_THREADS", "1")
    np.testing.assert_array_equal(several, isp.default_pipeline().render(frame, 16))


def test_a_demosaiced_file_and_a_strangers_stage():
    class Swap:
        reads = writes = isp.Space.LINEAR

        def __call__(self, frame):
            return frame.replace(data=np.ascontiguousarray(frame.data[:, :, ::-1]))

    pipeline = isp.default_pipeline()
    stranger = isp.Pipeline((*pipeline.stages[:-3], Swap(), *pipeline.stages[-3:]))
    demosaiced = meta((50, 31), demosaiced=True, white_balance=(2.0, 1.0, 1.5), xyz_to_camera=MATRIX)
    camera = isp.Frame(noise(4, 50, 31, 3), isp.Space.CAMERA, demosaiced, gains=(1.0, 1.0, 1.0))
    for frame in (raw(50, 31, RGGB, 5), camera):
        fast, plain = (each.render(frame, 8) for each in both(stranger))
        np.testing.assert_array_equal(fast, plain)


@pytest.mark.parametrize("crop", ["active", "full"])
def test_a_real_file(crop):
    frame = isp.read_raw(SAMPLES / "g2_0304.CRW", crop=crop)
    assert isinstance(frame.meta.active, Rectangle)
    for bit_depth in (8, 16):
        fast, plain = (each.render(frame, bit_depth) for each in both(isp.default_pipeline()))
        np.testing.assert_array_equal(fast, plain)


def srgb(x):
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)


def bt709(x):
    return np.where(x < 0.018050, 4.5 * x, 1.099258 * np.maximum(x, 1e-9) ** (1 / 2.222) - 0.099258)


def camera_srgb(x):
    power = x**1.4
    return srgb(1.456 * power / (power + 0.456))


@pytest.mark.parametrize(
    ("knobs", "curve"),
    [
        ({"tone": "none"}, srgb),
        ({}, camera_srgb),
        ({"tone": "none", "gamma": "bt709"}, bt709),
        ({"tone": "none", "gamma": "linear"}, lambda x: x),
        ({"tone": "none", "gamma": "2.2"}, lambda x: x ** (1 / 2.2)),
    ],
)
def test_rendering_is_within_its_bounds_of_float64(knobs, curve):
    """0.55 of 255 and 2 of 65535, over a fine ramp; a power too steep for the table is computed."""
    x = np.linspace(0, 1, 300_001).astype(np.float32)
    frame = isp.Frame(np.repeat(x[None, :, None], 3, axis=2), isp.Space.LINEAR, meta((1, len(x))))
    exact = np.clip(curve(x.astype(np.float64)), 0, 1)
    for bit_depth, bound in ((8, 0.55), (16, 2.0)):
        levels = isp.default_pipeline(**knobs).render(frame, bit_depth)[0, :, 1].astype(np.float64)
        assert np.abs(levels - exact * (2**bit_depth - 1)).max() <= bound


def test_a_steep_curve_gets_no_table():
    for plain in ((isp.Gamma(),), (isp.Tone("none"), isp.Gamma()), (isp.Gamma("bt709"),)):
        assert look_up(plain, 8) is not None and look_up(plain, 16) is not None
    assert look_up((isp.Gamma("power", 2.2),), 8) is None and look_up((isp.Gamma("power", 2.2),), 16) is None
    assert look_up((isp.Tone(), isp.Gamma()), 8) is not None and look_up((isp.Tone(), isp.Gamma()), 16) is not None


@pytest.mark.parametrize("bit_depth", [8, 16, 32])
def test_a_picture_goes_where_it_is_wanted(bit_depth):
    frame, pipeline = raw(50, 31, RGGB, 5), isp.default_pipeline()
    expected = pipeline.render(frame, bit_depth)
    out = np.zeros_like(expected)
    assert pipeline.render(frame, bit_depth, out=out) is out
    np.testing.assert_array_equal(out, expected)
    for wrong in (out[:-1], out.astype(np.int8), np.asfortranarray(out), [1], np.frombuffer(out.tobytes(), out.dtype)):
        with pytest.raises(
            isp.ParameterError, match=r"render: out is .*; give a writable C-contiguous array of \w+ \(50"
        ):
            pipeline.render(frame, bit_depth, out=wrong)


def test_a_pipeline_that_makes_no_picture_cannot_be_rendered():
    with pytest.raises(isp.PipelineError, match="only if it ends with"):
        isp.Pipeline((isp.BlackLevel(),)).render(raw(4, 4, RGGB, 1))


# --- what a second audit found ---


class Black(isp.Tone):
    """A subclass with a call of its own; the rows that it inherits are not its own."""

    def __call__(self, frame):
        return frame.replace(data=np.zeros_like(frame.data))


class Stranger:
    """Someone's stage whose attributes happen to be called as ours, and which changes."""

    reads = writes = isp.Space.LINEAR
    is_curve = True
    as_rows = 4
    factor = 1.0

    def __call__(self, frame):
        return frame.replace(data=frame.data * np.float32(self.factor))


@pytest.mark.parametrize("stage", [Black(), Stranger()])
def test_a_strangers_call_is_what_counts(stage):
    frame, stages = raw(40, 31, RGGB, 5), isp.default_pipeline().stages
    pipeline = isp.Pipeline((*stages[:-2], stage, stages[-1]))
    for _ in range(2):
        fast, plain = (each.render(frame, 8) for each in both(pipeline))
        np.testing.assert_array_equal(fast, plain)
        expected = stages[-1](stage(isp.Pipeline(stages[:-2])(frame))).data
        np.testing.assert_array_equal(pipeline(frame).data, expected)
        Stranger.factor = 0.5
    Stranger.factor = 1.0


def test_what_a_stranger_returns_is_checked():
    class Liar:
        reads, writes = isp.Space.MOSAIC, isp.Space.CAMERA

        def __init__(self, result):
            self.result = result

        def __call__(self, frame):
            return self.result(frame)

    frame = raw(8, 8, RGGB, 1)
    for result, says in ((lambda frame: frame, "Color reads CAMERA"), (lambda frame: None, "returned a NoneType")):
        for pipeline in both(isp.Pipeline((isp.BlackLevel(), Liar(result), isp.Color()))):
            with pytest.raises(isp.StageError, match=says):
                pipeline(frame)


def test_what_must_be_seen_first_is_computed_once(monkeypatch):
    seen = []
    for name in ("run", "maker"):
        call = getattr(fused, name)
        monkeypatch.setattr(fused, name, lambda *given, call=call: (seen.append(len(given[1])), call(*given))[1])
    isp.default_pipeline(auto_bright=True).render(raw(40, 31, RGGB, 5), 8)
    assert seen == [4, 2]  # black, balance, demosaic, colour; then exposure and the table


@pytest.mark.parametrize("name", ["dc120_3910.KDC", "g2_0304.CRW"])
@pytest.mark.parametrize("stages", [2, 4])
def test_no_picture_is_made_of_what_is_none(tmp_path, name, stages):
    settings = isp.convert.Settings(isp.Pipeline(isp.default_pipeline().stages[:stages]))
    with pytest.raises(isp.PipelineError, match="only if it ends with"):
        isp.convert_file(SAMPLES / name, tmp_path / "a.png", settings)
    assert not list(tmp_path.iterdir())


def test_knobs_and_frames_of_the_wrong_kind_are_said_in_one_line():
    for make in (
        lambda: isp.default_pipeline(vignetting=5),
        lambda: isp.default_pipeline(denoise=None),
        lambda: isp.default_pipeline().render("x"),
        lambda: isp.develop(5),
    ):
        with pytest.raises(isp.ParameterError):
            make()
    with pytest.raises(isp.PipelineError):
        isp.Pipeline(5)
    assert isp.default_pipeline(exposure=isp.Exposure(1.0), auto_bright=True).stages[-3] == isp.Exposure(
        1.0, auto_bright=True
    )


def test_numpys_numbers_can_be_written_into_a_recipe():
    pipeline = isp.Pipeline(
        (isp.WhiteBalance("gains", gains=(np.float32(1), 1, 2)), isp.Denoise("mean", np.int64(3), "mosaic"))
    )
    assert isp.Pipeline.from_toml(pipeline.to_toml()) == pipeline
    assert isp.Color(tuple(np.eye(3))) == isp.Color(([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]))
