import dataclasses
from pathlib import Path

import numpy as np
import pytest

from isp import (
    STAGES,
    BlackLevel,
    Color,
    Demosaic,
    Denoise,
    Exposure,
    Frame,
    Gamma,
    IspError,
    ParameterError,
    Pipeline,
    PipelineError,
    Space,
    Stage,
    StageError,
    Tone,
    Vignetting,
    WhiteBalance,
    default_pipeline,
)  # fmt: skip
from isp.frame import Rectangle
from isp.recipe import build_pipeline, toml_value

from . import naive
from .frames import COLOUR_CFAS, MATRIX, RGGB, camera, linear, meta, mosaic, noise, raw, run

GAINS = (2.0, 1.0, 1.5)


def raw_frame(height=21, width=26, cfa=RGGB, **changes):
    data = np.random.default_rng(5).integers(0, 4200, (height, width))
    facts = {"white": 4000.0, "black": ((60.0, 61.5), (62.0, 63.0)), "white_balance": GAINS, "xyz_to_camera": MATRIX}
    return raw(data, cfa, **(facts | changes))


@dataclasses.dataclass(frozen=True)
class Invert:
    """A stage of someone else's, without a base class."""

    reads = Space.LINEAR
    writes = Space.LINEAR

    def __call__(self, frame):
        return frame.replace(data=1 - frame.data)


# --- what every stage promises ---


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (33, 34)])
@pytest.mark.parametrize("cfa", COLOUR_CFAS)
def test_every_stage_leaves_its_input_and_gives_contiguous_float32_without_nan(size, cfa):
    frame = raw_frame(*size, cfa)
    for stage in default_pipeline(vignetting=["natural:angle=30", "radial:0.2"], denoise="median:3").stages:
        assert isinstance(stage, Stage)
        frame = run(stage, frame)
    assert frame.space is Space.DISPLAY and frame.data.shape == (*size, 3) and frame.encoding == "srgb"


@pytest.mark.parametrize("cfa", COLOUR_CFAS)
def test_the_default_pipeline_is_its_formulas_in_a_row(cfa):
    frame = raw_frame(19, 23, cfa, baseline_exposure=0.5)
    result = default_pipeline(vignetting="natural:angle=20", denoise="mean:3", exposure=-1)(frame)

    value = naive.black_level(frame.data, 4000.0, ((60.0, 61.5), (62.0, 63.0)))
    value = value / naive.light_left("natural", naive.radius(19, 23), angle=20)
    value = np.minimum(value * np.array(GAINS)[naive.colours(cfa, 19, 23)], 1)
    value = naive.bilinear(value, cfa, (1, 2, 1) if len(cfa) == 2 else (1, 2, 3, 2, 1))
    value = naive.window_filter(value, 3, np.mean)
    value = value @ naive.camera_to_srgb(MATRIX).T * 2**-0.5
    value = naive.srgb(np.maximum(naive.tone(value), 0))
    # 1e-6 in linear light (some 15 roundings of 2^-24) is steepened 12.92 times by sRGB at black at most, and twice
    # by the matrix; the tone curve is flat there
    np.testing.assert_allclose(result.data, value, rtol=0, atol=13e-6)


def test_the_names_of_all_stages():
    order = [next(name for name, kind in STAGES.items() if type(s) is kind) for s in default_pipeline().stages]
    assert order == list(STAGES)


# --- building ---


def test_neighbours_must_fit():
    with pytest.raises(PipelineError, match="BlackLevel writes MOSAIC, Color after it reads CAMERA"):
        Pipeline((BlackLevel(), Color()))
    with pytest.raises(PipelineError, match="Demosaic writes CAMERA, Denoise after it reads MOSAIC"):
        Pipeline((Demosaic(), Denoise("mean", where="mosaic")))


@pytest.mark.parametrize("stranger", [3, "tone", Tone, None, lambda frame: frame], ids=str)
def test_what_is_no_stage(stranger):
    with pytest.raises(PipelineError, match="is no stage"):
        Pipeline((stranger,))


