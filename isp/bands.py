"""The schedule: rows made in bands that stay in the cache, each once, and shares of the rows for every thread.

There is no formula here and no stage by name.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.frame import Frame
from isp.in_turn import run_in_turn
from isp.jit import Call, Kernel
from isp.loops import (
    SAME,
    after,
    each_pixel,
    each_site,
    each_site_by_parity,
    looked_up,
    looked_up_by_parity,
    parted,
    woven,
)
from isp.machine_code import LINE
from isp.recycled import empty
from isp.rows import Point, Points, RowStage, Scratch, Table, Window, check_space
from isp.threads import over_rows

_BAND_BYTES = 1 << 20  # of the widest buffer: one and what is made of it stay in a second-level cache of 2 MB
_BAND_ROWS = 64
_SOURCE_TOP, _TARGET, _TARGET_TOP = 3, 4, 5  # which arguments of a kernel; see `isp.loops`

Work = Points | Window | Table
Shape = tuple[int, ...]
Maker = Callable[[int, int, NDArray[Any]], None]


class Pass(NamedTuple):
    """A window, if there is one, and the functions of one pixel after it: one kernel."""

    kernel: Kernel
    parameters: Any
    halo: int
    cell: int
    shape: Shape  # of the result
    by_parity: bool  # whether it writes even and odd columns apart


def apply(stage: RowStage, frame: Frame) -> Frame:
    """Run one stage on a whole frame."""
    check_space(stage, frame)
    before = frame.outline
    step = stage.as_rows(before, frame)
    assert step is not None, "a stage that sees the frame knows what to do"
    if step.work is None:
        return frame if step.after is before else step.after.filled(frame.data)
    return step.after.filled(run(frame.data, [step.work], [step.after.shape], np.float32))


def run(
    source: NDArray[Any], works: Sequence[Work], shapes: Sequence[Shape], dtype: Any, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return what several works, one after the other, make of an image.

    Parameters
    ----------
    source : ndarray
        Mosaic or three colours.
    works : sequence of Points, Window or Table
        At least one. A Table comes last.
    shapes : sequence of tuple
        Of the images that they make.
    dtype : dtype
        Of the result.
    out : ndarray, optional
        Where to put it, C-contiguous and of its shape and dtype.
    """
    out = empty(shapes[-1], dtype) if out is None else out
    make = maker(source, works, shapes)
    over_rows(lambda first, last: make(first, last, out[first:last]), len(out))
    return out


