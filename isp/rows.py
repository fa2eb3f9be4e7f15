"""How a stage makes its result from its input: a function of one pixel, or a window over rows.

A stage says this in `as_rows` before it sees any pixel. The loops around it are in `loops`, the bands of rows and the
threads in `bands`, and `fused` joins neighbouring stages: a stage knows nothing of all that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isp.errors import StageError
from isp.frame import Frame, Outline
from isp.jit import Kernel, kernel


@kernel
def everywhere(y, parameters):  # type: ignore[no-untyped-def]
    """Return the parameters: what is the same in every row."""
    return parameters


@kernel
def place(y, top, rows):  # type: ignore[no-untyped-def]
    """Return where row y of an image lies in an array that begins with row `top` and goes around, a ring of rows."""
    return (y - top) % len(rows)


class Point(NamedTuple):
    """Two compiled functions: of one pixel, and of what it needs that is the same along a row.

    ``function(value, x, of_row(y, parameters))``; the value is one float32 of a mosaic, or a tuple of three, and so is
    the result.
    """

    function: Kernel
    of_row: Kernel = everywhere


class Points(NamedTuple):
    """A function of one pixel, and its parameters."""

    point: Point
    parameters: tuple[Any, ...] = ()


class Scratch(NamedTuple):
    """Stands among the parameters of a kernel for an array of its own, which every thread gets; its content is unknown.

    Kernels make no array themselves, see `jit`.
    """

    shape: tuple[int, ...]
    dtype: Any = np.float32


class Window(NamedTuple):
    """Rows that are made of the rows around them.

    Attributes
    ----------
    make : callable
        Takes a function of one pixel through which every result goes before it is stored, and returns the kernel, see
        `loops`.
    parameters : tuple
        Of the kernel.
    halo : int
        How many rows above and below it reads.
    cell : int
        How many rows of the source one row of the result stands for.
    by_parity : bool
        Whether it reads, and writes, even and odd columns apart: what differs from column to column in a Bayer pattern
        is then the same along a row, and LLVM vectorises it without waste.
    together : int
        How many rows it makes best at a time.
    """

    make: Callable[[Point], Kernel]
    parameters: tuple[Any, ...] = ()
    halo: int = 0
    cell: int = 1
    by_parity: bool = False
    together: int = 1


class Table(NamedTuple):
    """The end of a picture: integers by entry, and the function of one pixel that finds the entries of its colours."""

    values: NDArray[Any]
    point: Point
    parameters: tuple[Any, ...]


class Step(NamedTuple):
    """What a stage does to a frame of a given outline; `work` is None where it changes no pixel."""

    work: Points | Window | None
    after: Outline


class RowStage(Protocol):
    """A stage that can say how it makes its rows before it sees any."""

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step | None:
        """Return the step; None where it depends on the pixels and no frame is given to measure them."""


def check_space(stage: Any, frame: Frame | Outline) -> None:
    """Raise `StageError` if a stage is given a frame of a space that it cannot read."""
    if frame.space not in (stage.reads, getattr(stage, "also", None)):
        raise StageError(
            f"{type(stage).__name__} reads {stage.reads.name}, but the frame is {frame.space.name}; "
            "isp stages shows which stage leads where"
        )