def test_any_iterable_of_stages_becomes_a_tuple():
    assert Pipeline([Tone(), Gamma()]) == Pipeline(iter((Tone(), Gamma()))) == Pipeline((Tone(), Gamma()))


def test_a_stage_of_someone_else():
    assert isinstance(Invert(), Stage)
    pipeline = Pipeline((Exposure(1.0), Invert(), Gamma("linear")))
    np.testing.assert_array_equal(pipeline(linear([[[0.25, 0.5, 0.1]]])).data, np.float32([[[0.5, 0, 0.8]]]))
    assert pipeline.replace("exposure", stops=0.0).stages == (Exposure(0.0), Invert(), Gamma("linear"))
    assert pipeline.substitute([Invert()]) == pipeline
    with pytest.raises(PipelineError, match="Invert is not one of the stages that recipes know"):
        pipeline.to_toml()


def test_knobs_are_texts_numbers_or_stages():
    stages = default_pipeline(
        white_balance=WhiteBalance("gray_world"), demosaic="half", denoise=Denoise("mean", 5, "mosaic"),
        vignetting=["none", Vignetting("radial", coefficients=(0.1,))], exposure=1, auto_bright=True, tone="none",
        gamma="2.2",
    ).stages  # fmt: skip
    assert stages == (
        BlackLevel(), Denoise("mean", 5, "mosaic"), Vignetting("none"), Vignetting("radial", coefficients=(0.1,)),
        WhiteBalance("gray_world"), Demosaic("half"), Color(), Exposure(1.0, auto_bright=True), Tone("none"),
        Gamma("power", 2.2),
    )  # fmt: skip
    assert default_pipeline(exposure=Exposure(2.0)).stages[6] == Exposure(2.0)


# --- running ---


def test_a_trace_is_a_call_step_by_step():
    pipeline, frame = default_pipeline(), raw_frame()
    steps = list(pipeline.trace(frame))
    assert [stage for stage, _, _ in steps] == list(pipeline.stages)
    assert all(seconds >= 0 for _, _, seconds in steps)
    for stage, result, _ in steps:
        assert result.space is stage.writes
    np.testing.assert_array_equal(steps[-1][1].data, pipeline(frame).data)


def test_a_frame_enters_where_its_space_is_read():
    pipeline = default_pipeline()
    half_way = Pipeline(pipeline.stages[:4])(raw_frame())
    assert pipeline.starting_from(half_way) == pipeline.stages[4:]
    np.testing.assert_array_equal(pipeline(half_way).data, pipeline(raw_frame()).data)
    with pytest.raises(PipelineError, match="reads DISPLAY"):
        pipeline(pipeline(raw_frame()))
    with pytest.raises(PipelineError, match="reads RAW"):
        Pipeline(())(raw_frame())


def test_a_demosaiced_file_enters_at_camera_through_the_stages_that_also_work_there():
    frame = camera(noise(7, 9, 11, 3), demosaiced=True, white_balance=GAINS, xyz_to_camera=MATRIX)
    pipeline = default_pipeline(vignetting="natural:angle=30", tone="none", gamma="linear")
    met = [type(stage) for stage in pipeline.starting_from(frame)]
    assert met == [Vignetting, WhiteBalance, Denoise, Color, Exposure, Tone, Gamma]
    light = naive.light_left("natural", naive.radius(9, 11), angle=30)[:, :, None]
    # clipped where vignetting left saturation: at 1, or at the gain field below it (here it is above)
    value = np.minimum(frame.data / light * np.array(GAINS), 1) @ naive.camera_to_srgb(MATRIX).T
    np.testing.assert_allclose(pipeline(frame).data, np.clip(value, 0, 1), rtol=0, atol=2e-6)


