"""Tone: the fixed curve that makes a first picture look like the camera's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from isp.bands import apply
from isp.errors import require, require_choice
from isp.frame import Frame, Outline, Space
from isp.jit import kernel
from isp.parameters import settle
from isp.rows import Point, Points, Step


@kernel
def camera_curve(value, contrast, shoulder):  # type: ignore[no-untyped-def]
    """Return (1 + a) x^c / (x^c + a), written so that it nears 1 + a where x^c overflows; below 0 it is 0."""
    if value <= 0:
        return np.float32(0)
    return (np.float32(1) + shoulder) / (np.float32(1) + shoulder * value**-contrast)


@kernel
def _toned(value, x, parameters):  # type: ignore[no-untyped-def]
    contrast, shoulder = parameters
    r, g, b = value
    return camera_curve(r, contrast, shoulder), camera_curve(g, contrast, shoulder), camera_curve(b, contrast, shoulder)


@dataclass(frozen=True, slots=True)
class Tone:
    """LINEAR to LINEAR: ``y = (1 + a) x^c / (x^c + a)`` per channel, which maps 0 to 0 and 1 to 1.

    ``camera`` clips negatives to 0 (their power is not a number); values over 1 go on, up to 1 + a. ``none`` changes
    nothing.

    Parameters
    ----------
    method : {"camera", "none"}, default "camera"
        ``camera``: a = 0.456, c = 1.4, fitted once to the JPEGs of three cameras; it never depends on the frame, so a
        series keeps its brightness. ``none``: for measurement and linear output.
    contrast : float, default 1.4
        c, 0.1..10: the slope around the middle.
    shoulder : float, default 0.456
        a, above 0 up to 100: the smaller, the earlier highlights roll off.

    Raises
    ------
    ParameterError
        If a value is out of range.

    References
    ----------
    Naka and Rushton, "S-potentials from luminosity units in the retina of fish", J. Physiol. 185, 1966 (the form).

    Examples
    --------
    >>> import isp
    >>> isp.Tone("camera").contrast
    1.4
    """

    method: str = "camera"
    contrast: float = 1.4
    shoulder: float = 0.456

    reads: ClassVar[Space] = Space.LINEAR
    is_curve: ClassVar[bool] = True
    writes: ClassVar[Space] = Space.LINEAR

    def __post_init__(self) -> None:
        settle(self)
        require_choice("Tone", "method", self.method, ("camera", "none"))
        require(0.1 <= self.contrast <= 10, "Tone", "contrast", self.contrast, "0.1..10")
        require(0 < self.shoulder <= 100, "Tone", "shoulder", self.shoulder, "above 0 up to 100")

    def __call__(self, frame: Frame) -> Frame:
        """Return the toned frame, same space."""
        return apply(self, frame)

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step:
        """Return how rows are made."""
        if self.method == "none":
            return Step(None, before)
        return Step(Points(Point(_toned), (np.float32(self.contrast), np.float32(self.shoulder))), before)
