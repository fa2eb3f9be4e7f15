"""How the weights move: kernels by Muon, biases by AdamW."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim import AdamW, Muon

from isp.training.network import Network

_DECAY = 1e-4  # of the weights, times the learning rate, in every step
_CLIP = 1.0  # of the gradient's norm


class _Kernel(NamedTuple):
    """The weights of a convolution, and the same memory as a matrix, a row per result."""

    weight: Tensor
    matrix: Tensor


class Optimiser:
    """Updates the weights of a network in channels-last memory.

    Muon (Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024) makes a kernel's update as large
    in every direction as in its largest, so that directions that single gradients hardly show are learnt as well; with
    the root mean square of AdamW's updates (Liu et al., Muon is Scalable for LLM Training, 2025), one learning rate
    suits both.

    Parameters
    ----------
    network : Network
        Whose weights move; they must not be moved to other memory afterwards.
    """

    def __init__(self, network: Network) -> None:
        weights = [weight for weight in network.parameters() if weight.ndim == 4]
        biases = [bias for bias in network.parameters() if bias.ndim != 4]
        self._kernels = [_Kernel(weight, nn.Parameter(_as_matrix(weight.detach()))) for weight in weights]
        self._all = weights + biases
        matrices = [kernel.matrix for kernel in self._kernels]
        self._parts = (
            Muon(matrices, weight_decay=_DECAY, adjust_lr_fn="match_rms_adamw"),
            AdamW(biases, weight_decay=_DECAY),
        )

    def step(self, loss: Tensor, learning_rate: float) -> None:
        """Move the weights so that the loss falls."""
        for weight in self._all:
            weight.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._all, _CLIP)
        for kernel in self._kernels:
            assert kernel.weight.grad is not None
            kernel.matrix.grad = _as_matrix(kernel.weight.grad)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = learning_rate
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """Return what it remembers of the steps before."""
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on from what `state_dict` returned."""
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)


def _as_matrix(kernel: Tensor) -> Tensor:
    return kernel.permute(0, 2, 3, 1).flatten(1)
