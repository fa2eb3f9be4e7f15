"""White balance: scale red, green and blue so that what was grey in the scene is grey in the data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from isp.bands import apply
from isp.cfa import tile, tile_columns
from isp.colorimetry import KELVIN_RANGE, PRESETS
from isp.errors import ParameterError, require, require_choice
from isp.frame import Frame, Gains, Later, Meta, Outline, Space
from isp.geometry import picture_to_frame
from isp.jit import kernel
from isp.parameters import settle
from isp.rows import Point, Points, Step
from isp.sites import of_pattern
from isp.stages import neutral
from isp.stages.options import number, numbers

logger = logging.getLogger(__name__)

METHODS = ("as_shot", "gray_world", "white_world", "gains", "box", "kelvin", *PRESETS)
_MEASURED = ("gray_world", "white_world", "box")


@kernel
def balance(value, gain, limit):  # type: ignore[no-untyped-def]
    """Scale a site and clip it at `limit`, so that what is clipped in one colour is white in all."""
    return min(value * gain, limit)


@kernel
def _below_limits(value, x, row):  # type: ignore[no-untyped-def]
    gains, limits = row
    return balance(value, gains[x], limits[x])


@kernel
def _limits_of_row(y, parameters):  # type: ignore[no-untyped-def]
    gains, limits = parameters
    return gains[y % gains.shape[0]], limits[y]


@kernel
def _colours_balanced(value, x, row):  # type: ignore[no-untyped-def]
    r, g, b = value
    of_r, of_g, of_b, limits = row
    return balance(r, of_r, limits[x, 0]), balance(g, of_g, limits[x, 1]), balance(b, of_b, limits[x, 2])


@kernel
def _colours_of_row(y, parameters):  # type: ignore[no-untyped-def]
    of_r, of_g, of_b, limits = parameters
    return of_r, of_g, of_b, limits[y]


_BELOW_LIMITS, _OF_COLOURS = Point(_below_limits, _limits_of_row), Point(_colours_balanced, _colours_of_row)


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
        settle(self)

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
        return apply(self, frame)

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step | None:
        """Return how rows are made; None if the gains must be measured and there is no frame."""
        if frame is None and self.measures(before.meta):
            return None
        after = self.measure(frame) if frame else smallest_is_one(self._known(before.meta))
        old = before.gains or (1.0, 1.0, 1.0)
        change = (after[0] / old[0], after[1] / old[1], after[2] / old[2])
        colour = len(before.shape) == 3
        limit = _limit(before) if self.clip else np.float32(np.inf)
        if colour:
            gains = np.array(change, np.float32)
            points = Points(_OF_COLOURS, (*gains, np.broadcast_to(limit, before.shape)))
        else:
            pattern = tuple(tuple(change[site] for site in row) for row in before.meta.cfa)
            gains = tile_columns(pattern, before.width)
            if np.ndim(limit):
                points = Points(_BELOW_LIMITS, (tile(gains, len(gains), before.width), limit))
            else:
                points = of_pattern(balance, gains, limit)
        if not self.clip:
            of_sites = gains if colour else tile(gains, before.height, before.width)
            limit = np.asarray(of_sites * np.asarray(before.known_saturation, np.float32))
            limit = np.broadcast_to(limit, before.shape)
        return Step(points, before.replace(gains=after, saturation=limit if np.ndim(limit) else float(limit)))

    def measures(self, meta: Meta) -> bool:
        """Whether the gains for a file depend on its pixels."""
        if meta.monochrome:
            return False
        return self.method in _MEASURED or (self.method == "as_shot" and meta.white_balance is None)

    def measure(self, frame: Frame) -> Gains:
        """Return the gains for R, G, B that this stage would use on a frame, the smallest 1."""
        meta = frame.meta
        if not self.measures(meta):
            return smallest_is_one(self._known(meta))
        if self.method == "gray_world":
            return smallest_is_one(neutral.gray_world(frame, meta.active))
        if self.method == "box":
            assert self.box is not None
            return smallest_is_one(neutral.gray_world(frame, picture_to_frame(self.box, meta)))
        percentile = self.percentile
        if self.method == "as_shot":
            percentile = 99.9
            logger.warning("%s: no valid as-shot white balance; using white world at 99.9 %%", meta.name)
        return smallest_is_one(neutral.white_world(frame, percentile))

    def _known(self, meta: Meta) -> Gains:
        if meta.monochrome:
            return (1.0, 1.0, 1.0)
        if self.method == "as_shot":
            assert meta.white_balance is not None
            return meta.white_balance
        if self.method == "gains":
            assert self.gains is not None
            return self.gains
        return neutral.of_light(meta, self.method, self.kelvin)


def _limit(before: Outline) -> NDArray[np.float32] | np.float32:
    """Return where clipped sites end: at 1, or below where vignetting lowered them."""
    if isinstance(before.saturation, Later) and before.saturation.lowest >= 1:
        return np.float32(1)
    saturation = before.known_saturation
    return np.float32(1) if np.min(saturation) >= 1 else np.minimum(saturation, np.float32(1))


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