def maker(source: NDArray[Any], works: Sequence[Work], shapes: Sequence[Shape]) -> Maker:
    """Return a function that puts rows `first` to `last` of what `run` returns into an array of so many rows.

    Whatever rows it is asked for, in whatever thread, each is the same.
    """
    passes = _passes(works, shapes, source.shape)
    heights = [len(source), *(each.shape[0] for each in passes)]
    most = _rows_of_a_band(passes)
    idle: deque[list[Call]] = deque()

    def make(first: int, last: int, target: NDArray[Any]) -> None:
        last_target = target.reshape(len(target), -1) if isinstance(works[-1], Table) else by_rows(target)
        try:
            calls = idle.pop()
            calls[-1].replace(_TARGET, last_target)
        except IndexError:
            calls = _calls(passes, by_rows(source), min(most, heights[-1]), last_target)
        band = 2 * -(-(last - first) // (2 * -(-(last - first) // most)))  # as even as pairs of rows allow
        made = _made(passes, heights, [*range(first, last, band), last])
        for call, (source_top, target_top) in zip(calls, pairwise([0, *made[0].tolist()]), strict=True):
            call.replace(_SOURCE_TOP, source_top)
            call.replace(_TARGET_TOP, target_top)
        run_in_turn(calls, made)
        idle.append(calls)

    return make


def _calls(passes: Sequence[Pass], source: NDArray[Any], band: int, target: NDArray[Any]) -> list[Call]:
    """Return a call for each pass, for one thread: buffers of a band lie between them."""
    images = [source, *_buffers(passes, band), target]
    return [
        each.kernel.bind(0, 0, image, 0, made, 0, _with_scratch(each.parameters))
        for each, (image, made) in zip(passes, pairwise(images), strict=True)
    ]


def by_rows(image: NDArray[Any]) -> NDArray[Any]:
    """Return a colour image as (rows, 3, columns), a mosaic as it is; a view."""
    return image.transpose(0, 2, 1) if image.ndim == 3 else image


def _passes(works: Sequence[Work], shapes: Sequence[Shape], before: Shape) -> list[Pass]:
    """Cut works into passes: a window begins one, unless it begins with the first; points go along."""
    groups: list[tuple[list[Work], Shape]] = []
    for work, shape in zip(works, shapes, strict=True):
        if not groups or isinstance(work, Window):
            groups.append(([], shape))
        groups[-1] = ([*groups[-1][0], work], shape)
    first = groups[0][0][0]
    if isinstance(first, Window) and first.by_parity:
        groups.insert(0, ([Points(SAME)], before))
    result = []
    for number, (group, shape) in enumerate(groups):
        following = groups[number + 1][0][0] if number + 1 < len(groups) else None
        apart = isinstance(following, Window) and following.by_parity
        result.append(_as_pass(group, shape, apart))
    return result


def _as_pass(group: list[Work], shape: Shape, apart: bool) -> Pass:
    window = group[0] if isinstance(group[0], Window) else None
    points = [(work.point, work.parameters) for work in group if isinstance(work, Points | Table)]
    point, parameters = reduce(_joined, points) if points else (SAME, ())
    lies_apart = window.by_parity if window is not None else apart and len(shape) == 2
    together = window.together if window is not None else 1
    row = (together, 3, 2, (shape[1] + 1) // 2) if lies_apart else (together, 3, shape[1])
    if window is not None:
        planes = () if window.by_parity else (Scratch(row),)
        kernel, parameters = window.make(point), (window.parameters, parameters, *planes)
    elif len(shape) == 2:
        kernel = (each_site_by_parity if apart else each_site)(point)
    else:
        kernel = each_pixel(point)
    if isinstance(group[-1], Table):
        kernel = (looked_up_by_parity if lies_apart else looked_up)(kernel)
        parameters = (parameters, group[-1].values, Scratch(row, np.uint16))
    elif lies_apart and not apart:
        kernel, parameters = woven(kernel), (parameters, Scratch(row))
    elif apart and not lies_apart:
        kernel, parameters = parted(kernel), (parameters, Scratch(row))
    return Pass(kernel, parameters, window.halo if window else 0, window.cell if window else 1, shape, apart)


def _with_scratch(parameters: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return parameters with an array for every `Scratch`."""
    return tuple(
        _aligned(each.shape, each.dtype)
        if isinstance(each, Scratch)
        else _with_scratch(each)
        if isinstance(each, tuple)
        else each
        for each in parameters
    )


def _joined(first: tuple[Point, Any], second: tuple[Point, Any]) -> tuple[Point, Any]:
    return after(first[0], second[0]), (first[1], second[1])


def _made(passes: Sequence[Pass], heights: Sequence[int], edges: Sequence[int]) -> NDArray[np.int64]:
    """Return up to which row each pass is, (edges, passes), when the last one is at the edges of its bands.

    At the first edge that is where it begins.
    """
    made = np.empty((len(edges), len(passes)), np.int64)
    made[:, -1] = edges
    for number in range(len(passes) - 1, 0, -1):
        halo, read = passes[number].halo, passes[number].cell * made[:, number]
        made[:, number - 1] = np.minimum(read + halo, heights[number])
        made[0, number - 1] = max(read[0] - halo, 0)
    return made


def _width_in_memory(each: Pass) -> Shape:
    """Return the shape of one row of a pass in a buffer."""
    width = each.shape[1]
    columns = (2, (width + 1) // 2) if each.by_parity else (width,)
    return (3, *columns) if len(each.shape) == 3 else columns


def _rows_of_a_band(passes: Sequence[Pass]) -> int:
    """Return an even number of rows of the result, as many as let every buffer stay in the cache."""
    widest = max((4 * math.prod(_width_in_memory(each)) for each in passes[:-1]), default=0)
    return max(8, min(_BAND_ROWS, _BAND_BYTES // widest // 2 * 2)) if widest else 1 << 30


def _buffers(passes: Sequence[Pass], band: int) -> list[NDArray[np.float32]]:
    """Return where every pass but the last puts its rows: rings of what a band of the next one reads."""
    rows = [band]
    for each in passes[:0:-1]:
        rows.insert(0, rows[0] * each.cell + 2 * each.halo)
    return [
        _aligned((count, *_width_in_memory(each)), np.float32) for count, each in zip(rows, passes[:-1], strict=False)
    ]


def _aligned(shape: Shape, dtype: Any) -> NDArray[Any]:
    """Return an array that begins with a line of the cache: a vector across two of them takes twice the time."""
    memory = np.empty(math.prod(shape) * np.dtype(dtype).itemsize + LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, offset=-memory.ctypes.data % LINE)
