"""White balance: scale red, green and blue so that what was grey in the scene is grey in the data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from isp.colorimetry import KELVIN_RANGE, PRESETS
from isp.errors import ParameterError, require, require_choice
from isp.frame import Frame, Gains, Space
from isp.geometry import picture_to_frame
from isp.jit import kernel
from isp.stages import neutral
from isp.stages.black_level import tile_columns
from isp.stages.options import number, numbers
from isp.threads import over_rows

logger = logging.getLogger(__name__)

METHODS = ("as_shot", "gray_world", "white_world", "gains", "box", "kelvin", *PRESETS)


@kernel
def balance(value, gain, limit):  # type: ignore[no-untyped-def]
    """Scale a site and clip it at `limit`, so that what is clipped in one colour is white in all."""
    return min(value * gain, limit)


@kernel
def _balance_rows(first, last, data, gains, limit, out):  # type: ignore[no-untyped-def]
    period = gains.shape[0]
    for y in range(first, last):
        for x in range(data.shape[1]):
            out[y, x] = balance(data[y, x], gains[y % period, x], limit)


@kernel
def _balance_rows_limited(first, last, data, gains, limit, out):  # type: ignore[no-untyped-def]
    period = gains.shape[0]
    for y in range(first, last):
        for x in range(data.shape[1]):
            out[y, x] = balance(data[y, x], gains[y % period, x], limit[y, x])


@dataclass(frozen=True, slots=True)
class WhiteBalance:
    """MOSAIC to MOSAIC: ``min(v * gain[colour], 1)``; also works on a demosaiced file's CAMERA frame.

    Gains are divided by the smallest, so they are 1 or more and a clipped white stays white in every channel. The gains
    that were used are in ``frame.gains`` afterwards; a frame that carries gains already is scaled by the quotient, so
    balancing twice is balancing once, but for what the first clipped. Negatives stay. A monochrome sensor needs none.

    Parameters
    ----------
    method : str, default "as_shot"
        * ``as_shot``: the camera's own gains; where the file has none that are valid, white world at 99.9 %, logged.
        * ``gray_world``: gain = mean(G) / mean(colour), over unclipped sites.
        * ``white_world``: gain = P(G) / P(colour), P the `percentile` of unclipped sites; 100 is the maximum.
        * ``gains``: the three numbers of `gains`.
        * ``box``: grey world over the unclipped sites of `box`.
        * ``kelvin``: the light's colour temperature, through the file's colour matrix.
        * ``tungsten``, ``fluorescent``, ``daylight``, ``flash``, ``cloudy``, ``shade``: CIE illuminants A, F2, D65,
          D55, D (6500 K), D75, through the file's colour matrix. ``daylight`` is LibRaw's default.
    gains : (float, float, float), optional
        R, G, B above 0.
    kelvin : float, optional
        1667..25000 K: black body up to 4000 K, CIE daylight from 5000 K, blended between.
    box : (int, int, int, int), optional
        x, y, width, height of a neutral patch, in pixels of the full-size picture as a viewer shows it.
    percentile : float, default 99.9
        Of ``white_world``, above 0 up to 100.
    clip : bool, default True
        Clip at 1 (no magenta highlights). False keeps the excess for HDR use. Where vignetting lowered a site's
        saturation below 1, it clips there.

    Raises
    ------
    ParameterError
        If a value is out of range or the method's own parameter is missing.
    StageError
        If nothing unclipped is left to measure, or a method needs a matrix that the file has not.

    Notes
    -----
    Automatic methods leave out the masked border and every CFA cell with a clipped site (at or above 1 - 1/512 of
    ``frame.saturation``), and average the two greens together. Illuminants: CIE 15:2018;
    gain = 1 / (XYZ_to_camera @ XYZ(illuminant)).

    Examples
    --------
    >>> import isp
    >>> mosaic = isp.BlackLevel()(isp.read_raw("sample_raws/g2_0304.CRW"))
    >>> [round(gain, 3) for gain in isp.WhiteBalance("gray_world")(mosaic).gains]
    [1.273, 1.0, 1.773]
    """

    method: str = "as_shot"
    gains: Gains | None = None
    kelvin: float | None = None
    box: tuple[int, int, int, int] | None = None
    percentile: float = 99.9
    clip: bool = True

    reads: ClassVar[Space] = Space.MOSAIC
    writes: ClassVar[Space] = Space.MOSAIC
    also: ClassVar[Space] = Space.CAMERA

    def __post_init__(self) -> None:
        def check(condition: bool, parameter: str, allowed: str) -> None:
            require(condition, "WhiteBalance", parameter, getattr(self, parameter), allowed)

        require_choice("WhiteBalance", "method", self.method, METHODS)
        given = self.gains
        check(given is None or (len(given) == 3 and all(0 < g < 1e4 for g in given)), "gains", "R, G, B above 0")
        low, high = KELVIN_RANGE
        check(self.kelvin is None or low <= self.kelvin <= high, "kelvin", f"{low:g}..{high:g} K")
        box = self.box
        fits = box is None or (len(box) == 4 and min(box[:2]) >= 0 and min(box[2:]) > 0)
        check(fits, "box", "x, y, width, height in pixels")
        check(0 < self.percentile <= 100, "percentile", "above 0 up to 100")
        check(isinstance(self.clip, bool), "clip", "true or false")
        if self.method in ("gains", "kelvin", "box") and getattr(self, self.method) is None:
            raise ParameterError(f"WhiteBalance: method {self.method!r} needs the parameter {self.method}")

    @classmethod
    def parse(cls, text: str) -> WhiteBalance:
        """Read the command line's form: a method, ``R,G,B``, ``5200K``, ``box:X,Y,W,H`` or ``white_world:99``."""
        if text[-1:] in ("K", "k"):
            return cls("kelvin", kelvin=number("WhiteBalance", "kelvin", text[:-1]))
        if text.startswith("box:"):
            x, y, width, height = _four(text[4:])
            return cls("box", box=(x, y, width, height))
        if text.startswith("white_world:"):
            return cls("white_world", percentile=number("WhiteBalance", "percentile", text[12:]))
        if "," in text:
            values = numbers("WhiteBalance", "gains", text)
            require(len(values) == 3, "WhiteBalance", "gains", text, "three numbers R,G,B")
            return cls("gains", gains=(values[0], values[1], values[2]))
        return cls(text)

    def __call__(self, frame: Frame) -> Frame:
        """Return the balanced frame, same space; `frame.gains` of the result are the gains of R, G, B."""
        after = self.measure(frame)
        change = tuple(new / old for new, old in zip(after, frame.gains or (1.0, 1.0, 1.0), strict=True))
        width = frame.data.size // len(frame.data)
        cfa = ((0, 1, 2),) if frame.data.ndim == 3 else frame.meta.cfa
        gains = tile_columns(tuple(tuple(change[colour] for colour in row) for row in cfa), width)
        out = np.empty(frame.data.shape, np.float32)
        source, target = frame.data.reshape(-1, width), out.reshape(-1, width)
        limit = np.minimum(frame.saturation, np.float32(1))
        if not self.clip:
            over_rows(_balance_rows, len(out), source, gains, np.float32(np.inf), target)
            rows = np.tile(gains, (-(-len(out) // len(gains)), 1))[: len(out)].reshape(out.shape)
            return frame.replace(data=out, gains=after, saturation=rows * np.float32(1) * frame.saturation)
        if limit.ndim:
            over_rows(_balance_rows_limited, len(out), source, gains, limit.reshape(source.shape), target)
        else:
            over_rows(_balance_rows, len(out), source, gains, limit, target)
        return frame.replace(data=out, gains=after, saturation=limit if limit.ndim else float(limit))

    def measure(self, frame: Frame) -> Gains:
        """Return the gains for R, G, B that this stage would use on a frame, the smallest 1."""
        if frame.meta.monochrome:
            return (1.0, 1.0, 1.0)
        if self.method == "as_shot" and frame.meta.white_balance is None:
            logger.warning("%s: no valid as-shot white balance; using white world at 99.9 %%", frame.meta.name)
            return smallest_is_one(neutral.white_world(frame, 99.9))
        return smallest_is_one(self._gains(frame))

    def _gains(self, frame: Frame) -> Gains:
        if self.method == "as_shot":
            assert frame.meta.white_balance is not None
            return frame.meta.white_balance
        if self.method == "gains":
            assert self.gains is not None
            return self.gains
        if self.method == "gray_world":
            return neutral.gray_world(frame, frame.meta.active)
        if self.method == "white_world":
            return neutral.white_world(frame, self.percentile)
        if self.method == "box":
            assert self.box is not None
            return neutral.gray_world(frame, picture_to_frame(self.box, frame.meta))
        return neutral.of_light(frame.meta, self.method, self.kelvin)


def smallest_is_one(gains: Gains) -> Gains:
    """Divide gains by the smallest of them."""
    least = min(gains)
    return gains[0] / least, gains[1] / least, gains[2] / least


def _four(text: str) -> tuple[int, int, int, int]:
    values = numbers("WhiteBalance", "box", text)
    whole = len(values) == 4 and all(value.is_integer() for value in values)
    require(whole, "WhiteBalance", "box", text, "four whole numbers X,Y,W,H in pixels")
    x, y, width, height = (int(value) for value in values)
    return x, y, width, height
