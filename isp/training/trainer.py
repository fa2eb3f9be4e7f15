"""The training loop: steps, a learning-rate schedule, averaged weights, validation, and checkpoints to go on from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from isp.atomic import atomic_file
from isp.errors import TrainingError, printable
from isp.training.network import Network, Shape
from isp.training.optimiser import Optimiser

WARM_UP = 200  # steps
AVERAGE = 0.999  # of the weights of the steps before, in every step
REPORTS = 100  # steps between two of them

Tensors = tuple[Tensor, ...]
Patches = Callable[[int], Any]  # the arrays of a step
Objective = Callable[[Network, Tensors, float], Tensor]  # the loss of a step, by how much of the training is done
Validate = Callable[[Network], float]  # dB


class Plan(NamedTuple):
    """What decides the result, beside the data.

    Attributes
    ----------
    steps : int
        Updates of the weights.
    seed : int
        Of the first weights, the patches and their noise.
    learning_rate : float
        The highest; it rises to it over 200 steps, and falls to 0 along a cosine.
    shape : Shape
        Of the network.
    data : str
        A hash of what is learnt from.
    """

    steps: int
    seed: int
    learning_rate: float
    shape: Shape
    data: str


class Report(NamedTuple):
    """How it goes.

    Attributes
    ----------
    step, steps : int
        Done, and in all.
    loss : float
        The mean since the report before.
    psnr : float or None
        In dB, where it was validated.
    best : float
        The highest so far.
    seconds_left : float
        At the pace since the start.
    """

    step: int
    steps: int
    loss: float
    psnr: float | None
    best: float
    seconds_left: float


class Trained(NamedTuple):
    """The end of a training: the best weights, and their PSNR in dB."""

    weights: dict[str, Tensor]
    psnr: float


class _State:
    """All that changes: what a checkpoint holds."""

    def __init__(self, plan: Plan, device: str, initial: dict[str, Tensor] | None) -> None:
        torch.manual_seed(plan.seed)
        network = Network(plan.shape)
        if initial is not None:
            network.load_state_dict(initial)
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = Optimiser(self.network)
        self.average = {name: value.clone() for name, value in network.state_dict().items()}
        self.best: dict[str, Tensor] = {}
        self.best_psnr = -math.inf
        self.step = 0

    def save(self, path: Path, plan: Plan) -> None:
        content = {
            "plan": repr(plan), "step": self.step, "network": self.network.state_dict(), "average": self.average,
            "optimiser": self.optimiser.state_dict(), "best": self.best, "best_psnr": self.best_psnr,
        }  # fmt: skip
        with atomic_file(path, overwrite=True) as file:
            torch.save(content, file)

    def load(self, path: Path, plan: Plan) -> None:
        try:
            content = torch.load(path, map_location=next(self.network.parameters()).device, weights_only=True)
        except Exception as error:  # torch has no one kind of error for this
            raise TrainingError(f"{printable(path)}: not a checkpoint; remove it to begin anew") from error
        if "optimiser" not in content:
            raise TrainingError(f"{printable(path)}: a checkpoint of an earlier version; remove it to begin anew")
        if content["plan"] != repr(plan):
            raise TrainingError(
                f"{printable(path)}: a checkpoint of another training ({content['plan']}, now {plan}); "
                "give the same data and options to go on, or remove it to begin anew"
            )
        self.network.load_state_dict(content["network"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.average, self.best = content["average"], content["best"]
        self.best_psnr, self.step = content["best_psnr"], content["step"]


class _Pace:
    """How long the rest will take."""

    def __init__(self, steps: int, first: int) -> None:
        self.steps, self.first, self.start = steps, first, time.perf_counter()

    def seconds_left(self, step: int) -> float:
        return (time.perf_counter() - self.start) / (step - self.first) * (self.steps - step)


def train(
    plan: Plan, patches: Patches, objective: Objective, validation: Validate, checkpoint: Path, *,
    device: str = "cpu", initial: dict[str, Tensor] | None = None, validate_every: int = 1000,
) -> Iterator[Report | Trained]:  # fmt: skip
    """Train, and yield reports; the last thing yielded is the best weights.

    Goes on from the checkpoint where one is, and writes it at every validation. On one machine, with the same number
    of threads, the same plan and data give the same weights to the last bit, interrupted or not.

    Raises
    ------
    TrainingError
        If the checkpoint is of another training, or the loss is no longer finite.
    """
    state = _State(plan, device, initial)
    if checkpoint.exists():
        state.load(checkpoint, plan)
    network = state.network
    network.low_precision = _has_bfloat16(device)
    pace, losses = _Pace(plan.steps, state.step), []
    with ThreadPoolExecutor(1) as ahead:  # the patches of the next step are made meanwhile
        coming = ahead.submit(patches, state.step)
        while state.step < plan.steps:
            arrays = coming.result()
            coming = ahead.submit(patches, state.step + 1)
            tensors = tuple(torch.from_numpy(array).to(device) for array in arrays)
            loss = objective(network, tensors, state.step / plan.steps)
            state.optimiser.step(loss, _learning_rate(plan, state.step))
            state.step += 1
            _follow(state)
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise TrainingError(f"the loss is not finite at step {state.step}; try a lower learning rate")
            validates = state.step == plan.steps or state.step % validate_every == 0
            psnr = None
            if validates:
                psnr = _validate(state, plan, validation)
                state.save(checkpoint, plan)
            if validates or state.step % REPORTS == 0:
                mean = sum(losses) / len(losses)
                yield Report(state.step, plan.steps, mean, psnr, state.best_psnr, pace.seconds_left(state.step))
                losses = []
    yield Trained(state.best, state.best_psnr)


def _learning_rate(plan: Plan, step: int) -> float:
    rising = min(1.0, (step + 1) / WARM_UP)
    return plan.learning_rate * rising * (0.5 + 0.5 * math.cos(math.pi * step / plan.steps))


def _has_bfloat16(device: str) -> bool:
    """Whether products of bfloat16 are faster than of float32 here."""
    if device != "cpu":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


@torch.no_grad()
def _follow(state: _State) -> None:
    """Move the averaged weights; in the beginning they follow more closely."""
    keep = min(AVERAGE, state.step / (state.step + 10))
    for name, value in state.network.state_dict().items():
        state.average[name].lerp_(value, 1 - keep)


@torch.no_grad()
def _validate(state: _State, plan: Plan, validation: Validate) -> float:
    """Keep the averaged weights if they are the best so far; return their PSNR."""
    network = Network(plan.shape).to(next(state.network.parameters()).device)
    network.load_state_dict(state.average)
    psnr = validation(network)
    if psnr > state.best_psnr:
        state.best_psnr, state.best = psnr, {name: value.clone() for name, value in state.average.items()}
    return psnr