def test_a_demosaiced_file_may_be_balanced_twice():
    frame = camera(noise(7, 9, 11, 3, high=0.4), demosaiced=True, white_balance=GAINS, xyz_to_camera=MATRIX)
    once = default_pipeline()
    twice = Pipeline((*once.stages[:3], WhiteBalance(), *once.stages[3:]))
    np.testing.assert_array_equal(twice(frame).data, once(frame).data)
    balanced = WhiteBalance()(frame)
    np.testing.assert_array_equal(once(balanced).data, once(frame).data)  # back at CAMERA, it carries its gains


# --- exchanging ---


def test_replace():
    pipeline = default_pipeline(vignetting=["none", "radial:0.1"])
    changed = pipeline.replace("vignetting", center=(0.4, 0.5)).replace("gamma", method="bt709")
    assert changed.stages[1:3] == (
        Vignetting("none", center=(0.4, 0.5)), Vignetting("radial", coefficients=(0.1,), center=(0.4, 0.5)),
    )  # fmt: skip
    assert changed.stages[-1] == Gamma("bt709") and pipeline.stages[-1] == Gamma()


def test_replace_says_what_does_not_exist():
    pipeline = Pipeline((Tone(), Gamma()))
    with pytest.raises(PipelineError, match="there is no stage 'sharpen'; known are black_level"):
        pipeline.replace("sharpen", amount=1)
    with pytest.raises(PipelineError, match="demosaic is not in this pipeline; it has tone, gamma"):
        pipeline.replace("demosaic", method="half")
    with pytest.raises(PipelineError, match="gamma has no parameter 'g'; known are method, power, slope"):
        pipeline.replace("gamma", g=2.2)
    moved = default_pipeline(denoise="mean:3").replace("denoise", where="mosaic")
    assert moved == default_pipeline(denoise="mean:3:mosaic") and moved.replace("denoise", where="camera") == (
        default_pipeline(denoise="mean:3")
    )
    with pytest.raises(ParameterError, match="Gamma: power"):
        pipeline.replace("gamma", power=0.1)


def test_substitute():
    pipeline = default_pipeline(vignetting=["none", "radial:0.1"])
    exchanged = pipeline.substitute([Gamma("linear"), Vignetting("natural", angle=10.0)])
    assert exchanged.stages[1] == Vignetting("natural", angle=10.0) and isinstance(exchanged.stages[2], WhiteBalance)
    assert exchanged.stages[-1] == Gamma("linear")
    three = [Vignetting("radial", coefficients=(k,)) for k in (0.1, 0.2, 0.3)]
    assert list(pipeline.substitute(three).stages[1:4]) == three
    assert pipeline.substitute([]) == pipeline
    with pytest.raises(PipelineError, match="Exposure is not in this pipeline; it has tone, gamma"):
        Pipeline((Tone(), Gamma())).substitute([Exposure()])
    names = [type(stage).__name__ for stage in pipeline.substitute([Denoise("mean", where="mosaic")]).stages]
    assert names[:3] == ["BlackLevel", "Denoise", "Vignetting"]  # it goes where its space asks for


# --- recipes ---

RECIPES = [
    default_pipeline(),
    Pipeline(
        (
            BlackLevel("border", white=15520.5),
            Vignetting("flat", flat="a/b \"c\" ü.dng", smoothing=3),
            Vignetting("radial", coefficients=(0.1, -1e-9), center=(0.25, 1.0)),
            Vignetting("natural", focal_length=50.0, sensor_size=(36.0, 24.0)),
            Vignetting("mechanical", onset=0.3, loss=0.1),
            Denoise("median", 5, "mosaic"),
            WhiteBalance("box", gains=GAINS, kelvin=5200.0, box=(1, 2, 3, 4), percentile=50.0, clip=False),
            Demosaic("half"),
            Color(((1.0, 0.1, 0.0), (0.0, 1.0, 0.0), (-0.25, 0.0, 1.0))),
            Exposure(-1.5, baseline=False, auto_bright=True, clipped=0.5),
            Tone("none", 2.0, 3.0),
            Gamma("two_part", 2.222, 4.5),
        )
    ),
    Pipeline(()),
]  # fmt: skip


