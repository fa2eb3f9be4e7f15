"""`train_denoiser` and `adapt_denoiser`: pictures, or a user's own raw files, to weights of the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isp.atomic import atomic_file
from isp.denoisers.cnn.trained import Trained, load, save
from isp.training import patches
from isp.training.card import card, digest
from isp.training.network import INPUT_SCALE, USUAL, Network, Shape, shape_of, to_arrays
from isp.training.objectives import with_truth
from isp.training.raws import raw_files, stabilised_mosaics
from isp.training.recorrupted import patches_of, without_truth
from isp.training.scenes import Scene, charts, leaves, photograph, pictures
from isp.training.trainer import Objective, Patches, Plan, Report, Validate, train
from isp.training.validation import Validation

BATCH = 4
HELD_OUT = 20  # every so many-th picture is for validation
LEAVES = 80  # pictures of dead leaves among photographs; four times as many where there are none
_CHECKS = 16  # batches of noisy files that the training does not see


class Options(NamedTuple):
    """How to train.

    Attributes
    ----------
    steps : int
        Updates of the weights; each sees 4 patches of 192 × 192 photosites.
    seed : int
        Decides everything that is drawn.
    learning_rate : float
        The highest.
    device : str
        As torch names it: "cpu", "cuda".
    validate_every : int
        Steps between two validations; each writes the checkpoint.
    """

    steps: int = 30_000
    seed: int = 0
    learning_rate: float = 2e-3
    device: str = "cpu"
    validate_every: int = 1000


TRAINING, ADAPTING = Options(), Options(steps=2000, learning_rate=1e-4)


class _Task(NamedTuple):
    """What is learnt, and from where it begins."""

    patches: Patches
    objective: Objective
    validation: Validate
    start: dict[str, Tensor] | None


def train_denoiser(
    folders: Sequence[Path], out: Path, options: Options = TRAINING, *, shape: Shape = USUAL,
    initial: Path | None = None, report: Callable[[Report], None],
) -> None:  # fmt: skip
    """Train the network on folders of clean pictures, with dead leaves and charts among them.

    On one machine and with one number of threads of torch, the same arguments and pictures give the same weights to
    the last bit.

    Parameters
    ----------
    folders : sequence of path
        Of sRGB pictures, 8 bits per channel. Empty: dead leaves and charts alone.
    out : path
        Weights to write, ``.npz``. The checkpoint ``NAME.npz.checkpoint`` beside it lets an interrupted training go on,
        and ``NAME.md`` says how they were made.
    options : Options
        How.
    shape : Shape
        Of the network, where no weights are given.
    initial : path, optional
        Weights to begin with, instead of random ones.
    report : callable
        Called with every `Report`.

    Raises
    ------
    TrainingError
        If there are no pictures, or the checkpoint beside `out` is of another training.
    """
    files = [path for folder in folders for path in pictures(folder)]
    held_out = files[::HELD_OUT]
    learnt = [path for path in files if path not in set(held_out)]
    scenes = _photographs(learnt) + leaves(LEAVES if files else 4 * LEAVES) + charts()
    checked = _photographs(held_out) or leaves(4 * LEAVES + 24)[-24:]
    start = None
    if initial is not None:
        weights = load(initial)
        start, shape = _tensors(weights), shape_of(weights.arrays)
    plan = Plan(options.steps, options.seed, options.learning_rate, shape, digest(files))

    def batch(step: int) -> patches.Batch:
        return patches.batch(scenes, plan.seed, step, BATCH)

    made = f"{LEAVES if files else 4 * LEAVES} pictures of dead leaves, {len(charts())} of charts"
    text = partial(card, plan, paths=files, made=made)
    _train(plan, _Task(batch, with_truth, Validation(checked), start), out, options, report, text)


def adapt_denoiser(
    sources: Sequence[Path], out: Path, options: Options = ADAPTING, *, initial: Path | None = None,
    report: Callable[[Report], None],
) -> None:  # fmt: skip
    """Train weights further on raw files as they are, without a clean truth: see `recorrupted`.

    Parameters
    ----------
    sources : sequence of path
        Raw files, or folders of them; Bayer mosaics count.
    out, options, report
        As for `train_denoiser`.
    initial : path, optional
        The weights to begin with; by default those in the package.

    Raises
    ------
    TrainingError
        If no raw file can be used, or the checkpoint beside `out` is of another training.
    """
    paths = raw_files(sources)
    mosaics = stabilised_mosaics(paths)
    weights = load(initial)
    plan = Plan(options.steps, options.seed, options.learning_rate, shape_of(weights.arrays), digest(paths))

    def batch(step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return patches_of(mosaics, plan.seed, step, BATCH)

    fixed = [tuple(map(torch.from_numpy, patches_of(mosaics, plan.seed + 1, step, BATCH))) for step in range(_CHECKS)]

    def validation(network: Network) -> float:
        losses = [without_truth(network, tuple(t.to(options.device) for t in pair), 0.0).item() for pair in fixed]
        return -10 * math.log10(sum(losses) / len(losses))

    text = partial(card, plan, paths=paths, made="nothing; begun with other weights")
    _train(plan, _Task(batch, without_truth, validation, _tensors(weights)), out, options, report, text)


def _photographs(paths: Sequence[Path]) -> list[Scene]:
    return [scene for path in paths for scene in photograph(path)]


def _tensors(weights: Trained) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in weights.arrays.items()}


def _train(
    plan: Plan, task: _Task, out: Path, options: Options, report: Callable[[Report], None],
    text: Callable[[float], str],
) -> None:  # fmt: skip
    """Train, and write the best weights with the card that tells of them."""
    steps = train(
        plan, task.patches, task.objective, task.validation, Path(f"{out}.checkpoint"), device=options.device,
        initial=task.start, validate_every=options.validate_every,
    )  # fmt: skip
    for result in steps:
        if isinstance(result, Report):
            report(result)
        else:
            network = Network(plan.shape)
            network.load_state_dict(result.weights)
            save(out, to_arrays(network.settled()), INPUT_SCALE)
            with atomic_file(out.with_suffix(".md"), overwrite=True) as file:
                file.write(text(result.psnr).encode())
