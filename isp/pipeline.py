"""A tuple of stages that fit together, and its text form, the recipe."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from isp import fused
from isp.errors import ParameterError, PipelineError, printable
from isp.frame import Frame, Space
from isp.parameters import check_parameters, frozen
from isp.rendering import Rendering
from isp.stages import STAGES, Denoise

logger = logging.getLogger(__name__)


@runtime_checkable
class Stage(Protocol):
    """Anything that turns a frame of one space into a frame of the same or another.

    A stage may also have an attribute ``also``: a second space in which it works without leaving it. It is what lets
    white balance and vignetting meet a file that is demosaiced already.
    """

    @property
    def reads(self) -> Space:
        """The space of the frames that it takes."""

    @property
    def writes(self) -> Space:
        """The space of the frames that it returns."""

    def __call__(self, frame: Frame) -> Frame:
        """Return a new frame; the old one stays as it is."""


def _is_stage(it: Any) -> bool:
    """Whether something is a `Stage` and no class of them; `isinstance` takes long to find out for a protocol."""
    return callable(it) and hasattr(it, "reads") and hasattr(it, "writes") and not isinstance(it, type)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in the order in which they run, checked when the pipeline is built.

    Parameters
    ----------
    stages : tuple of Stage
        Each must read the space that the one before writes. Any object of the protocol will do.
    fuse : bool, default True
        Run neighbouring stages together, band by band. False runs one after the other over whole frames: slower, with
        the same result to the last bit, of a call and of `render` alike.

    Raises
    ------
    PipelineError
        If two neighbours do not fit, or something is no stage.

    Examples
    --------
    >>> import isp
    >>> pipeline = isp.Pipeline((isp.BlackLevel(), isp.WhiteBalance("gray_world"), isp.Demosaic("half")))
    >>> pipeline(isp.read_raw("sample_raws/dc50_0008.KDC")).data.shape
    (256, 384, 3)
    """

    stages: tuple[Stage, ...]
    fuse: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.stages, Iterable):
            raise PipelineError(f"a pipeline is made of a tuple of stages, not of {self.stages!r}")
        object.__setattr__(self, "stages", tuple(self.stages))
        for stage in self.stages:
            if not _is_stage(stage):
                raise PipelineError(f"{stage!r} is no stage; it needs reads, writes and a call with one frame")
        for before, after in zip(self.stages, self.stages[1:], strict=False):
            if before.writes is not after.reads:
                wrong = (
                    f"{_title(before)} writes {before.writes.name}, {_title(after)} after it reads {after.reads.name}"
                )
                raise PipelineError(f"{wrong}; put the stages between that lead there")

    def __call__(self, frame: Frame) -> Frame:
        """Run every stage that a frame of this space has still before it."""
        return fused.process(self.starting_from(frame), frame, fuse=self.fuse)

    def render(self, frame: Frame, bit_depth: int = 8, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Run like a call and round to integers, which is faster: the curves at the end go through one table.

        Parameters
        ----------
        frame : Frame
            What the first stage reads.
        bit_depth : int, default 8
            8, 16 or 32.
        out : ndarray, optional
            An array to put the result into, C-contiguous and of its shape and dtype: for a series of pictures, so that
            the system need not clear new memory for each.

        Returns
        -------
        ndarray of uint8, uint16 or float32, (H, W, 3)
            Within 0.55 of 255 or 2 of 65535 of the exact curves; as the sensor lies, not cropped, not turned. `out`, if
            it was given.

        Raises
        ------
        PipelineError
            If the pipeline does not end in LINEAR or DISPLAY.
        ParameterError
            If the result does not fit into `out`.
        """
        self.require_picture()
        return fused.render(self.starting_from(frame), frame, bit_depth, fuse=self.fuse, out=out)

    def rendering(self, frame: Frame, bit_depth: int = 8) -> Rendering | NDArray[Any]:
        """Return what `render` does, with its rows yet to be computed: slice it for some of them.

        For encoders and viewers, which need a few rows at a time: the picture is never in memory as a whole. Where no
        curve ends the pipeline, or the depth is 32, it is an array.

        Parameters
        ----------
        frame : Frame
            What the first stage reads; it is kept until the last row is computed.
        bit_depth : int, default 8
            8, 16 or 32.

        Returns
        -------
        Rendering or ndarray, (H, W, 3)
            A slice of it, ``rendering[top:bottom]``, is an array, the same for any thread that asks.

        Raises
        ------
        PipelineError
            If the pipeline does not end in LINEAR or DISPLAY.
        """
        self.require_picture()
        return fused.rendering(self.starting_from(frame), frame, bit_depth, fuse=self.fuse)

    def require_picture(self) -> None:
        """Raise `PipelineError` unless the pipeline ends in LINEAR or DISPLAY."""
        if not self.stages or self.stages[-1].writes not in (Space.LINEAR, Space.DISPLAY):
            raise PipelineError("a pipeline makes a picture only if it ends with color, exposure, tone or gamma")

    @property
    def encoding(self) -> str | None:
        """The curve of the pictures for a colour profile: "srgb", "linear", or None for another."""
        last = self.stages[-1] if self.stages else None
        if last is not None and last.writes is Space.LINEAR:
            return "linear"
        return getattr(last, "encoding", None)

    def trace(self, frame: Frame) -> Iterator[tuple[Stage, Frame, float]]:
        """Run like a call and yield, after each stage, the stage, its result and the seconds it took."""
        for stage in self.starting_from(frame):
            start = time.perf_counter()
            frame = stage(frame)
            yield stage, frame, time.perf_counter() - start

    def starting_from(self, frame: Frame) -> tuple[Stage, ...]:
        """Return the stages that this frame will meet.

        They begin at the first that reads the frame's space. A file that is demosaiced already enters at CAMERA; of the
        stages before that it meets those that also work there.

        Raises
        ------
        PipelineError
            If no stage reads the frame's space.
        """
        if not isinstance(frame, Frame):
            raise ParameterError(f"Pipeline: {frame!r} is no Frame; read one with isp.read_raw")
        first = next((i for i, stage in enumerate(self.stages) if stage.reads is frame.space), None)
        if first is None:
            raise PipelineError(f"no stage of this pipeline reads {frame.space.name}, the space of the frame")
        if not frame.meta.demosaiced or frame.space is not Space.CAMERA:
            return self.stages[first:]
        early = tuple(stage for stage in self.stages[:first] if getattr(stage, "also", None) is Space.CAMERA)
        for stage in self.stages[:first]:
            if stage not in early and not _is_default(stage):
                logger.warning("%s: the file is demosaiced already; %s has no effect", frame.meta.name, _title(stage))
        return early + self.stages[first:]

    def to_toml(self) -> str:
        """Return the recipe: an array of tables, one per stage, in order.

        Raises
        ------
        PipelineError
            If a stage is not one of ours, or a parameter is an array.
        """
        import tomli_w

        return tomli_w.dumps({"stage": [_to_table(stage) for stage in self.stages]})

    @classmethod
    def from_toml(cls, text: str) -> Pipeline:
        """Build a pipeline from a recipe.

        Raises
        ------
        PipelineError
            If it is no TOML, or names a stage or a parameter that does not exist.
        ParameterError
            If a value is out of range.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise PipelineError(f"the recipe is not valid TOML: {error}") from error
        tables = document.pop("stage", None)
        if document or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise PipelineError(f"a recipe is a list of [[stage]] tables and nothing else; found {sorted(document)}")
        return cls(tuple(_from_table(table) for table in tables))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Pipeline:
        """Read a recipe file; errors name it."""
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the path
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise PipelineError(f"{printable(path)}: cannot read the recipe: {reason}") from error
        try:
            return cls.from_toml(text)
        except (PipelineError, ParameterError) as error:
            raise PipelineError(f"{printable(path)}: {error}") from error

    def replace(self, name: str, **changes: Any) -> Pipeline:
        """Return a pipeline in which the stages called `name` (as in a recipe) have other parameters.

        Raises
        ------
        PipelineError
            If no such stage is in it, or it has no such parameter.
        """
        wanted = stage_class(name)
        if not any(type(stage) is wanted for stage in self.stages):
            raise PipelineError(f"{name} is not in this pipeline; it has {', '.join(map(_name, self.stages))}")
        check_parameters(name, wanted, changes)
        changed = [
            dataclasses.replace(stage, **changes) if type(stage) is wanted else stage  # type: ignore[type-var]
            for stage in self.stages
        ]
        return Pipeline(tuple(settled(changed)), self.fuse)

    def substitute(self, stages: Iterable[Stage]) -> Pipeline:
        """Return a pipeline in which each of these takes the place of those of its kind.

        Raises
        ------
        PipelineError
            If no stage of a kind is in it, or the result does not fit together.
        """
        given = list(stages)
        kinds = {type(stage) for stage in given}
        result: list[Stage] = []
        for stage in self.stages:
            if type(stage) not in kinds:
                result.append(stage)
            elif not any(type(other) is type(stage) for other in result):
                result.extend(other for other in given if type(other) is type(stage))
        missing = kinds - {type(stage) for stage in self.stages}
        if missing:
            names = ", ".join(sorted(kind.__name__ for kind in missing))
            raise PipelineError(f"{names} is not in this pipeline; it has {', '.join(map(_name, self.stages))}")
        return Pipeline(tuple(settled(result)), self.fuse)


def settled(stages: Sequence[Stage]) -> list[Stage]:
    """Return stages with the denoisers where their space asks for: right after the stage that leads into it."""
    result = [stage for stage in stages if not isinstance(stage, Denoise)]
    for space in (Space.MOSAIC, Space.CAMERA):
        denoisers = [stage for stage in stages if isinstance(stage, Denoise) and stage.reads is space]
        ways_in = [i for i, stage in enumerate(result) if stage.writes is space and stage.reads is not space]
        if denoisers and not ways_in:
            return list(stages)
        for denoise in reversed(denoisers):
            result.insert(ways_in[-1] + 1, denoise)
    return result


def stage_class(name: str) -> type[Any]:
    """Return the class of a stage by its name in recipes."""
    if name not in STAGES:
        raise PipelineError(f"there is no stage {name!r}; known are {', '.join(STAGES)}")
    return STAGES[name]


def _to_table(stage: Stage) -> dict[str, Any]:
    name = _name(stage)
    if name not in STAGES:
        raise PipelineError(f"{_title(stage)} is not one of the stages that recipes know: {', '.join(STAGES)}")
    table: dict[str, Any] = {"name": name}
    for field in dataclasses.fields(stage):  # type: ignore[arg-type]
        value = getattr(stage, field.name)
        if value is None:
            continue  # None means from the file, which TOML says by leaving the key out
        if not isinstance(value, str | bool | int | float | tuple | os.PathLike):
            kind = type(value).__name__
            raise PipelineError(f"{name}.{field.name} is a {kind}; a recipe holds names and files, not what they mean")
        table[field.name] = os.fspath(value) if isinstance(value, os.PathLike) else value
    return table


def _from_table(table: dict[str, Any]) -> Stage:
    parameters = {key: frozen(value) for key, value in table.items() if key != "name"}
    name = table.get("name")
    if not isinstance(name, str):
        raise PipelineError(f"a [[stage]] of the recipe has no name; known are {', '.join(STAGES)}")
    check_parameters(name, stage_class(name), parameters)
    stage: Stage = stage_class(name)(**parameters)
    return stage


def _name(stage: Stage) -> str:
    return next((name for name, kind in STAGES.items() if type(stage) is kind), type(stage).__name__)


def _is_default(stage: Stage) -> bool:
    kind = type(stage)
    return kind in STAGES.values() and bool(stage == kind())


def _title(stage: Stage) -> str:
    return type(stage).__name__
