"""The model card: what weights were made of, so that anybody can make them again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from isp.errors import printable
from isp.training.trainer import Plan


def digest(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of the contents of files, in order."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()


def card(plan: Plan, psnr: float, *, paths: Sequence[Path], made: str) -> str:
    """Return the card's text.

    Parameters
    ----------
    plan : Plan
        Of the training.
    psnr : float
        Of the validation, in dB.
    paths : sequence of path
        Files that were learnt from.
    made : str
        What was made in code beside them.
    """
    folders = sorted({printable(path.parent.name) for path in paths})
    files = f"{len(paths)} files in {', '.join(folders)}; SHA-256 of all, in order, {plan.data}" if paths else "none"
    widths, depths = plan.shape
    return "\n".join((
        f"- Network: channels {', '.join(map(str, widths))}; convolutions {', '.join(map(str, depths))}",
        f"- Files learnt from and validated with: {files}",
        f"- Made in code: {made}",
        f"- Steps {plan.steps}, seed {plan.seed}, highest learning rate {plan.learning_rate:g}",
        f"- Computed with torch {torch.__version__}",
        f"- Validation: {psnr:.3f} dB",
        "",
    ))  # fmt: skip
