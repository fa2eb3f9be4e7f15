"""`train_denoiser`: pictures, or a user's own raw files, to weights of the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isp.training import objectives, patches
from isp.training.network import INPUT_SCALE, Shape, to_arrays
from isp.training.scenes import Scene, charts, digest, leaves, photograph, pictures
from isp.training.trainer import Plan, Report, train
from isp.training.validation import Validation

BATCH = 16
HELD_OUT = 20  # every so many-th picture is for validation
LEAVES, CHARTS = 60, 8  # pictures of dead leaves; of every chart


def train_denoiser(
    folders: Sequence[Path], out: Path, *, steps: int = 30_000, seed: int = 0, learning_rate: float = 1e-3,
    shape: Shape = Shape(), device: str = "cpu", threads: int | None = None, report: Callable[[Report], None] = print,
) -> dict[str, Any]:  # fmt: skip
    """Train the network on folders of clean pictures, with dead leaves and charts among them.

    Parameters
    ----------
    folders : sequence of path
        Of sRGB pictures, 8 bits per channel. Empty: dead leaves and charts alone.
    out : path
        Weights to write, ``.npz``; the checkpoint ``NAME.checkpoint`` beside it lets an interrupted training go on.
    steps : int
        Updates; 16 patches of 160 × 160 photosites each.
    seed : int
        Decides everything that is drawn.
    learning_rate : float
        The highest.
    shape : Shape
        Of the network.
    device : str
        As torch names it: "cpu", "cuda".
    threads : int, optional
        For the CPU; other numbers round differently.
    report : callable
        Called with every `Report`.

    Returns
    -------
    dict
        What the model card says: data, hashes, seed, steps, PSNR.

    Raises
    ------
    TrainingError
        If there are no pictures, or the checkpoint beside `out` is of another training.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    files = [path for folder in folders for path in pictures(folder)]
    held_out = files[::HELD_OUT]
    learnt = [path for path in files if path not in set(held_out)]
    made = leaves(LEAVES if files else 4 * LEAVES) + charts(CHARTS)
    scenes = [photograph(path) for path in learnt] + made
    checked = [photograph(path) for path in held_out] or leaves(LEAVES * 4 + 24)[LEAVES * 4 :]
    plan = Plan(steps, seed, learning_rate, shape, digest(files))

    def batch(step: int) -> tuple[NDArray[np.float32], ...]:
        return patches.batch(scenes, seed, step, BATCH)

    *_, best = _reporting(
        train(plan, batch, objectives.with_truth, Validation(checked), _beside(out), device=device), report
    )
    return {}
