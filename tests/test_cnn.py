"""The small CNN: its kernels against plain NumPy and torch, tiles, weights, and what it does where noise is low."""

import contextlib
import dataclasses
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp import Denoise
from isp.denoisers.cnn import Cnn, trained
from isp.denoisers.cnn.denoiser import taken, without_texture
from isp.denoisers.cnn.inference import Inference
from isp.denoisers.cnn.network import MULTIPLE, TILE, from_shapes, layers, reaches
from isp.denoisers.host import denoised
from isp.errors import DenoiserError, ParameterError
from isp.noise import NoiseModel
from isp.pipeline import Pipeline
from isp.stabilise import stabilise, unstabilise

from . import naive
from .command import error_line, run
from .frames import mosaic as mosaic_frame

NOISE = NoiseModel((1e-3, 8e-4, 1.2e-3), (1e-5, 8e-6, 2e-5))
NETWORKS = (
    layers((32, 48, 64), (2, 1, 1, 1, 2)),
    layers((16, 80, 16), (0, 1, 0, 0, 1)),
    layers((20, 24, 50), (1, 0, 2, 1, 0)),  # widths that are no whole vectors
    layers((32, 32, 16), (1, 2, 4, 2, 1)),
)
EQUAL = 1e-4  # to another engine, of planes whose values are some units: see test_winograd for what tiles may add


def equal(network):
    """How near the kernels come: what is not made in tiles is summed as others do."""
    return EQUAL if any(layer.tiled for layer in network) else 2e-5


seeds = st.integers(0, 2**32 - 1)


def half(values):
    """Values that a file of weights holds exactly."""
    return values.astype(np.float16).astype(np.float32)


def random_arrays(network, seed=0, *, bias=0.1):
    """Weights that keep the size of what goes through them."""
    random = np.random.default_rng(seed)
    arrays = {}
    for layer in network:
        spread = np.sqrt((2 if layer.relu else 1) / (layer.inputs * layer.size**2))
        arrays[f"{layer.name}.weight"] = half(random.standard_normal(layer.shape) * spread)
        arrays[f"{layer.name}.bias"] = half(random.standard_normal(layer.outputs) * bias)
    return arrays


def planes(seed, height, width):
    return np.random.default_rng(seed).standard_normal((height, width, 4)).astype(np.float32)


def mosaic(seed, height, width):
    return np.random.default_rng(seed).random((height, width), np.float32)


def inner(array, margin):
    height, width = array.shape[:2]
    return array[margin : height - margin, margin : width - margin]


# --- the network -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [(0, 0), (1, 3), (20, 40), (45, 1)])  # the last is taller than what the levels hold
def test_the_network_is_what_plain_numpy_makes_of_it(network, size):
    arrays = random_arrays(network)
    inference = Inference(network, arrays)
    packed = planes(1, *(2 * inference.context + MULTIPLE * (1 + n) for n in size))
    expected = packed - naive.unet(packed.transpose(2, 0, 1).astype(float), arrays).transpose(1, 2, 0)
    context, result = inference.context, inference(packed)
    np.testing.assert_allclose(inner(result, context), inner(expected, context), atol=equal(network))


@pytest.mark.parametrize("network", NETWORKS)
@given(less=st.tuples(st.integers(0, 3), st.integers(0, 3)))
@settings(deadline=None, max_examples=8)
def test_sides_may_have_any_length(network, less):
    inference = Inference(network, random_arrays(network))
    packed = planes(4, 2 * inference.context + 8, 2 * inference.context + 20)
    cut = packed[: packed.shape[0] - less[0], : packed.shape[1] - less[1]]
    result, context = inference(cut.copy()), inference.context
    expected = inference(packed.copy())  # `cut` is part of it
    whole = tuple(slice(context, side - context - side % MULTIPLE) for side in cut.shape[:2])
    np.testing.assert_array_equal(result[whole], expected[whole])
    there = tuple(slice(context, side - context) for side in cut.shape[:2])  # the last tiles see beyond, by rounding
    np.testing.assert_allclose(result[there], expected[there], atol=equal(network))
    result[there] = cut[there]
    np.testing.assert_array_equal(result, cut)


