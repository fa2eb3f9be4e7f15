"""Training: what is learnt from, that it can be repeated and interrupted, and that it learns; whole only with torch."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import cv2
import imageio.v3 as iio
import numpy as np
import pytest

import isp
from isp.errors import TrainingError
from isp.noise import NoiseModel
from isp.training import patches, scenes

from .command import error_line, names, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of small pictures."""
    folder = tmp_path_factory.mktemp("pictures") / "with ü"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        levels = np.kron(random.integers(0, 256, (24, 32, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        iio.imwrite(folder / f"{number}.png", levels)
    return folder


@pytest.fixture(scope="module")
def some() -> list[scenes.Scene]:
    return [scenes.dead_leaves(number, 192) for number in range(2)]


def test_photograph_is_the_inverse_of_curve_and_srgb(tmp_path: Path) -> None:
    levels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2).repeat(2, 0).repeat(2, 1)
    iio.imwrite(tmp_path / "levels.png", levels)
    scene, _ = scenes.photograph(tmp_path / "levels.png")
    linear = scene[..., 0].reshape(-1) / 65535
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    curved = 3 * encoded**2 - 2 * encoded**3
    assert np.abs(curved * 255 - np.arange(256)).max() < 0.5


def test_a_photograph_comes_at_a_half_and_two_thirds_of_its_size(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (302, 361, 3), np.uint8)
    iio.imwrite(tmp_path / "small.png", levels)
    encoded = np.arange(256) / 255
    linear = 0.5 - np.sin(np.arcsin(1 - 2 * encoded) / 3)
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4).astype(np.float32)[levels]
    half, finer = scenes.photograph(tmp_path / "small.png")
    for scene, size, used in ((half, (151, 180), (302, 360)), (finer, (200, 240), (300, 360))):
        area = cv2.resize(linear[: used[0], : used[1]], size[::-1], interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(scene / 65535, area, atol=2 / 65535)


def test_a_large_photograph_comes_reduced_and_in_pieces(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (900, 8001, 3), np.uint8)
    iio.imwrite(tmp_path / "large.png", levels)
    pieces = scenes.photograph(tmp_path / "large.png")
    reduced = 900 // 3, 8001 // 3  # the least that makes the side 3200 or less
    assert sum(piece.shape[0] * piece.shape[1] for piece in pieces) == sum(
        (reduced[0] * up // down) * (reduced[1] * up // down) for up, down in ((1, 2), (2, 3))
    )
    assert all(150 <= side < 2 * scenes.PIECE for piece in pieces for side in piece.shape[:2])


def test_leaves_are_repeatable_and_of_many_levels() -> None:
    first = scenes.dead_leaves(7, 192)
    assert np.array_equal(first, scenes.dead_leaves(7, 192))
    assert not np.array_equal(first, scenes.dead_leaves(8, 192))
    assert len(np.unique(first)) > 1000


def test_charts_are_scenes() -> None:
    for scene in scenes.charts():
        assert scene.dtype == np.uint16 and min(scene.shape[:2]) >= scenes.LEAST_SIDE


def test_a_batch_depends_on_seed_and_step_alone(some: list[scenes.Scene]) -> None:
    first = patches.batch(some, 1, 5, 4)
    patches.batch(some, 1, 6, 4)
    again = patches.batch(some, 1, 5, 4)
    assert np.array_equal(first.noisy, again.noisy) and np.array_equal(first.clean, again.clean)
    assert not np.array_equal(first.noisy, patches.batch(some, 1, 6, 4).noisy)
    assert not np.array_equal(first.noisy, patches.batch(some, 2, 5, 4).noisy)


def test_noise_of_patches_has_unit_variance(some: list[scenes.Scene]) -> None:
    ratios = []
    for step in range(8):
        noisy, clean, _ = patches.batch(some, 0, step, 8)
        ratios.append(np.square(noisy - clean).mean(axis=(1, 2, 3)))
    assert 0.9 < np.median(ratios) < 1.05  # below one electron of read noise the transform itself gives .9


def test_draws_of_noise_cover_their_range() -> None:
    noise = patches.draw_noise(np.random.default_rng(0), 4000)
    assert noise.shot.min() < 6e-6 and noise.shot.max() > 9e-3
    assert np.all(noise.read <= (10.01 * noise.shot) ** 2)


@pytest.mark.parametrize("empty", [True, False])
def test_a_folder_without_pictures_is_one_line(tmp_path: Path, empty: bool) -> None:
    if not empty:
        (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(TrainingError, match=r"no pictures there; give a folder with \.jpeg"):
        scenes.pictures(tmp_path)


def test_a_damaged_picture_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    with pytest.raises(TrainingError, match=r"broken\.png: no picture that can be read"):
        scenes.photograph(tmp_path / "broken.png")


def test_help_shows_units_and_examples() -> None:
    shown = run("train-denoiser", "--help")
    assert shown.exit_code == 0
    assert "Examples:" in shown.output and "default 30000" in shown.output


def test_without_torch_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "isp.training", raising=False)
    result = run("train-denoiser", "--out", tmp_path / "mine.npz")
    assert result.exit_code == 3
    assert 'pip install "isp[train]"' in error_line(result)
    assert not names(tmp_path)


def test_weights_that_exist_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(b"dear")
    result = run("train-denoiser", "--out", tmp_path / "mine.npz")
    assert result.exit_code == 1 and "exists" in error_line(result)
    assert (tmp_path / "mine.npz").read_bytes() == b"dear"


def test_a_text_beside_the_weights_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_bytes(b"dear")
    result = run("train-denoiser", "--out", tmp_path / "mine.npz")
    assert result.exit_code == 1 and "mine.md" in error_line(result)
    assert names(tmp_path) == ["mine.md"]


def test_weights_are_an_npz(tmp_path: Path) -> None:
    result = run("train-denoiser", "--out", tmp_path / "mine.md")
    assert result.exit_code == 2 and ".npz" in error_line(result)


class TestWithTorch:
    """What needs torch, which `isp[train]` brings."""

    @pytest.fixture(autouse=True)
    def _torch(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        torch = pytest.importorskip("torch", reason='torch is not installed: pip install "isp[train]"')
        from isp.training import denoiser

        monkeypatch.setattr(denoiser, "LEAVES", 1)
        return torch

    def train(self, folder: Path, out: Path, steps: int, width: int = 8, **options: Any) -> list[Any]:
        from isp.training.denoiser import TRAINING, train_denoiser
        from isp.training.network import Shape

        reports: list[Any] = []
        shape = Shape((width,) * 3, (1, 1, 1, 1, 1))
        train_denoiser([folder], out, TRAINING._replace(steps=steps, **options), shape=shape, report=reports.append)
        return reports

    def test_two_runs_give_the_same_bytes_and_another_seed_others(self, folder: Path, tmp_path: Path) -> None:
        for name, seed in (("a", 0), ("b", 0), ("c", 1)):
            self.train(folder, tmp_path / name, 5, seed=seed)
        first, second, third = ((tmp_path / name).read_bytes() for name in "abc")
        assert first == second != third

    def test_an_interrupted_run_goes_on_as_if_it_had_not_been(self, folder: Path, tmp_path: Path) -> None:
        self.train(folder, tmp_path / "whole", 6, validate_every=2)

        class Interruption(Exception):
            pass

        def stop(report: Any) -> None:
            if report.step == 4:
                raise Interruption

        from isp.training.denoiser import TRAINING, train_denoiser
        from isp.training.network import Shape

        shape, options = Shape((8, 8, 8), (1, 1, 1, 1, 1)), TRAINING._replace(steps=6, validate_every=2)
        with pytest.raises(Interruption):
            train_denoiser([folder], tmp_path / "parts", options, shape=shape, report=stop)
        assert not (tmp_path / "parts").exists()
        reports = self.train(folder, tmp_path / "parts", 6, validate_every=2)
        assert reports[0].step > 2
        assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()

    def test_it_learns(self, folder: Path, tmp_path: Path) -> None:
        reports = self.train(folder, tmp_path / "w.npz", 400, 16, validate_every=400)
        assert reports[-1].loss < 0.6  # mean squares: doing nothing leaves the noise, whose variance is 1

    def test_kernels_move_as_far_in_every_direction_of_their_gradient(self, _torch: Any) -> None:
        from isp.training.network import Network, Shape
        from isp.training.optimiser import Optimiser

        _torch.manual_seed(0)
        network = Network(Shape((8, 8, 8), (1, 1, 1, 1, 1))).to(memory_format=_torch.channels_last)
        _torch.nn.init.normal_(network.out.weight)
        before = {name: value.detach().clone() for name, value in network.named_parameters()}
        rate = 1e-3
        Optimiser(network).step(network(_torch.randn(2, 4, 32, 32)).square().mean(), rate)
        for name, value in network.named_parameters():
            gradient, moved = (each.detach().numpy() for each in (value.grad, value - before[name]))
            if value.ndim == 1:  # AdamW's first step: by the learning rate against the sign, and decay
                np.testing.assert_allclose(moved, -rate * np.sign(gradient), atol=rate * 1e-3)
                continue
            gradient, moved = (each.reshape(len(each), -1) for each in (gradient, moved))
            left, sizes, right = np.linalg.svd(gradient, full_matrices=False)
            along = -(left.T @ moved @ right.T) / (rate * 0.2 * max(moved.shape) ** 0.5)
            clear = sizes > 0.02 * sizes[0]  # five iterations raise what is less by too little
            assert 0.5 < np.diag(along)[clear].min() and np.diag(along).max() < 1.3, name
            assert np.abs(along - np.diag(np.diag(along))).max() < 0.1, name  # computed in bfloat16

    def test_a_checkpoint_of_another_training_is_refused(self, folder: Path, tmp_path: Path) -> None:
        self.train(folder, tmp_path / "w.npz", 2)
        with pytest.raises(TrainingError, match=r"w\.npz\.checkpoint: a checkpoint of another training"):
            self.train(folder, tmp_path / "w.npz", 3)
        (tmp_path / "w.npz.checkpoint").write_bytes(b"rubbish")
        with pytest.raises(TrainingError, match="not a checkpoint; remove it"):
            self.train(folder, tmp_path / "w.npz", 3)

    def test_a_checkpoint_of_an_earlier_version_is_refused(self, folder: Path, tmp_path: Path, _torch: Any) -> None:
        self.train(folder, tmp_path / "w.npz", 2)
        content = _torch.load(tmp_path / "w.npz.checkpoint", weights_only=True)
        content["optimizer"] = content.pop("optimiser")
        _torch.save(content, tmp_path / "w.npz.checkpoint")
        with pytest.raises(TrainingError, match=r"w\.npz\.checkpoint: a checkpoint of an earlier version; remove it"):
            self.train(folder, tmp_path / "w.npz", 2)

    def test_weights_do_in_numpy_what_they_do_in_torch(self, folder: Path, tmp_path: Path, _torch: Any) -> None:
        from isp.denoisers.cnn import Cnn
        from isp.stabilise import stabilise, unstabilise
        from isp.training.network import Network, shape_of

        self.train(folder, tmp_path / "w.npz", 40)
        with np.load(tmp_path / "w.npz") as file:
            arrays = {name: file[name] for name in file.files if name != "scale"}
        network = Network(shape_of(arrays))
        network.load_state_dict({name: _torch.from_numpy(array) for name, array in arrays.items()})
        noisy = np.random.default_rng(0).uniform(0, 1, (96, 112)).astype(np.float32)
        planes = np.stack([stabilise(noisy[y::2, x::2], 1e-3, 1e-6) for y in (0, 1) for x in (0, 1)])
        with _torch.no_grad():
            clean = network(_torch.from_numpy(planes[None]))[0].numpy()
        denoiser = Cnn(str(tmp_path / "w.npz"), turns=1)
        ours = denoiser(noisy, NoiseModel((1e-3,) * 3, (1e-6,) * 3))
        inner = slice(denoiser.halo, -denoiser.halo)
        for plane, (y, x) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            expected = np.zeros_like(noisy)
            expected[y::2, x::2] = unstabilise(clean[plane], 1e-3, 1e-6, unbiased=True)
            mine = np.zeros_like(noisy)
            mine[y::2, x::2] = ours[y::2, x::2]
            assert np.abs(expected - mine)[inner, inner].max() < 1e-4

    def test_the_first_layer_sees_no_level(self, folder: Path, tmp_path: Path) -> None:
        self.train(folder, tmp_path / "w.npz", 5)
        with np.load(tmp_path / "w.npz") as file:
            assert np.abs(file["inp.weight"].mean(axis=(2, 3))).max() < 1e-7

    def test_the_card_says_what_the_weights_were_made_of(self, folder: Path, tmp_path: Path) -> None:
        self.train(folder, tmp_path / "w.npz", 2, seed=3)
        card = (tmp_path / "w.md").read_text("utf-8")
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.iterdir()))).hexdigest()
        assert digest in card and "seed 3" in card and "Steps 2" in card

    def test_a_finished_training_given_again_tells_the_same(self, folder: Path, tmp_path: Path) -> None:
        self.train(folder, tmp_path / "w.npz", 2)
        first = (tmp_path / "w.npz").read_bytes(), (tmp_path / "w.md").read_bytes()
        self.train(folder, tmp_path / "w.npz", 2)
        assert first == ((tmp_path / "w.npz").read_bytes(), (tmp_path / "w.md").read_bytes())

    def test_recorrupted_versions_have_independent_noise(self, _torch: Any) -> None:
        from isp.training.recorrupted import ADDED, recorrupted

        noise, added = np.random.default_rng(0).normal(size=(2, 200_000))
        first, second = recorrupted(_torch.from_numpy(noise), _torch.from_numpy(added))
        covariance = np.cov(first, second)
        expected = np.diag((1 + ADDED**2, 1 + ADDED**-2))
        assert np.abs(covariance - expected).max() < 5 * 5 / 200_000**0.5  # five standard errors of the largest entry

    def test_raw_files_without_truth_make_the_network_no_worse(self, folder: Path, tmp_path: Path) -> None:
        from isp.capture import Shot, capture
        from isp.charts import text
        from isp.denoisers.cnn import Cnn
        from isp.dng_writer import write_dng
        from isp.sensor import PRESETS
        from isp.stages import BlackLevel

        taken = capture(text(200, 240), PRESETS["phone"], Shot(iso=800, seed=1))
        write_dng(taken.frame, tmp_path / "noisy.dng")
        (tmp_path / "broken.dng").write_bytes(b"II*\0")
        result = run(
            "train-denoiser", tmp_path, "--noisy", "--steps", 40, "--threads", 1, "--out", tmp_path / "mine.npz"
        )
        assert result.exit_code == 0, result.output
        assert "left out" in result.output and "broken.dng" in result.output
        mosaic = BlackLevel()(taken.frame)

        def error(weights: str | None) -> float:
            clean = isp.Denoise(Cnn(weights))(mosaic).data
            return float(np.mean((clean - taken.expected) ** 2))

        assert error(str(tmp_path / "mine.npz")) < 1.05 * error(None)
        assert "Steps 40" in (tmp_path / "mine.md").read_text("utf-8")

    def test_an_unknown_device_is_one_line(self, tmp_path: Path) -> None:
        result = run("train-denoiser", "--out", tmp_path / "mine.npz", "--device", "abacus")
        assert result.exit_code == 1 and "--device abacus cannot be used" in error_line(result)
