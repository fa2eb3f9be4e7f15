"""The slot: plugins by name, the stage that uses them, the command line, and the kit that checks any denoiser."""

import contextlib
import dataclasses
import re
import subprocess
import sys
import threading
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from isp import (
    BlackLevel,
    Demosaic,
    Denoise,
    ParameterError,
    Pipeline,
    PipelineError,
    Space,
    StageError,
    Vignetting,
    default_pipeline,
    denoisers,
)
from isp.denoisers import registry
from isp.errors import DenoiserError
from isp.noise import noise_of
from isp.recipe import build_pipeline
from isp.remosaic import remosaicked

from .command import KDC, error_line, names, run
from .denoisers import GOOD, Box, Levels, install
from .frames import BAYER, COLOUR_CFAS, MATRIX, MONO, XTRANS, camera, mosaic, noise, raw
from .frames import run as run_stage

__all__ = ["install"]

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "isp-denoise-wavelet"
RAISING = GOOD.replace("return image *", "raise RuntimeError('out of ideas') #")
NOISE = (1e-3, 1e-5)
WINDOW_FILTERS = [
    dataclasses.replace(denoisers.load(name), window=window, domain=domain)
    for name in ("mean", "median")
    for window, domain in ((3, "rgb"), (7, "rgb"), (3, "mosaic"), (5, "mosaic"))
]


# --- by name ---------------------------------------------------------------------------------------------------------


def test_a_plugin_is_imported_only_when_it_is_named(install):
    module, other = install("half"), install("other")
    assert {"mean", "median", "half", "other"} <= set(denoisers.known())
    assert denoisers.find("half").origin == "isp-denoise-half 1.2"
    assert module not in sys.modules
    denoiser = denoisers.load("half")
    assert type(denoiser).__name__ == "Half" and denoisers.load("half") is denoiser
    assert module in sys.modules and other not in sys.modules


def test_built_ins_come_first_and_cannot_be_shadowed(install):
    module = install("median")
    assert denoisers.known()["median"].origin == denoisers.find("median").origin == "built in"
    assert isinstance(denoisers.load("median"), denoisers.RowDenoiser) and module not in sys.modules
    install("none")
    assert "none" not in denoisers.known()


def test_an_unknown_name_lists_what_there_is(install):
    install("half")
    with pytest.raises(ParameterError) as caught:
        Denoise("wavelet3")
    assert re.fullmatch(
        r"Denoise: method = 'wavelet3' is not allowed; give one of none, mean, median,.* half.*, or install its plugin",
        str(caught.value),
    )