def test_the_network_is_torchs():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from torch.nn.functional import conv2d, pixel_shuffle, relu

    network = NETWORKS[0]
    arrays = random_arrays(network)
    inference = Inference(network, arrays)
    packed = planes(2, 96, 112)
    held, at = [], torch.from_numpy(packed.transpose(2, 0, 1)[None])
    for layer in network:
        weight, bias = (torch.from_numpy(arrays[f"{layer.name}.{kind}"]) for kind in ("weight", "bias"))
        if layer.size == 2:
            held.append(at)
        at = conv2d(at, weight, bias, stride=2 if layer.size == 2 else 1, padding=layer.size // 2 * (layer.size == 3))
        at = relu(at) if layer.relu else at
        at = pixel_shuffle(at, 2) + held.pop() if layer.size == 1 else at
    expected = packed - at[0].numpy().transpose(1, 2, 0)
    context = inference.context
    np.testing.assert_allclose(inner(inference(packed), context), inner(expected, context), atol=equal(network))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_result_depends_on_the_context_and_on_nothing_beyond(network):
    inference, reach = Inference(network, random_arrays(network)), reaches(network)[0]
    context = inference.context
    assert 0 <= context - reach < MULTIPLE
    packed = planes(3, 2 * context + MULTIPLE, 2 * context + MULTIPLE)
    expected = inner(inference(packed.copy()), context)
    beyond = np.full_like(packed, np.nan)
    inner(beyond, context - reach)[:] = inner(packed, context - reach)
    np.testing.assert_array_equal(inner(inference(beyond), context), expected)
    packed[context - reach : context - reach + TILE] += 1  # whole tiles may look further than their results go
    assert (inner(inference(packed), context) != expected).any()


# --- the denoiser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A denoiser with random weights in a file."""
    path = tmp_path_factory.mktemp("weights") / "own.npz"
    trained.save(path, random_arrays(NETWORKS[0], bias=0.3), 0.1)
    return Cnn(str(path))


def clean(image):
    """What the network makes of a mosaic that begins with RGGB, by plain NumPy."""
    height, width = (8 * (-(-size // 8)) for size in image.shape)
    image = np.pad(image, ((0, height - image.shape[0]), (0, width - image.shape[1])), "edge")
    packed = np.empty((4, height // 2, width // 2))
    for plane, colour in enumerate((0, 1, 1, 2)):
        sites = image[plane // 2 :: 2, plane % 2 :: 2]
        packed[plane] = stabilise(sites, NOISE.shot[colour], NOISE.read[colour])
    packed -= naive.unet(0.1 * packed, random_arrays(NETWORKS[0], bias=0.3)) / 0.1
    result = np.empty_like(image)
    for plane, colour in enumerate((0, 1, 1, 2)):
        sites = unstabilise(packed[plane].astype(np.float32), NOISE.shot[colour], NOISE.read[colour], unbiased=True)
        result[plane // 2 :: 2, plane % 2 :: 2] = sites
    return result


@pytest.mark.parametrize("turns", [1, 2, 4])
def test_a_tile_is_turned_stabilised_scaled_freed_of_noise_and_restored(own, turns):
    own = dataclasses.replace(own, turns=turns)
    side = 8 * (-(-own.halo // 8))
    image = mosaic(5, 2 * side + 24, 2 * side + 40)
    seen = []
    for quarters in {1: [0], 2: [0, 2], 4: [0, 1, 2, 3]}[turns]:
        turned = np.rot90(image, quarters)
        cell = np.argwhere(np.rot90([["R", "G"], ["g", "B"]], quarters) == "R")[0]
        whole = np.full_like(turned, np.nan)
        part = clean(turned[cell[0] :, cell[1] :])
        whole[cell[0] :, cell[1] :] = part[: turned.shape[0] - cell[0], : turned.shape[1] - cell[1]]
        seen.append(np.rot90(whole, -quarters))
    kept, result = image.copy(), own(image, NOISE)
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_allclose(inner(result, own.halo), inner(np.mean(seen, 0), own.halo), rtol=1e-4, atol=1e-5)
    inner(result, own.halo)[:] = inner(image, own.halo)
    np.testing.assert_array_equal(result, image)  # the halo is the caller's


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 150), st.integers(1, 330), st.sampled_from([64, 72, 120, 1024]),
    st.sampled_from([(0, 0), (0, 1), (1, 0), (1, 1)]), seeds,
)  # fmt: skip
def test_tiles_change_no_bit(own, height, width, tile, corner, seed):
    image = mosaic(seed, height, width)
    whole = denoised(image, own, NOISE, corner=corner, tile=4096)
    np.testing.assert_array_equal(denoised(image, own, NOISE, corner=corner, tile=tile), whole)


def test_threads_change_no_bit(own, monkeypatch):
    image, results = mosaic(6, 301, 257), []
    for threads in "1", "3":
        monkeypatch.setenv("ISP_NUM_THREADS", threads)
        results.append(denoised(image, own, NOISE, tile=64))
    np.testing.assert_array_equal(*results)


def test_where_noise_is_low_the_image_stays_as_it_is(own):
    image = mosaic(7, 2 * own.halo + 8, 2 * own.halo + 8)
    for model in (NoiseModel((0.0,) * 3, (0.0,) * 3), NoiseModel((1e-6,) * 3, (1e-8,) * 3)):
        np.testing.assert_array_equal(own(image, model), image)
    assert (inner(own(image, NoiseModel((1e-4,) * 3, (0.0,) * 3)), own.halo) != inner(image, own.halo)).all()


@pytest.mark.parametrize(("level", "shot", "read"), [(0.01, 1.6e-3, 1e-5), (0.03, 1.6e-3, 1e-5), (0.18, 1e-4, 1e-7)])
def test_even_surfaces_keep_their_level_and_the_greens_theirs(level, shot, read):
    random = np.random.default_rng(1)
    noisy = shot * random.poisson(level / shot, (1024, 1024)) + read**0.5 * random.standard_normal((1024, 1024))
    noisy = noisy.astype(np.float32)
    change = denoised(noisy, Cnn(), NoiseModel((shot,) * 3, (read,) * 3)) - noisy
    red, *greens, blue = (change[y::2, x::2].mean(dtype=np.float64) / level for y, x in np.ndindex(2, 2))
    assert max(map(abs, (red, *greens, blue))) < 0.003 and abs(greens[0] - greens[1]) < 0.001


@pytest.mark.parametrize("shot", [4e-5, 1e-4, 1e-3])
def test_of_what_an_estimate_says_a_share_is_left_to_texture(own, shot):
    image, known = mosaic(9, 2 * own.halo + 16, 2 * own.halo + 32), NoiseModel((shot,) * 3, (0.0,) * 3)
    estimated = dataclasses.replace(known, estimated=True)
    plain = own(image, without_texture(estimated))
    share = 1 - 2e-6 / (0.18 * shot)  # of mid-grey's variance
    np.testing.assert_allclose(own(image, estimated), image + share * (plain - image), rtol=1e-4, atol=1e-5)


def test_more_is_taken_as_noise_grows_smoothly():
    shots = np.geomspace(1e-7, 1e-3, 400)
    shares = [taken(shot, 0.0) for shot in shots]
    assert shares[0] == 0 and shares[-1] == 1
    steps = np.diff(shares)
    assert (steps >= 0).all() and steps.max() < 0.03
    assert taken(0.0, 1e-4) == 1


def test_each_colour_has_its_own_noise_and_both_greens_the_same(own):
    image = mosaic(8, 2 * own.halo + 8, 2 * own.halo + 8)
    result = own(image, NoiseModel((1e-3, 0.0, 1e-3), (0.0, 0.0, 0.0)))
    changed = inner(result != image, own.halo)
    assert changed[0::2, 0::2].all() and changed[1::2, 1::2].all()
    assert not changed[0::2, 1::2].any() and not changed[1::2, 0::2].any()


# --- ONNX Runtime ----------------------------------------------------------------------------------------------------


def test_onnx_runtime_agrees(own):
    for name in "onnx", "onnxruntime":
        pytest.importorskip(name, reason=f"{name} is not installed")
    image = mosaic(9, 201, 131)
    ours, theirs = (denoised(image, engine, NOISE, tile=64) for engine in (own, Cnn(own.weights, engine="onnx")))
    np.testing.assert_allclose(theirs, ours, atol=EQUAL)
    assert (theirs != image).any()


def test_an_exported_file_says_all_that_is_needed_to_use_it(own, tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    from isp.denoisers.cnn.onnx import export

    export(trained.load(Path(own.weights)), tmp_path / "cnn.onnx")
    model = onnx.load(tmp_path / "cnn.onnx")
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert float(facts["scale"]) == pytest.approx(0.1) and own.card == facts["card"]


def test_without_onnx_runtime_the_engine_says_what_to_install(own, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DenoiserError, match=r'needs onnxruntime: pip install "isp\[onnx\]"'):
        Cnn(own.weights, engine="onnx")(mosaic(0, 200, 200), NOISE)


# --- weights ---------------------------------------------------------------------------------------------------------


def test_the_weights_in_the_package_are_those_of_this_release_and_small():
    content = trained.SHIPPED.read_bytes()
    assert hashlib.sha256(content).hexdigest() == trained.SHA256
    assert len(content) <= 1_000_000
    denoiser = Cnn()
    assert denoiser.domain == "mosaic" and denoiser.turns == 1
    assert denoiser.card == trained.SHIPPED.with_suffix(".md").read_text("utf-8")


def test_weights_that_changed_are_refused(monkeypatch, tmp_path):
    other = tmp_path / "cnn.npz"
    other.write_bytes(trained.SHIPPED.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(trained, "SHIPPED", other)
    with pytest.raises(DenoiserError, match=r"cnn\.npz is damaged: its SHA-256 is [0-9a-f]{64}, not .*install isp"):
        Cnn().halo  # noqa: B018


def test_saved_weights_are_the_same_bytes_and_come_back(tmp_path):
    arrays = random_arrays(NETWORKS[1])
    for name in "a.npz", "b.npz":
        trained.save(tmp_path / name, dict(reversed(arrays.items())) if name == "b.npz" else arrays, 0.25)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = trained.load(tmp_path / "a.npz")
    assert loaded.network == NETWORKS[1] and loaded.scale == 0.25
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], array)


def _broken(change):
    arrays = {"scale": np.float32(1), **random_arrays(NETWORKS[1])}
    change(arrays)
    return arrays


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("scale"), "scale, one positive number, is missing"),
        (lambda a: a.update(scale=np.float32(0)), "scale, one positive number"),
        (lambda a: a.pop("d0.weight"), "d0.weight"),
        (lambda a: a.pop("f0.0.bias"), r"f0\.0\.bias has shape None, not \(16,\)"),
        (lambda a: a.update({"m.7.weight": a["f0.0.weight"]}), "m.0.bias|m.0.weight|m.7.weight"),
        (lambda a: a.update({"u1.bias": a["u1.bias"][1:]}), r"u1\.bias has shape \(319,\), not \(320,\)"),
        (lambda a: a.update({"u1.bias": a["u1.bias"].astype(float)}), r"u1\.bias is not of finite float16 or float32"),
        (lambda a: a["out.bias"].fill(np.nan), r"out\.bias is not of finite float16 or float32"),
        (lambda a: a.update({"out.bias": np.array([print])}), "llow_pickle"),
        (lambda a: a.update({"d1.weight": a["d1.weight"][:0]}), "a level has no channels"),
    ],
)
def test_a_file_with_other_arrays_is_refused(tmp_path, change, message):
    path = tmp_path / "own.npz"
    np.savez(path, **_broken(change))
    with pytest.raises(DenoiserError, match=f"own.npz holds no weights of the denoiser 'cnn': .*({message})"):
        Cnn(str(path))(mosaic(0, 8, 8), NOISE)


def test_a_damaged_file_is_refused_or_read_and_nothing_else(tmp_path):
    path, random = tmp_path / "own.npz", np.random.default_rng(0)
    np.savez_compressed(path, **_broken(lambda arrays: None))
    good = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(100):
        damaged = good.copy()
        damaged[random.integers(len(good) - random.choice((0, len(good) - 300)), size=3)] = random.integers(256, size=3)
        path.write_bytes(damaged.tobytes()[: random.integers(len(good) // 2, 2 * len(good))])
        with contextlib.suppress(DenoiserError):
            trained.load(path)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut", b"\x93NUMPY\x01\x00v\x00"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(DenoiserError, match=r"own\.npz holds no weights"):
        Cnn(str(path)).halo  # noqa: B018


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DenoiserError, match=r"none\.npz: cannot be read: No such file"):
        Cnn(str(tmp_path / "none.npz")).halo  # noqa: B018


def test_an_engine_that_does_not_exist_is_refused():
    with pytest.raises(ParameterError, match="Cnn: engine = 'tpu' is not allowed; give one of numba, onnx"):
        Cnn(engine="tpu")


def test_the_stage_takes_own_weights_and_a_recipe_holds_them(own, tmp_path):
    stage = Denoise("cnn", noise=(1e-3, 1e-5), weights=own.weights)
    frame = mosaic_frame(mosaic(10, 130, 140))
    expected = denoised(frame.data, own, NoiseModel((1e-3,) * 3, (1e-5,) * 3))
    np.testing.assert_array_equal(stage(frame).data, expected)
    recipe = tmp_path / "own.toml"
    recipe.write_text(Pipeline((stage,)).to_toml(), "utf-8")
    assert Pipeline.from_toml(recipe.read_text("utf-8")).stages == (stage,)


def test_weights_are_for_denoisers_that_take_some(tmp_path):
    with pytest.raises(ParameterError, match=r"weights = 'a\.npz' is not allowed; give none: median takes no weights"):
        Denoise("median", weights="a.npz")
    with pytest.raises(DenoiserError, match=r"none\.npz: cannot be read: No such file"):
        Denoise("cnn", weights=str(tmp_path / "none.npz"))


def test_the_command_line_prints_the_card_beside_the_weights(own, tmp_path):
    assert "SHA-256" in run("denoisers", "cnn", "--weights", own.weights).stdout
    Path(own.weights).with_suffix(".md").write_text("# Mine\n", "utf-8")
    assert run("denoisers", "cnn", "--weights", own.weights).stdout == "cnn, built in\n\n# Mine\n"
    result = run("denoisers", "median", "--export", tmp_path / "a.onnx")
    assert result.exit_code == 2 and "--export = 'median' is not allowed; give it for cnn" in error_line(result)


def test_the_command_line_exports(own, tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    assert run("denoisers", "cnn", "--weights", own.weights, "--export", tmp_path / "a.onnx").exit_code == 0
    assert onnx.load(tmp_path / "a.onnx").graph.node[-1].op_type == "Sub"


def test_an_export_replaces_nothing(own, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    (tmp_path / "a.onnx").write_bytes(b"dear")
    result = run("denoisers", "cnn", "--export", tmp_path / "a.onnx")
    assert result.exit_code == 1 and "exists" in error_line(result)
    assert (tmp_path / "a.onnx").read_bytes() == b"dear"


def test_shapes_say_which_network_it_is():
    for network in NETWORKS:
        assert from_shapes({name: array.shape for name, array in random_arrays(network).items()}) == network