@pytest.mark.parametrize("pipeline", RECIPES)
def test_a_recipe_comes_back_as_it_went(pipeline, tmp_path):
    assert Pipeline.from_toml(pipeline.to_toml()) == pipeline
    path = tmp_path / "recipe.toml"
    path.write_text(pipeline.to_toml(), "utf-8")
    assert Pipeline.load(path) == Pipeline.load(str(path)) == pipeline


def test_a_path_becomes_text_and_an_array_is_refused():
    assert Pipeline.from_toml(Pipeline((Vignetting("flat", flat=Path("a.dng")),)).to_toml()).stages[0].flat == "a.dng"
    with pytest.raises(PipelineError, match=r"vignetting\.flat is a ndarray"):
        Pipeline((Vignetting("flat", flat=np.ones((2, 2))),)).to_toml()


def test_a_short_recipe_has_the_defaults():
    text = '[[stage]]\nname = "tone"\n[[stage]]\nname = "gamma"\nmethod = "bt709"\n'
    assert Pipeline.from_toml(text) == Pipeline((Tone(), Gamma("bt709")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage = ", "not valid TOML"),
        ("", "list of"),
        ("stage = 3", "list of"),
        ("stage = [3]", "list of"),
        ("[stage]\nname = 'tone'", "list of"),
        ("version = 1\n[[stage]]\nname = 'tone'", "nothing else; found \\['version'\\]"),
        ("[[stage]]\nmethod = 'none'", "has no name; known are black_level"),
        ("[[stage]]\nname = 3", "has no name"),
        ("[[stage]]\nname = 'sharpen'", "there is no stage 'sharpen'; known are black_level"),
        ("[[stage]]\nname = 'tone'\ngain = 3", "tone has no parameter 'gain'; known are method, contrast, shoulder"),
        ("[[stage]]\nname = 'tone'\nreads = 'raw'", "tone has no parameter 'reads'"),
        ("[[stage]]\nname = 'gamma'\n[[stage]]\nname = 'tone'", "Gamma writes DISPLAY, Tone after it reads LINEAR"),
    ],
)
def test_a_recipe_that_cannot_be(text, message, tmp_path):
    with pytest.raises(PipelineError, match=message):
        Pipeline.from_toml(text)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(PipelineError, match=f"mine.toml: .*{message}"):
        Pipeline.load(path)


WRONG_TYPES = [
    "black_level.source=3", "black_level.black='600'", "black_level.white=[1]",
    "vignetting.coefficients=0.3", "vignetting.coefficients=['a']", "vignetting.angle='30'", "vignetting.center=0.5",
    "vignetting.center='ab'", "vignetting.sensor_size='ab'", "vignetting.smoothing='16'", "vignetting.smoothing=1.5",
    "white_balance.gains=2", "white_balance.gains='abc'", "white_balance.kelvin='warm'", "white_balance.box=5",
    "white_balance.box='1234'", "white_balance.percentile='99'", "white_balance.clip='no'", "white_balance.clip=0",
    "demosaic.method=['half']", "denoise.window='3'", "denoise.window=3.0", "denoise.where=1",
    "color.matrix=1", "color.matrix=[[1, 0], [0, 1, 0]]", "color.matrix=[['a', 0, 0], [0, 1, 0], [0, 0, 1]]",
    "exposure.stops='1'", "exposure.stops=nan", "exposure.baseline='no'", "exposure.auto_bright='no'",
    "tone.contrast=[1]", "tone.shoulder='a'", "gamma.power='2.2'", "gamma.slope=[4.5]",
]  # fmt: skip


