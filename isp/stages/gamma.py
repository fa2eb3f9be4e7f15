"""Gamma: encode linear light for a display or a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from isp.bands import apply
from isp.errors import ParameterError, require, require_choice
from isp.frame import Frame, Outline, Space
from isp.jit import kernel
from isp.parameters import settle
from isp.rows import Point, Points, Step
from isp.stages.options import numbers

METHODS = ("srgb", "bt709", "linear", "power", "two_part")


@kernel
def encode(value, power, slope, knee, offset):  # type: ignore[no-untyped-def]
    """Return slope x up to the knee, (1 + offset) x^power - offset above it; clipped to 0..1."""
    value = min(max(value, np.float32(0)), np.float32(1))
    if value <= knee:
        return slope * value
    curved = value**power
    return curved + offset * (curved - np.float32(1))  # in this form 1 stays 1


@kernel
def _encoded(value, x, parameters):  # type: ignore[no-untyped-def]
    power, slope, knee, offset = parameters
    return (
        encode(value[0], power, slope, knee, offset),
        encode(value[1], power, slope, knee, offset),
        encode(value[2], power, slope, knee, offset),
    )


@dataclass(frozen=True, slots=True)
class Gamma:
    """LINEAR to DISPLAY: ``s x`` below x0, ``(1 + a) x^(1/g) - a`` above. Clips to 0..1.

    Value and slope of the two parts agree at x0: a = s x0 (g - 1) and (1 + a) x0^(1/g) = s x0 g.

    Parameters
    ----------
    method : {"srgb", "bt709", "linear", "power", "two_part"}, default "srgb"
        * ``srgb``: IEC 61966-2-1, g = 2.4, s = 12.92, x0 = 0.0031308, a = 0.055.
        * ``bt709``: what LibRaw and dcraw call (2.222, 4.5): the camera curve of Rec. ITU-R BT.709.
        * ``linear``: x.
        * ``power``: x^(1/`power`), without a linear part.
        * ``two_part``: `power` and `slope` of your own.
    power : float, optional
        g, 1..10, of ``power`` and ``two_part``.
    slope : float, optional
        s, above 1 up to 1000, of ``two_part``.

    Raises
    ------
    ParameterError
        If a value is out of range or missing.

    Examples
    --------
    >>> import isp
    >>> [round(number, 6) for number in isp.Gamma("bt709").curve()[2:]]
    [0.01805, 0.099258]
    """

    method: str = "srgb"
    power: float | None = None
    slope: float | None = None

    reads: ClassVar[Space] = Space.LINEAR
    is_curve: ClassVar[bool] = True
    writes: ClassVar[Space] = Space.DISPLAY

    def __post_init__(self) -> None:
        settle(self)
        require_choice("Gamma", "method", self.method, METHODS)
        require(self.power is None or 1 <= self.power <= 10, "Gamma", "power", self.power, "1..10")
        require(self.slope is None or 1 < self.slope <= 1000, "Gamma", "slope", self.slope, "above 1 up to 1000")
        if self.method in ("power", "two_part") and self.power is None:
            raise ParameterError(f"Gamma: {self.method} needs power (1..10)")
        if self.method == "two_part" and self.slope is None:
            raise ParameterError("Gamma: two_part needs slope (above 1 up to 1000)")

    @classmethod
    def parse(cls, text: str) -> Gamma:
        """Read the command line's form: ``srgb``, ``bt709``, ``linear``, a power ``2.2``, or ``POWER,SLOPE``."""
        if text in METHODS:
            return cls(text)
        values = numbers("Gamma", "gamma", text)
        require(len(values) <= 2, "Gamma", "gamma", text, "srgb, bt709, linear, POWER or POWER,SLOPE")
        return cls("power", values[0]) if len(values) == 1 else cls("two_part", *values)

    def curve(self) -> tuple[float, float, float, float]:
        """Return exponent 1/g, slope s, knee x0 and offset a."""
        if self.method == "srgb":
            return 1 / 2.4, 12.92, 0.0031308, 0.055
        if self.method == "bt709":
            return two_part(2.222, 4.5)
        if self.method == "linear":
            return 1.0, 1.0, 1.0, 0.0
        assert self.power is not None
        if self.method == "power":
            return 1 / self.power, 0.0, 0.0, 0.0
        assert self.slope is not None
        return two_part(self.power, self.slope)

    @property
    def encoding(self) -> str | None:
        """The curve's name for a colour profile; None if it is neither sRGB nor linear."""
        return self.method if self.method in ("srgb", "linear") else None

    def __call__(self, frame: Frame) -> Frame:
        """Return the frame in DISPLAY space."""
        return apply(self, frame)

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step:
        """Return how rows are made."""
        points = Points(Point(_encoded), tuple(np.float32(number) for number in self.curve()))
        return Step(points, before.replace(space=Space.DISPLAY, encoding=self.encoding))


def two_part(power: float, slope: float) -> tuple[float, float, float, float]:
    """Return exponent, slope, knee and offset of the curve whose parts meet in value and slope, by bisection.

    The knee x0 solves (1 + s x0 (g - 1)) x0^(1/g) = s x0 g; with g = 1 the curve is a line.
    """
    if power == 1.0:
        return 1.0, 1.0, 1.0, 0.0
    low, high = 0.0, 1.0 / slope
    for _ in range(100):
        knee = (low + high) / 2
        above = (1 + slope * knee * (power - 1)) * knee ** (1 / power) > slope * knee * power
        low, high = (knee, high) if above else (low, knee)
    return 1 / power, slope, knee, slope * knee * (power - 1)
