"""Neighbouring stages run together, band by band, with the stages' own functions.

There is no formula here and no stage by name. A stage with `as_rows` (see `rows`) takes part; any other sees whole
frames, and costs only that fusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.bands import maker, run
from isp.curve import look_up
from isp.errors import ParameterError, StageError
from isp.frame import Frame, Outline
from isp.image import quantise
from isp.rendering import Rendering
from isp.rows import Points, Step, Window, check_space


class Pending(NamedTuple):
    """A frame, and what is still to be done to its rows."""

    frame: Frame
    works: tuple[Points | Window, ...]
    shapes: tuple[tuple[int, ...], ...]
    after: Outline

    def then(self, step: Step) -> Pending:
        """Return the same with one step more."""
        if step.work is None:
            return self._replace(after=step.after)
        return Pending(self.frame, (*self.works, step.work), (*self.shapes, step.after.shape), step.after)

    def done(self) -> Frame:
        """Return the frame with everything done."""
        if not self.works:
            return self.after.filled(self.frame.data)
        return self.after.filled(run(self.frame.data, self.works, self.shapes, np.float32))


def waiting(frame: Frame) -> Pending:
    """Return a frame to which nothing is to be done yet."""
    return Pending(frame, (), (), frame.outline)


def takes_part(stage: Any) -> bool:
    """Whether the class itself defines both a call and its rows: a subclass with another call takes no part."""
    own = vars(type(stage))
    return callable(own.get("as_rows")) and "__call__" in own


def is_curve(stage: Any) -> bool:
    """Whether a stage can be part of a table: a curve of one channel that will never change."""
    frozen = getattr(type(stage), "__dataclass_params__", None)
    return takes_part(stage) and vars(type(stage)).get("is_curve") is True and bool(frozen and frozen.frozen)


def advance(pending: Pending, stage: Any, *, fuse: bool) -> Pending:
    """Add a stage to what is pending, running as little as possible: nothing, or what it must see first."""
    check_space(stage, pending.after)
    if fuse and takes_part(stage):
        step = stage.as_rows(pending.after)
        if step is None:
            pending = waiting(pending.done())
            step = stage.as_rows(pending.after, pending.frame)
        if step is not None:
            return pending.then(step)
    return waiting(called(stage, pending.done()))


def called(stage: Any, frame: Frame) -> Frame:
    """Return what a stage makes of a whole frame, or say that it makes none."""
    result = stage(frame)
    if not isinstance(result, Frame):
        raise StageError(f"{type(stage).__name__} returned a {type(result).__name__}; a stage returns a Frame")
    return result


def process(stages: Sequence[Any], frame: Frame, *, fuse: bool = True) -> Frame:
    """Run stages on a frame; with `fuse` false one after the other, which gives the same."""
    pending = waiting(frame)
    for stage in stages:
        pending = advance(pending, stage, fuse=fuse)
    return pending.done()


def render(
    stages: Sequence[Any], frame: Frame, bit_depth: int, *, fuse: bool = True, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Run stages on a frame and round the result to integers, the curves at the end through one table.

    Parameters
    ----------
    stages : sequence of Stage
        Their last result is LINEAR or DISPLAY.
    frame : Frame
        What the first stage reads.
    bit_depth : int
        8, 16 or 32 (float32, unclipped; the curves are then computed, as `process` does).
    fuse : bool
        False runs stage after stage over whole frames, and the same table over the last: equal to the last bit.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray of uint8, uint16 or float32, (H, W, 3)
        As the sensor lies: not cropped, not turned.
    """
    result = rendering(stages, frame, bit_depth, fuse=fuse)
    _check(out, result.shape, result.dtype)
    if isinstance(result, Rendering):
        return result.whole(out)
    if out is None:
        return result
    out[:] = result
    return out


def rendering(stages: Sequence[Any], frame: Frame, bit_depth: int, *, fuse: bool = True) -> Rendering | NDArray[Any]:
    """Return what `render` does, with its rows yet to be computed wherever a table comes last."""
    first = len(stages)
    while first and is_curve(stages[first - 1]):
        first -= 1
    pending = waiting(frame)
    for stage in stages[:first]:
        pending = advance(pending, stage, fuse=fuse)
    table = look_up(stages[first:], bit_depth) if first < len(stages) and bit_depth in (8, 16) else None
    if table is None:
        for stage in stages[first:]:
            pending = advance(pending, stage, fuse=fuse)
        return quantise(pending.done().data, bit_depth)
    pending = pending if fuse else waiting(pending.done())
    shape = pending.after.shape
    make = maker(pending.frame.data, (*pending.works, table), (*pending.shapes, shape))
    return Rendering(make, shape, table.values.dtype)


def _check(out: NDArray[Any] | None, shape: tuple[int, ...], dtype: Any) -> None:
    """Raise `ParameterError` if a result cannot be put into an array."""
    if out is None:
        return
    fits = isinstance(out, np.ndarray) and out.shape == shape and out.dtype == dtype
    if not (fits and out.flags.c_contiguous and out.flags.writeable):
        what = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ParameterError(f"render: out is {what}; give a writable C-contiguous array of {np.dtype(dtype)} {shape}")
