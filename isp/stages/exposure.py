"""Exposure: make the picture brighter or darker by stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from isp.bands import apply
from isp.errors import require
from isp.frame import Frame, Meta, Outline, Space
from isp.jit import kernel
from isp.parameters import settle
from isp.rows import Point, Points, Step

_BINS = 8192  # of the 16-bit range, as LibRaw counts


@kernel
def expose(value, gain):  # type: ignore[no-untyped-def]
    """Scale linear light."""
    return value * gain


@kernel
def _exposed(value, x, parameters):  # type: ignore[no-untyped-def]
    gain = parameters[0]
    return expose(value[0], gain), expose(value[1], gain), expose(value[2], gain)


@dataclass(frozen=True, slots=True)
class Exposure:
    """LINEAR to LINEAR: ``v * 2^stops * 2^baseline * auto``. Clips nothing.

    Parameters
    ----------
    stops : float, default 0
        Exposure compensation in stops, -20..20; +1 doubles.
    baseline : bool, default True
        Add the file's DNG BaselineExposure (which LibRaw ignores).
    auto_bright : bool, default False
        Scale so that the share `clipped` of the pixels reaches white, by LibRaw's rule. Off by default, since
        brightness then jumps between the frames of one series.
    clipped : float, default 0.01
        Share of the pixels, 0..1, that `auto_bright` may clip in the brightest channel.

    Raises
    ------
    ParameterError
        If a value is out of range.

    Notes
    -----
    LibRaw's rule: a histogram per channel of floor(65535 v) in 8192 bins; from the top down, the first bin at which the
    running count exceeds clipped * pixels; T = the largest of the three; gain = 8192 / T.

    Examples
    --------
    >>> import isp
    >>> isp.Exposure(stops=1).stops
    1
    """

    stops: float = 0.0
    baseline: bool = True
    auto_bright: bool = False
    clipped: float = 0.01

    reads: ClassVar[Space] = Space.LINEAR
    writes: ClassVar[Space] = Space.LINEAR

    def __post_init__(self) -> None:
        settle(self)
        require(-20 <= self.stops <= 20, "Exposure", "stops", self.stops, "-20..20 stops")
        require(0 <= self.clipped <= 1, "Exposure", "clipped", self.clipped, "a share 0..1")

    def __call__(self, frame: Frame) -> Frame:
        """Return the scaled frame, same space."""
        return apply(self, frame)

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step | None:
        """Return how rows are made; None if the gain must be measured and there is no frame."""
        if frame is None and self.auto_bright:
            return None
        gain = np.float32(self.gain(frame) if frame else 2.0 ** self._stops(before.meta))
        return Step(Points(Point(_exposed), (gain,)) if gain != 1 else None, before)

    def gain(self, frame: Frame) -> float:
        """Return the factor that this stage would multiply a frame by."""
        gain = 2.0 ** self._stops(frame.meta)
        return float(gain * auto_bright_gain(frame.data, self.clipped)) if self.auto_bright else gain

    def _stops(self, meta: Meta) -> float:
        return self.stops + (meta.baseline_exposure if self.baseline else 0.0)


def auto_bright_gain(data: NDArray[np.float32], clipped: float) -> float:
    """Return the gain of LibRaw's auto-bright for a linear image (H, W, 3)."""
    limit = int(data.shape[0] * data.shape[1] * clipped)
    brightest = 0
    for colour in range(3):
        levels = (np.clip(data[:, :, colour], 0, 1) * np.float32(65535)).astype(np.uint16) >> 3
        from_top = np.cumsum(np.bincount(levels.ravel(), minlength=_BINS)[::-1])
        found = int(np.searchsorted(from_top, limit, side="right"))
        brightest = max(brightest, _BINS - 1 - found, 32)
    return _BINS / brightest
