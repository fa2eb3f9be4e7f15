"""Whom we are measured against within one process: LibRaw by rawpy, and OpenCV."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import rawpy

from isp.bench.race import Sample, clocked
from isp.frame import Frame
from isp.threads import thread_count

LINEAR = rawpy.DemosaicAlgorithm.LINEAR
AHD = rawpy.DemosaicAlgorithm.AHD
EQUAL = "equal but for our tone curve"

# Camera white balance, no brightening, the curve of sRGB, the sensor's orientation: what our default chain does too.
MATCHED: dict[str, Any] = {
    "use_camera_wb": True,
    "no_auto_bright": True,
    "adjust_maximum_thr": 0.0,
    "gamma": (2.4, 12.92),
    "user_flip": 0,
}


def libraw(
    path: str | os.PathLike[str], bit_depth: int = 8, algorithm: rawpy.DemosaicAlgorithm = LINEAR
) -> Callable[[], Sample]:
    """Return a run of LibRaw's postprocess at matched settings; reading and decoding are not in its time."""

    def run() -> Sample:
        with open(path, "rb") as file, rawpy.imread(file) as raw:
            raw.raw_image  # noqa: B018 (decodes)
            work = partial(raw.postprocess, demosaic_algorithm=algorithm, output_bps=bit_depth, **MATCHED)
            return clocked(work)()

    return run


def libraw_decode(path: str | os.PathLike[str]) -> None:
    """Read a file and decode its mosaic."""
    with open(path, "rb") as file, rawpy.imread(file) as raw:
        raw.raw_image  # noqa: B018


def opencv_demosaic(frame: Frame, *, preallocated: bool = False) -> Callable[[], Any]:
    """Return OpenCV's bilinear demosaic of the 16-bit mosaic, into a new array or always into the same one.

    OpenCV is imported by the first call, which fails if it cannot be, or if the mosaic is not Bayer's.
    """

    @functools.cache
    def prepare() -> Callable[[], Any]:
        import cv2

        cv2.setNumThreads(thread_count())
        phases = {((0, 1), (1, 2)): "RG", ((1, 0), (2, 1)): "GR", ((1, 2), (0, 1)): "GB", ((2, 1), (1, 0)): "BG"}
        if frame.data.ndim != 2 or frame.meta.cfa not in phases:
            raise ValueError("OpenCV demosaics Bayer mosaics only")
        # Named by the second row and column of the mosaic, as OpenCV's constants are.
        code = getattr(cv2, f"COLOR_Bayer{phases[frame.meta.cfa]}2RGB")
        target = np.empty((*frame.data.shape, 3), np.uint16) if preallocated else None
        return lambda: cv2.cvtColor(frame.data, code, dst=target)

    return lambda: prepare()()
