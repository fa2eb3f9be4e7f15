"""How a stage makes rows of its result from rows of its input, and the plain schedule: all rows, one stage.

A stage's kernel is called as ``kernel(first, last, source, source_top, target, target_top, *parameters)`` and writes
the rows first..last of the image into `target`, whose first row is row `target_top` of the image; `source` begins at
row `source_top` and holds `halo` rows more on both sides, as far as the image has them. Colour images come as (rows, 3,
columns), a view of a frame or a buffer of planes: kernels need not know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isp.errors import StageError
from isp.frame import Frame, Outline
from isp.threads import over_rows


class Rows(NamedTuple):
    """A kernel, its parameters, how many rows of context it reads above and below, and where the colours lie.

    An `interleaved` one writes (rows, columns, 3).
    """

    kernel: Callable[..., None]
    parameters: tuple[Any, ...]
    halo: int = 0
    interleaved: bool = False


class Step(NamedTuple):
    """What a stage does to a frame of a given outline; `rows` is None where it changes no pixel."""

    rows: Rows | None
    after: Outline


class RowStage(Protocol):
    """A stage that can say how it makes its rows before it sees any."""

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step | None:
        """Return the step; None where it depends on the pixels and no frame is given to measure them."""


def by_rows(image: NDArray[Any]) -> NDArray[Any]:
    """Return a colour image as (rows, 3, columns), a mosaic as it is; a view."""
    return image.transpose(0, 2, 1) if image.ndim == 3 else image


def check_space(stage: Any, frame: Frame | Outline) -> None:
    """Raise `StageError` if a stage is given a frame of a space that it cannot read."""
    if frame.space not in (stage.reads, getattr(stage, "also", None)):
        raise StageError(
            f"{type(stage).__name__} reads {stage.reads.name}, but the frame is {frame.space.name}; "
            "isp stages shows which stage leads where"
        )


def apply(stage: RowStage, frame: Frame) -> Frame:
    """Run a stage on a whole frame: the reference schedule."""
    check_space(stage, frame)
    before = frame.outline
    step = stage.as_rows(before, frame)
    assert step is not None, "a stage that sees the frame knows what to do"
    if step.rows is None:
        return frame if step.after is before else step.after.filled(frame.data)
    out = np.empty(step.after.shape, np.float32)
    over_rows(step.rows.kernel, len(out), by_rows(frame.data), 0, by_rows(out), 0, *step.rows.parameters)
    return step.after.filled(out)
