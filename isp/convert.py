"""From a raw file to pixels or to a picture file, in one call."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isp import jit
from isp.atomic import check_target
from isp.encoders import Extras
from isp.errors import PipelineError, StageError, WriteError, printable
from isp.frame import Frame
from isp.geometry import TURNED, contiguous, upright
from isp.headerless import Layout, read_headerless
from isp.image import FORMATS, SUFFIXES, Output, upright_and_rounded, write_picture
from isp.pipeline import Pipeline
from isp.raw import MAX_PIXELS, read_raw
from isp.recipe import default_pipeline
from isp.rendering import Picture, Upright


def develop(source: str | os.PathLike[str] | BinaryIO | Frame, *, crop: str = "camera", **knobs: Any) -> NDArray[Any]:
    """Turn a raw file into a picture.

    Parameters
    ----------
    source : path, binary file object or Frame
        What to develop.
    crop : {"camera", "active", "full"}, default "camera"
        The part to show, if `source` is not a Frame; see `read_raw`.
    **knobs
        As of `default_pipeline`: white_balance, demosaic, denoise, vignetting, exposure, auto_bright, tone, gamma.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
        Upright, square pixels, sRGB unless `gamma` says otherwise.

    Raises
    ------
    RawError
        If the file cannot be read.
    ParameterError
        If a knob is out of range or not understood.

    Examples
    --------
    >>> import isp
    >>> isp.develop("sample_raws/g2_0304.CRW", white_balance="gray_world", demosaic="half").shape
    (852, 1136, 3)
    """
    pipeline = default_pipeline(**knobs)
    frame = source if isinstance(source, Frame) else read_raw(source, crop=crop)
    return contiguous(picture(pipeline, frame, 8))


def picture(pipeline: Pipeline, frame: Frame, bit_depth: int) -> NDArray[Any]:
    """Return what a pipeline makes of a frame as it should be looked at, rounded once; a turned one is a view.

    Non-square pixels are interpolated before the rounding; anything else is turned and cut after it.
    """
    pipeline.require_picture()
    if frame.meta.pixel_aspect == 1:
        return upright(pipeline.render(frame, bit_depth), frame.meta)
    return upright_and_rounded(pipeline(frame).data, frame.meta, bit_depth)


def picture_by_rows(pipeline: Pipeline, frame: Frame, bit_depth: int) -> Picture:
    """Return the same as `picture`, with its rows yet to be computed where that is possible.

    It is not where rows become columns, or pixels are interpolated.
    """
    if frame.meta.orientation in TURNED or frame.meta.pixel_aspect != 1:
        return picture(pipeline, frame, bit_depth)
    return Upright(pipeline.rendering(frame, bit_depth), frame.meta)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that turns a raw file into a picture file, but for the names of both.

    Attributes
    ----------
    pipeline : Pipeline
        The stages.
    crop : {"camera", "active", "full"}
        The part of the sensor to show.
    headerless : Layout or None
        What headerless files do not say about themselves.
    output : Output
        Depth, quality, metadata, overwriting.
    max_pixels : int
        Refuse larger raw files.
    accept_damaged : bool
        Make a picture of what can be read of a damaged file.
    isolate : bool
        Read in a child process; see `read_raw`.
    """

    pipeline: Pipeline = field(default_factory=default_pipeline)
    crop: str = "camera"
    headerless: Layout | None = None
    output: Output = field(default_factory=Output)
    max_pixels: int = MAX_PIXELS
    accept_damaged: bool = False
    isolate: bool = False


def convert_file(
    source: str | os.PathLike[str], target: str | os.PathLike[str], settings: Settings | None = None
) -> Path:
    """Convert a raw file to a picture file, whole or not at all.

    Parameters
    ----------
    source, target : path
        Raw file and picture; the target's suffix is its format unless the settings say one.
    settings : Settings, optional
        The default pipeline, camera crop and output if None.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    RawError, StageError, WriteError, StorageError
        One line each, naming the file.
    """
    settings = settings or Settings()
    output = settings.output
    check_target(target, overwrite=output.overwrite)
    if os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise WriteError(f"{printable(target)}: is the raw file itself; give the picture another name")
    frame = _read(source, settings)
    pipeline, meta, mosaics = settings.pipeline, frame.meta, [frame]
    del frame  # so that `make` can let the mosaic go: it need not lie beside the picture while that is encoded

    def make(depth: int) -> Picture:
        return picture_by_rows(pipeline, mosaics.pop(), depth)

    try:
        return write_picture(make, meta, pipeline.encoding, target, output)
    except (StageError, PipelineError) as error:
        name = printable(source)
        raise type(error)(str(error) if name in str(error) else f"{name}: {error}") from error


def _read(source: str | os.PathLike[str], settings: Settings) -> Frame:
    if settings.headerless is not None:
        return read_headerless(source, **settings.headerless._asdict())
    return read_raw(
        source,
        crop=settings.crop,
        max_pixels=settings.max_pixels,
        isolate=settings.isolate,
        accept_damaged=settings.accept_damaged,
    )


def open_frame(source: str | os.PathLike[str], *, crop: str = "camera", headerless: Layout | None = None) -> Frame:
    """Read a raw file, headerless if a layout is given."""
    return read_raw(source, crop=crop) if headerless is None else read_headerless(source, **headerless._asdict())


def prepare(target: str | os.PathLike[str], settings: Settings) -> None:
    """Load, beside the reading of the first raw file, the libraries that are needed to compute and to encode.

    Parameters
    ----------
    target : path
        A picture that will be written.
    settings : Settings
        How.
    """
    name = settings.output.file_format or SUFFIXES.get(os.path.splitext(os.fspath(target))[1].lower())

    def load() -> None:
        with contextlib.suppress(Exception):  # what fails here fails again where it can be reported
            jit.prepare()
            if name is not None:
                FORMATS[name].encode(np.zeros((8, 8, 3), np.uint8), Extras(), io.BytesIO())

    threading.Thread(target=load, name="isp-prepare").start()