@pytest.mark.parametrize(
    ("source", "attribute", "says"),
    [
        ("import nothing_of_this_name", "Half", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("raise ImportError('libfoo.so.1:\\n cannot open')", "Half", "ImportError: libfoo.so.1: cannot open"),
        ("def x(:", "Half", "SyntaxError: "),
        (GOOD, "Quarter", "AttributeError: .*Quarter"),
        ("def make(): raise OSError('no weights')", "make", "OSError: no weights"),
        ("class Half: pass", "Half", "lacks domain, halo, multiple"),
        (GOOD.replace('"mosaic"', '"raw"'), "Half", "declares domain = 'raw'"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_named_with_its_package(install, source, attribute, says):
    install("half", source, attribute)
    for make in (lambda: Denoise("half"), lambda: Denoise.parse("half:0.5")):
        with pytest.raises(DenoiserError) as caught:
            make()
        text = str(caught.value)
        assert re.match(f"denoiser 'half' of isp-denoise-half 1.2 .*{says}", text) and "\n" not in text


def test_the_default_path_looks_for_no_plugins():
    code = """
import sys, isp
from isp.recipe import build_pipeline
build_pipeline(None, {"denoise": "median:3"})
print("importlib.metadata" in sys.modules, "isp.denoisers.host" in sys.modules)
isp.default_pipeline()
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split()[1] == "False"
    code = "import sys, isp; isp.default_pipeline(); print('isp.denoisers.registry' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_our_names_need_no_look_at_what_is_installed(monkeypatch):
    registry.find.cache_clear()
    monkeypatch.setattr("importlib.metadata.entry_points", None)
    assert Denoise("median").method == "median" and Denoise.parse("mean:5").window == 5


# --- the stage -------------------------------------------------------------------------------------------------------


def test_a_plugin_in_the_pipeline(install):
    install("half")
    stage = Denoise.parse("half:0.5")
    assert stage == Denoise("half", strength=0.5) and stage.where == "mosaic"
    assert stage.reads is stage.writes is Space.MOSAIC
    pipeline = default_pipeline(denoise="half")
    assert [type(each) for each in pipeline.stages[:3]] == [BlackLevel, Denoise, Vignetting]
    data = noise(1, 40, 30, low=0, high=0.9)
    result = run_stage(stage, mosaic(data, noise=(NOISE,)))
    np.testing.assert_allclose(result.data, 0.75 * data, rtol=1e-6)
    assert Denoise("half", strength=0)(result) is result


def test_a_recipe_names_the_plugin(install):
    install("half")
    pipeline = default_pipeline(denoise="half").replace("denoise", noise=(NOISE,) * 3, strength=0.7)
    text = pipeline.to_toml()
    assert 'method = "half"' in text and Pipeline.from_toml(text) == pipeline
    settings = ["denoise.method=half", "denoise.strength=0.7", "denoise.noise=[[1e-3,1e-5],[1e-3,1e-5],[1e-3,1e-5]]"]
    assert build_pipeline(None, {}, settings) == pipeline
    with pytest.raises(ParameterError, match="method = 'gone' is not allowed; give one of none, mean, median"):
        Pipeline.from_toml(text.replace("half", "gone"))


def test_a_denoiser_itself_will_do_in_python():
    frame = mosaic(noise(1, 40, 30, low=0, high=0.9), noise=(NOISE,))
    expected = denoisers.denoised(frame.data, Box(), None)
    np.testing.assert_array_equal(run_stage(Denoise(Box()), frame).data, expected)
    assert Denoise(Box("rgb")).reads is Space.CAMERA
    with pytest.raises(PipelineError, match=r"denoise\.method is a Box; a recipe holds names"):
        default_pipeline(denoise=Denoise(Box())).to_toml()
    with pytest.raises(ParameterError, match="method = 3 is not allowed; give text"):
        Denoise(3)


@pytest.mark.parametrize("cfa", [*BAYER.values(), MONO])
def test_every_bayer_phase_is_unified_and_grey_sites_are_green(cfa):
    data = np.full((21, 34), np.float32(0.4))
    colours = np.array([[cfa[y % len(cfa)][x % len(cfa[0])] for x in range(34)] for y in range(21)])
    levels = np.array([(1e-3, 1e-5), (2e-3, 2e-5), (3e-3, 3e-5)])
    given = levels if cfa != MONO else levels[[1]]
    pairs = levels[colours]
    expected = data + np.sqrt(0.4 * pairs[..., 0] + pairs[..., 1])
    frame = mosaic(data, cfa, noise=tuple(map(tuple, given.tolist())))
    np.testing.assert_allclose(run_stage(Denoise(Levels()), frame).data, expected, rtol=1e-6)
    stage = Denoise(Levels(), noise=(tuple(map(tuple, np.broadcast_to(given, (3, 2)).tolist()))))
    np.testing.assert_allclose(run_stage(stage, frame.replace(meta=mosaic(data, cfa).meta)).data, expected, rtol=1e-6)


def test_another_pattern_is_refused():
    frame = mosaic(noise(1, 12, 12), XTRANS, noise=(NOISE,))
    with pytest.raises(StageError, match="Denoise: denoiser Box is for Bayer patterns, and this sensor's is another"):
        Denoise(Box())(frame)
    assert Denoise("median", 3, "mosaic")(frame).space is Space.MOSAIC


def test_white_balance_amplifies_the_noise_of_an_rgb_image():
    data = np.full((9, 14, 3), np.float32(0.4))
    frame = camera(data, noise=(NOISE,)).replace(gains=(2.0, 1.0, 3.0))
    gains = np.array(frame.gains)
    expected = data + np.sqrt(0.4 * gains * NOISE[0] + gains**2 * NOISE[1])
    np.testing.assert_allclose(run_stage(Denoise(Levels("rgb")), frame).data, expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["natural:angle=30", "radial:0.3"])
def test_vignetting_amplifies_the_noise_of_an_rgb_image_pixel_by_pixel(method):
    dark = raw(np.full((60, 70), 2000), white=8000.0, white_balance=(2.0, 1.0, 1.5))
    stages = default_pipeline(vignetting=method).stages[:4]
    frame = Pipeline(stages)(dark)
    field = frame.known_lens_gain[:, :, None]
    gains = np.array([2.0, 1.0, 1.5])
    expected = frame.data + np.sqrt(0.25 * field**2 * gains**2 * NOISE[0] + (field * gains) ** 2 * NOISE[1])
    stage = Denoise(Levels("rgb"), noise=NOISE)
    np.testing.assert_allclose(run_stage(stage, frame).data[1:-1, 1:-1], expected[1:-1, 1:-1], rtol=2e-4)
    with pytest.raises(StageError, match="denoiser Box works before vignetting; put it right after the black level"):
        Denoise(Box(), noise=NOISE)(Pipeline(stages[:2])(dark))


def test_noise_that_nobody_states_is_estimated():
    clean = np.add.outer(np.arange(256), np.arange(256)) / 800 + 0.02
    random = np.random.default_rng(3).standard_normal(clean.shape)
    frame = mosaic(clean + np.sqrt(1e-3 * clean + 1e-5) * random)
    added = (Denoise(Levels())(frame).data - frame.data)[clean > 0.1]
    np.testing.assert_allclose(added, np.sqrt(1e-3 * clean + 1e-5)[clean > 0.1], rtol=0.3)


@pytest.mark.parametrize("cfa", [*BAYER.values(), MONO])
def test_for_an_rgb_image_it_is_estimated_from_the_mosaic_that_is_still_there(cfa):
    y, x = np.indices((128, 160))
    clean = 0.25 + 0.2 * np.sin(x / 60) * np.cos(y / 80)
    noisy = clean + np.sqrt(1e-3 * clean + 1e-5) * np.random.default_rng(5).standard_normal(clean.shape)
    pipeline = default_pipeline(vignetting="radial:0.4").replace("white_balance", method="gains", gains=(2.0, 1.0, 1.5))
    before = raw(np.round(noisy * 7000 + 500), cfa, white=7500.0, black=((500.0,),))
    mosaicked, balanced = BlackLevel()(before), Pipeline(pipeline.stages[:4])(before)
    back = remosaicked(balanced)
    kept = back.data < 2
    assert 0.6 < kept.mean() and (mosaicked.data[~kept] > 0.3).all()
    np.testing.assert_allclose(back.data[kept], mosaicked.data[kept], rtol=1e-6)
    model, _ = noise_of(mosaicked.replace(data=np.where(kept, mosaicked.data, np.float32(2))))
    expected = Denoise(Levels("rgb"), noise=tuple(zip(model.shot, model.read, strict=True)))(balanced).data
    np.testing.assert_allclose(Denoise(Levels("rgb"))(balanced).data, expected, rtol=1e-3)
    half = Pipeline((*pipeline.stages[:3], Demosaic("half")))(before)
    with pytest.raises(StageError, match=r"noise: .*give it"):
        Denoise(Levels("rgb"))(half)


def test_a_demosaiced_file_meets_denoisers_of_rgb_images_only(caplog):
    data = np.full((9, 14, 3), np.float32(0.4))
    frame = camera(data, demosaiced=True, noise=(NOISE,), white_balance=(1.0, 1.0, 1.0), xyz_to_camera=MATRIX)
    pipeline = default_pipeline(denoise=Denoise(Box()))
    assert Denoise not in map(type, pipeline.starting_from(frame)) and "Denoise has no effect" in caplog.text
    assert Denoise in map(type, default_pipeline(denoise=Denoise(Box("rgb"))).starting_from(frame))


@pytest.mark.parametrize("where", ["camera", "mosaic"])
@pytest.mark.parametrize("method", ["mean", "median"])
def test_the_strength_of_a_window_filter_blends(method, where):
    frame = mosaic(noise(1, 23, 31)) if where == "mosaic" else camera(noise(1, 23, 31, 3))
    full = Denoise(method, 3, where)(frame).data
    half = run_stage(Denoise(method, 3, where, strength=0.3), frame).data
    np.testing.assert_allclose(half, frame.data + 0.3 * (full - frame.data), rtol=0, atol=1e-6)
    assert Denoise(method, 3, where, strength=0)(frame).data is frame.data


@pytest.mark.parametrize("cfa", COLOUR_CFAS[:4])
@pytest.mark.parametrize("denoiser", WINDOW_FILTERS)
def test_rows_made_together_are_those_of_the_slot_but_for_the_border(denoiser, cfa):
    mosaicked = denoiser.domain == "mosaic"
    frame = mosaic(noise(2, 40, 52, high=0.9), cfa) if mosaicked else camera(noise(2, 40, 52, 3, high=0.9))
    name = denoiser.rows.__name__
    rows = Denoise(name, denoiser.window, "mosaic" if mosaicked else "camera")(frame).data
    tiles = denoisers.denoised(frame.data, denoiser, None, tile=16)
    inner = slice(denoiser.halo, -denoiser.halo)
    np.testing.assert_array_equal(rows[inner, inner], tiles[inner, inner])


@pytest.mark.parametrize(
    ("size", "threads", "tiles"),
    [
        ((1000, 1200), 1, [(1000, 1200)]), ((3000, 1200), 1, [(1500, 1200)] * 2),
        ((1000, 1200), 2, [(500, 600)] * 4), ((600, 1500), 3, [(300, 376)] * 8), ((500, 200), 8, [(500, 200)]),
    ],
)  # fmt: skip
def test_a_denoiser_has_the_tiles_that_suit_it_and_every_thread_some_of_them(monkeypatch, size, threads, tiles):
    seen = []

    class Wide(Box):
        tile = (2048, 1536)

        def __call__(self, image, noise):
            seen.append(tuple(side - 2 * self.halo for side in image.shape))
            return super().__call__(image, noise)

    monkeypatch.setenv("ISP_NUM_THREADS", str(threads))
    denoiser, image = Wide(), noise(3, *size)
    result = denoisers.denoised(image, denoiser, None)
    assert seen == tiles
    seen.clear()
    denoisers.denoised(image, denoiser, None, corner=(1, 1))
    assert len(seen) == len(tiles)
    np.testing.assert_array_equal(result, denoisers.denoised(image, denoiser, None, tile=4096))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"strength": 1.5}, "strength = 1.5 is not allowed; give 0..1"), ({"strength": -0.1}, "give 0..1"),
        ({"strength": float("nan")}, "give 0..1"), ({"strength": "much"}, "give a number"),
        ({"noise": (1.0,)}, "a list of 2 numbers"), ({"noise": 1.0}, "a list of 2 numbers"),
        ({"noise": (-1e-3, 0.0)}, "variances SHOT,READ of 0..1"),
        ({"noise": (NOISE, NOISE)}, "a list of 2 numbers"), ({"noise": (float("inf"), 0.0)}, "variances"),
    ],
)  # fmt: skip
def test_parameters_out_of_range(changes, says):
    with pytest.raises(ParameterError) as caught:
        Denoise("median", **changes)
    assert str(caught.value).startswith("Denoise: ") and says in str(caught.value)


def test_several_denoisers_keep_their_order():
    stages = [Denoise("mean"), Denoise("median", where="mosaic"), Denoise("median"), Denoise("mean", where="mosaic")]
    order = [stage for stage in default_pipeline().substitute(stages).stages if isinstance(stage, Denoise)]
    assert order == [stages[1], stages[3], stages[0], stages[2]]


# --- the command line ------------------------------------------------------------------------------------------------


def test_convert_with_a_plugin(install, tmp_path):
    install("half")
    options = ["--noise", "1e-3,1e-5", "--linear", "--bit-depth", "16"]
    assert run("convert", KDC, "-o", tmp_path / "a.tif", *options).exit_code == 0
    result = run("convert", KDC, "-o", tmp_path / "b.tif", *options, "--denoise", "half")
    assert result.exit_code == 0, result.output
    one, two = (imageio.imread(tmp_path / name).astype(float) for name in ("a.tif", "b.tif"))
    assert (abs(two - one / 2) <= 1).mean() > 0.9  # clipped sites stay, and so does what they give to others
    recipe = run("convert", "--denoise", "half:0.5", "--noise", "1e-3,1e-5", "--print-recipe").stdout
    assert 'method = "half"' in recipe and "strength = 0.5" in recipe and "0.001," in recipe


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (RAISING, "failed: RuntimeError: out of ideas"),
        (GOOD.replace("0.5)", "np.nan)"), "returned values that are not finite"),
        (GOOD.replace("return image *", "return image[1:] *"), "returned a float32 array of shape"),
        (GOOD.replace("np.float32(0.5)", "np.float64(0.5)"), "returned a float64 array"),
        (GOOD.replace("return image *", "return image #"), "returned the array that it was given"),
    ],
)
def test_a_plugin_that_fails_leaves_no_picture(install, tmp_path, source, says):
    install("half", source)
    result = run("convert", KDC, "-d", tmp_path / "out", "--denoise", "half", "--noise", "1e-3,1e-5")
    assert result.exit_code == 1 and names(tmp_path / "out") == []
    assert f"{KDC}: denoiser 'half' of isp-denoise-half 1.2 {says}" in error_line(result)


def test_a_plugin_that_cannot_be_imported_or_is_not_there(install, tmp_path):
    install("half", "import nothing_of_this_name")
    result = run("convert", KDC, "-d", tmp_path / "out", "--denoise", "half")
    assert result.exit_code == 1 and not (tmp_path / "out").exists()
    assert "denoiser 'half' of isp-denoise-half 1.2 cannot be loaded: ModuleNotFoundError" in error_line(result)
    result = run("convert", KDC, "-d", tmp_path / "out", "--denoise", "sharpen")
    assert result.exit_code == 2 and "method = 'sharpen' is not allowed" in error_line(result)


def test_the_list_of_denoisers(install):
    install("half")
    install("broken", "import nothing_of_this_name")
    lines = {line.split()[0]: line for line in run("denoisers").stdout.splitlines()}
    assert re.search(r"rgb or mosaic +1 +built in$", lines["median"])
    assert re.search(r"mosaic +3 +isp-denoise-half 1.2$", lines["half"])
    assert "denoiser 'broken' of isp-denoise-broken 1.2 cannot be loaded" in lines["broken"]
    assert run("denoisers", "half").stdout == "half, isp-denoise-half 1.2\n\nHalves every value.\n"
    assert "comparisons without branches" in run("denoisers", "median").stdout
    assert run("denoisers", "broken").exit_code == 1
    result = run("denoisers", "nothing")
    assert result.exit_code == 2 and "give one of none, mean, median" in error_line(result)


# --- the kit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("denoiser", [*WINDOW_FILTERS, denoisers.load("cnn"), Box(), Box("rgb")])
def test_ours_keep_the_contract(denoiser):
    report = denoisers.check(denoiser)
    assert report, report
    assert str(report).count("\n  ok ") == len(report.findings) >= 9


class Breaking(Box):
    """Keeps the contract but for what its work does to the result."""

    def __init__(self, work, domain="mosaic"):
        super().__init__(domain)
        self.work = work

    def __call__(self, image, noise):
        return self.work(image, super().__call__(image, noise))


def written(image, result):
    image.flags.writeable = True
    image[:] = 0
    return result


def alternating(by):
    state = {"calls": 0}

    def work(image, result):
        state["calls"] += 1
        return result + np.float32(state["calls"] % 2 * by)

    return work


def shared_buffer():
    """What is kept in one place for all threads: another call writes before the first has read."""
    state, barrier = {}, threading.Barrier(2)

    def work(image, result):
        state["last"] = result
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(0.05)
        barrier.reset()
        return state["last"].copy()

    return work


@pytest.mark.parametrize(
    ("work", "clause"),
    [
        (lambda image, result: result.astype(float), "float32"),
        (lambda image, result: result * np.nan, "finite"),
        (lambda image, result: image, "a new"),
        (written, "leaves what it was given"),
        (alternating(0.001), "the same of the same"),
        (shared_buffer(), "several threads"),
        (lambda image, result: result + image.mean() / 1000, "nothing beyond its halo"),
        (lambda image, result: np.roll(result, 4, axis=1), "nothing beyond its halo"),
        (lambda image, result: result * np.float32(1.01), "the mean of a flat"),
        (lambda image, result: result + image.mean() / 1000, "no seams"),
        (alternating(0.5), "phase"),
        (lambda image, result: result if len(image) > 40 else result[:-1], "of any size"),
        (lambda image, result: result / np.float32(image.max() < 10), "black, negatives, highlights"),
    ],
)
def test_the_kit_finds_what_is_wrong(work, clause):
    with np.errstate(all="ignore"):
        report = denoisers.check(Breaking(work))
    assert not report
    wrong = [what for what, finding in report.findings if finding]
    assert any(clause in what for what in wrong), report
    assert "\n  wrong " in str(report)


def test_the_kit_finds_a_wrong_declaration():
    denoiser = Box()
    denoiser.halo = -1
    assert "declares halo = -1" in str(denoisers.check(denoiser)) and not denoisers.check(denoiser)
    denoiser.halo = 3
    assert "beyond its halo of 3" not in str(denoisers.check(Box()))
    assert "farther away than its halo of 3" in str(denoisers.check(denoiser))
