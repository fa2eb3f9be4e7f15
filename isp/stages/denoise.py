"""Denoise: a window filter on the demosaiced image, or on the mosaic one colour site at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isp.bands import apply
from isp.denoisers import METHODS, filtered
from isp.errors import require, require_choice
from isp.frame import Frame, Outline, Space
from isp.parameters import settle
from isp.rows import Step, check_space
from isp.stages.options import number


@dataclass(frozen=True, slots=True)
class Denoise:
    """CAMERA to CAMERA or MOSAIC to MOSAIC: replace each value by the mean or median of its neighbourhood.

    Clips nothing. The border is replicated.

    Parameters
    ----------
    method : {"none", "mean", "median"}, default "none"
        The mean is summed in float64 and rounded once; the median is exact.
    window : int, default 3
        Side of the window, 3, 5 or 7 pixels. On the mosaic it counts sites of one colour.
    where : {"camera", "mosaic"}, default "camera"
        After the demosaic, on red, green and blue; or before white balance on the mosaic, where each place of the CFA
        pattern is a plane of its own, so colours never mix (and the two greens of a Bayer cell stay apart).

    Raises
    ------
    ParameterError
        If a value is not one of these.

    Examples
    --------
    >>> import isp
    >>> isp.Denoise("median", window=5).reads.name
    'CAMERA'
    """

    method: str = "none"
    window: int = 3
    where: str = "camera"

    def __post_init__(self) -> None:
        settle(self)
        require_choice("Denoise", "method", self.method, ("none", *METHODS))
        require(self.window in (3, 5, 7), "Denoise", "window", self.window, "3, 5 or 7 pixels")
        require_choice("Denoise", "where", self.where, ("camera", "mosaic"))

    @classmethod
    def parse(cls, text: str) -> Denoise:
        """Read the command line's form: ``none``, ``median``, ``mean:5`` or ``median:3:mosaic``."""
        method, *rest = text.split(":")
        require(len(rest) <= 2, "Denoise", "method", text, "METHOD[:WINDOW[:mosaic]]")
        window = number("Denoise", "window", rest[0]) if rest else 3
        require(window in (3, 5, 7), "Denoise", "window", rest[0] if rest else 3, "3, 5 or 7 pixels")
        return cls(method, int(window), *rest[1:])

    @property
    def reads(self) -> Space:
        """The space that it reads, by `where`."""
        return Space.MOSAIC if self.where == "mosaic" else Space.CAMERA

    @property
    def writes(self) -> Space:
        """The space that it writes: the one that it reads."""
        return self.reads

    def __call__(self, frame: Frame) -> Frame:
        """Return the denoised frame, same space."""
        if self.method == "none" or self.where == "camera":
            return apply(self, frame)
        check_space(self, frame)
        return frame.replace(data=self._on_mosaic(frame.data, len(frame.meta.cfa), len(frame.meta.cfa[0])))

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step | None:
        """Return how rows are made; None on the mosaic, whose planes are made of every second row."""
        if self.method == "none":
            return Step(None, before)
        if self.where == "mosaic":
            return None
        return Step(METHODS[self.method](self.window, before.height, before.width), before)

    def _on_mosaic(self, mosaic: NDArray[np.float32], down: int, across: int) -> NDArray[np.float32]:
        out = np.empty(mosaic.shape, np.float32)
        for y in range(min(down, len(mosaic))):
            for x in range(min(across, mosaic.shape[1])):
                plane = np.ascontiguousarray(mosaic[y::down, x::across])
                out[y::down, x::across] = filtered(plane, self.method, self.window)
        return out