@pytest.mark.parametrize("setting", WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_one_line_and_names_the_stage(setting):
    stage, _, assignment = setting.partition(".")
    with pytest.raises(ParameterError) as caught:
        Pipeline.from_toml(f"[[stage]]\nname = '{stage}'\n{assignment}\n")
    assert "\n" not in str(caught.value) and assignment.partition("=")[0] in str(caught.value)
    with pytest.raises(ParameterError) as caught:
        build_pipeline(None, {}, [setting])
    assert "\n" not in str(caught.value) and assignment.partition("=")[0] in str(caught.value)


def test_a_recipe_that_cannot_be_read(tmp_path):
    with pytest.raises(PipelineError, match=r"none\.toml: cannot read the recipe: No such file"):
        Pipeline.load(tmp_path / "none.toml")
    with pytest.raises(PipelineError, match="cannot read the recipe: Is a directory"):
        Pipeline.load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# \xff\n")
    with pytest.raises(PipelineError, match=r"latin\.toml: cannot read the recipe: it is not UTF-8"):
        Pipeline.load(tmp_path / "latin.toml")


def test_a_command_line_is_the_default_pipeline_with_knobs_and_settings():
    assert build_pipeline(None, {}) == default_pipeline()
    settings = ["gamma.method=bt709", "exposure.stops=1.5", "color.matrix=[[1,0,0],[0,1,0],[0,0,1]]"]
    built = build_pipeline(None, {"tone": "none"}, settings)
    assert built == default_pipeline(tone="none", gamma="bt709", exposure=1.5).replace(
        "color", matrix=((1, 0, 0), (0, 1, 0), (0, 0, 1))
    )
    for setting in ("gamma", "gamma.method", "method=bt709", "=1"):
        with pytest.raises(ParameterError, match=r"give STAGE\.PARAMETER=VALUE"):
            build_pipeline(None, {}, [setting])


def test_knobs_exchange_the_stages_of_a_recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(default_pipeline(tone="none", exposure=1, demosaic="half").to_toml())
    built = build_pipeline(path, {"demosaic": "bilinear"}, ["gamma.method=linear"])
    assert built == default_pipeline(tone="none", exposure=1, gamma="linear")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("true", True),
        ("'a b'", "a b"),
        ("half", "half"),
        ("[1, [2, 3]]", (1, (2, 3))),
        ("", ""),
    ],
)
def test_values_of_settings(text, value):
    assert toml_value(text) == value


# --- frames ---


