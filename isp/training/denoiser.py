"""`train_denoiser` and `adapt_denoiser`: pictures, or a user's own raw files, to weights of the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from isp.atomic import atomic_file
from isp.denoisers.cnn.weights import save
from isp.training import patches
from isp.training.network import INPUT_SCALE, Network, Shape, to_arrays
from isp.training.objectives import with_truth
from isp.training.scenes import charts, digest, leaves, photograph, pictures
from isp.training.trainer import Objective, Patches, Plan, Report, train
from isp.training.validation import Validation

BATCH = 8
HELD_OUT = 20  # every so many-th picture is for validation
LEAVES = 80  # pictures of dead leaves among photographs; four times as many where there are none


def train_denoiser(
    folders: Sequence[Path], out: Path, *, steps: int = 30_000, seed: int = 0, learning_rate: float = 2e-3,
    shape: Shape = Shape(), device: str = "cpu", report: Callable[[Report], None],
) -> None:  # fmt: skip
    """Train the network on folders of clean pictures, with dead leaves and charts among them.

    On one machine and with one number of threads of torch, the same arguments and pictures give the same weights to
    the last bit.

    Parameters
    ----------
    folders : sequence of path
        Of sRGB pictures, 8 bits per channel. Empty: dead leaves and charts alone.
    out : path
        Weights to write, ``.npz``. The checkpoint ``NAME.checkpoint`` beside it lets an interrupted training go on, and
        ``NAME.md`` says how they were made.
    steps : int
        Updates of the weights; each sees 8 patches of 128 × 128 photosites.
    seed : int
        Decides everything that is drawn.
    learning_rate : float
        The highest.
    shape : Shape
        Of the network.
    device : str
        As torch names it: "cpu", "cuda".
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
    scenes = [photograph(path) for path in learnt] + leaves(LEAVES if files else 4 * LEAVES) + charts()
    checked = [photograph(path) for path in held_out] or leaves(4 * LEAVES + 24)[-24:]
    plan = Plan(steps, seed, learning_rate, shape, digest(files))

    def batch(step: int) -> patches.Batch:
        return patches.batch(scenes, seed, step, BATCH)

    _finish(plan, batch, with_truth, Validation(checked), out, device, None, report, files)


def _finish(
    plan: Plan, batch: Patches, objective: Objective, validation: Callable[[Network], float], out: Path, device: str,
    initial: dict[str, Tensor] | None, report: Callable[[Report], None], files: Sequence[Path],
) -> None:  # fmt: skip
    """Train, and write the best weights and what they come from."""
    last = Report(0, plan.steps, 0.0, None, 0.0, 0.0)
    for result in train(plan, batch, objective, validation, Path(f"{out}.checkpoint"), device=device, initial=initial):
        if isinstance(result, Report):
            last = result
            report(result)
        else:
            save(out, to_arrays(result), scale=INPUT_SCALE, overwrite=True)
            _write_card(out, plan, files, last)


def adapt_denoiser(
    sources: Sequence[Path], out: Path, *, initial: Path | None = None, steps: int = 2000, seed: int = 0,
    learning_rate: float = 1e-4, device: str = "cpu", report: Callable[[Report], None],
) -> None:  # fmt: skip
    """Train weights further on raw files as they are, without a clean truth: one pixel says what its neighbour is.

    Parameters
    ----------
    sources : sequence of path
        Raw files, or folders of them; Bayer mosaics count.
    out, steps, seed, learning_rate, device, report
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
    shape = shape_of(weights.arrays)
    plan = Plan(steps, seed, learning_rate, shape, digest(paths))

    def batch(step: int) -> tuple[NDArray[np.generic], ...]:
        return patches_of(mosaics, seed, step, BATCH)

    fixed = [tuple(map(torch.from_numpy, patches_of(mosaics, seed + 1, step, BATCH))) for step in range(_CHECKS)]

    def validation(network: Network) -> float:
        device = next(network.parameters()).device
        losses = [without_truth(network, tuple(t.to(device) for t in tensors), 0.0).item() for tensors in fixed]
        return -10 * math.log10(sum(losses) / len(losses))

    start = {name: torch.from_numpy(array) for name, array in weights.arrays.items()}
    _finish(plan, batch, without_truth, validation, out, device, start, report, paths)