def test_a_frames_pixels_are_read_only_and_not_copied():
    data = noise(1, 4, 5)
    frame = mosaic(data)
    assert np.shares_memory(frame.data, data) and data.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        frame.data[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        frame.space = Space.RAW
    strided = mosaic(noise(1, 4, 5).T)
    assert strided.data.flags.c_contiguous and strided.data.shape == (5, 4)


@pytest.mark.parametrize(
    ("space", "shape", "dtype"),
    [
        (Space.RAW, (4, 4), np.float32), (Space.RAW, (4, 4, 3), np.uint16), (Space.RAW, (4, 4), np.uint8),
        (Space.MOSAIC, (4, 4), np.float64), (Space.MOSAIC, (4, 4), np.uint16), (Space.MOSAIC, (4, 4, 1), np.float32),
        (Space.MOSAIC, (0, 4), np.float32), (Space.CAMERA, (4, 4), np.float32), (Space.CAMERA, (4, 4, 4), np.float32),
        (Space.LINEAR, (4, 4, 3), np.float64), (Space.DISPLAY, (4, 4, 3), np.uint8), (Space.DISPLAY, (4,), np.float32),
    ],
)  # fmt: skip
def test_pixels_must_fit_the_space(space, shape, dtype):
    with pytest.raises(ParameterError) as caught:
        Frame(np.zeros(shape, dtype), space, meta((4, 4)))
    text = str(caught.value)
    assert text.startswith("Frame: ") and str(shape) in text and np.dtype(dtype).name in text and space.name in text
    assert isinstance(caught.value, ValueError)


def test_replace_checks_again_and_leaves_the_old_frame():
    frame = mosaic(noise(1, 4, 5))
    other = frame.replace(gains=GAINS)
    assert other.gains == GAINS and frame.gains is None and other.meta is frame.meta
    with pytest.raises(ParameterError, match="is not RAW"):
        frame.replace(space=Space.RAW)


def test_a_rectangle_is_an_index():
    data = np.arange(30).reshape(5, 6)
    np.testing.assert_array_equal(data[Rectangle(1, 2, 3, 2).slices], data[1:4, 2:4])


def test_monochrome_is_one_colour_whatever_its_name():
    assert meta((1, 1), ((2, 2), (2, 2))).monochrome and not meta((1, 1), RGGB).monochrome


def test_one_except_catches_all():
    assert issubclass(ParameterError, IspError) and issubclass(PipelineError, IspError)
    assert issubclass(ParameterError, ValueError)


# --- what an audit found ---


SPACES = {
    Space.RAW: lambda: raw(np.full((6, 6), 300)),
    Space.MOSAIC: lambda: mosaic(noise(1, 6, 6, low=0.1, high=0.9)),
    Space.CAMERA: lambda: camera(noise(1, 6, 6, 3, low=0.1, high=0.9)),
    Space.LINEAR: lambda: linear(noise(1, 6, 6, 3)),
    Space.DISPLAY: lambda: linear(noise(1, 6, 6, 3)).replace(space=Space.DISPLAY),
}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("stage", [*default_pipeline().stages, Demosaic("half"), Denoise("mean", where="mosaic")])
def test_a_stage_refuses_a_frame_of_another_space(stage, space):
    """The mosaic's stages also take CAMERA, for files that are demosaiced already."""
    if space in (stage.reads, getattr(stage, "also", None)):
        assert stage(SPACES[space]()).space in (stage.writes, space)
    else:
        with pytest.raises(StageError, match=f"{type(stage).__name__} reads {stage.reads.name}, but .* {space.name}"):
            stage(SPACES[space]())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Exposure("1"), "Exposure: stops = '1'"),
        (lambda: Tone(contrast="x"), "Tone: contrast = 'x'"),
        (lambda: WhiteBalance("gains", gains=5), "WhiteBalance: gains = 5"),
        (lambda: Vignetting("radial", coefficients=0.3), "Vignetting: coefficients = 0.3"),
        (lambda: default_pipeline(exposure="abc"), "Exposure: stops = 'abc'"),
        (lambda: Frame([[1, 2]], Space.RAW, meta((1, 2))), "data is a list"),
    ],
)
def test_a_wrong_type_is_said_in_one_line(make, says):
    with pytest.raises(ParameterError) as caught:
        make()
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_lists_and_arrays_become_tuples_and_numpy_numbers_are_numbers():
    assert Vignetting("radial", coefficients=[0.3]) == Vignetting("radial", coefficients=(0.3,))
    assert Color(np.eye(3)) == Color(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    assert Exposure(np.float32(0.5)).stops == 0.5 and Denoise("mean", np.int64(5)).window == 5


def test_frames_compare_by_identity():
    frame = mosaic(noise(1, 4, 4))
    assert frame == frame and frame != mosaic(noise(1, 4, 4))


def test_settings_of_one_stage_come_in_any_order():
    for order in (1, -1):
        settings = ["gamma.method=power", "gamma.power=2.2"][::order]
        assert build_pipeline(None, {}, settings).stages[-1] == Gamma("power", 2.2)


def test_the_denoiser_goes_where_its_space_asks_for():
    wanted = default_pipeline(denoise="median:3:mosaic")
    assert build_pipeline(None, {}, ["denoise.where=mosaic", "denoise.method=median"]) == wanted
    assert wanted.replace("denoise", where="camera") == default_pipeline(denoise="median:3")


def test_what_a_demosaiced_file_skips_is_said(caplog):
    facts = {"demosaiced": True, "white_balance": (2.0, 1.0, 1.5)}
    frame = camera(noise(3, 8, 8, 3), **facts)
    default_pipeline()(frame)
    assert "has no effect" not in caplog.text
    default_pipeline(demosaic="half")(frame)
    assert "Demosaic has no effect" in caplog.text
