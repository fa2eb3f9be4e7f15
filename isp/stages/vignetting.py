"""Vignetting: multiply by the gain that undoes the falloff of light towards the corners."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isp import falloff, shading
from isp.bands import apply
from isp.errors import ParameterError, StageError, require, require_choice
from isp.frame import Frame, Gain, Later, Meta, Outline, Space, known
from isp.parameters import settle
from isp.rows import Points, Step
from isp.stages.options import numbers, options

logger = logging.getLogger(__name__)

METHODS = ("file", "none", "radial", "natural", "mechanical", "pixel", "flat")


@dataclass(frozen=True, slots=True)
class Vignetting:
    """MOSAIC to MOSAIC: ``v * gain(y, x)``; also works on a demosaiced file's CAMERA frame.

    Comes after the black level (a gain on a pedestal would tint the corners) and before white balance. Clips nothing;
    the frame's `saturation` becomes the gain field, since a clipped site is lifted like any other.

    Parameters
    ----------
    method : {"file", "none", "radial", "natural", "mechanical", "pixel", "flat"}, default "file"
        * ``file``: DNG GainMap per CFA site and FixVignetteRadial; nothing where the file says nothing.
        * ``radial``: 1 + k0 r^2 + k1 r^4 + .., from `coefficients`; r = 1 at the farthest corner.
        * ``natural``: 1 / cos^4 of the field angle, from `angle`, or focal length and sensor size.
        * ``mechanical`` (also called optical): 1 / (1 - loss s^2), s = (r - onset) / (1 - onset) beyond the onset.
        * ``pixel``: 1 / cos^n of the ray's angle, the photosites' own acceptance, with n = `exponent`.
        * ``flat``: a flat-field frame, smoothed per CFA site: its brightest value over its value.

        Factors multiply: put two of these stages in a row, say natural and pixel.
    coefficients : tuple of float
        k0, k1, .. of ``radial``, up to ten.
    angle : float, optional
        Field angle of the corner in degrees, 0..89, for ``natural`` and ``pixel``.
    focal_length : float, optional
        Millimetres; None means from the file. Used with `sensor_size` where no `angle` is given.
    sensor_size : (float, float), optional
        Width and height of the active area in millimetres.
    onset : float, default 0.5
        Radius 0..1 at which ``mechanical`` begins.
    loss : float, default 0
        Share of the light, 0 to below 1, that ``mechanical`` takes at the corner.
    exponent : float, default 1
        n of ``pixel``, 0..10.
    center : (float, float), default (0.5, 0.5)
        x and y of the optical centre, 0..1.
    flat : path or ndarray, optional
        Raw file (or headerless with its sidecar) or array shaped like the mosaic, black at 0, for ``flat``.
    smoothing : int, default 16
        Half width of the box, in CFA cells, that ``flat`` is averaged over, 0..1000.

    Raises
    ------
    ParameterError
        If a value is out of range or the method's own parameter is missing.
    StageError
        If focal length or flat field do not fit the file.

    References
    ----------
    DNG specification 1.7.1, GainMap and FixVignetteRadial. Aggarwal, Hua, Ahuja, "On cosine-fourth and vignetting
    effects in real lenses", ICCV 2001. Catrysse, Liu, El Gamal, "QE reduction due to pixel vignetting", SPIE 2000.

    Examples
    --------
    >>> import isp
    >>> mosaic = isp.BlackLevel()(isp.read_raw("sample_raws/s40_0101.CRW"))
    >>> lifted = isp.Vignetting("radial", coefficients=(0.3,))(mosaic)
    >>> round(float(lifted.saturation.max()), 1)
    1.3
    """

    method: str = "file"
    coefficients: tuple[float, ...] = ()
    angle: float | None = None
    focal_length: float | None = None
    sensor_size: tuple[float, float] | None = None
    onset: float = 0.5
    loss: float = 0.0
    exponent: float = 1.0
    center: tuple[float, float] = (0.5, 0.5)
    flat: Any = None
    smoothing: int = 16

    reads: ClassVar[Space] = Space.MOSAIC
    writes: ClassVar[Space] = Space.MOSAIC
    also: ClassVar[Space] = Space.CAMERA

    def __post_init__(self) -> None:
        settle(self)
        require_choice("Vignetting", "method", self.method, METHODS)
        _check_ranges(self)

    @classmethod
    def parse(cls, text: str) -> Vignetting:
        """Read the command line's form.

        ``file``, ``none``, ``flat:FILE``, ``radial:K0,K1,..``, ``natural:angle=DEG``,
        ``natural:focal_length=MM,sensor_size=WxH``, ``mechanical:onset=R,loss=SHARE``, ``pixel:angle=DEG,exponent=N``.
        """
        method, _, rest = text.partition(":")
        if method == "flat":
            return cls("flat", flat=rest)
        if method == "radial" and "=" not in rest:
            return cls("radial", coefficients=numbers("Vignetting", "coefficients", rest))
        return cls(method, **options("Vignetting", rest, _OPTIONS))

    def __call__(self, frame: Frame) -> Frame:
        """Return the corrected frame, same space."""
        return apply(self, frame)

    def as_rows(self, before: Outline, frame: Frame | None = None) -> Step:
        """Return how rows are made."""
        if self.method == "none" or (self.method == "file" and not before.meta.lens_shading):
            return Step(None, before)
        shape, uniform = before.shape, isinstance(before.saturation, float) and before.saturation == 1
        if uniform and shape == before.meta.active[2:]:
            computed = self._with_the_row(before.meta)
            if computed is not None:
                points, later = computed
                return Step(points, before.replace(saturation=later, lens_gain=_product(before.lens_gain, later)))
        field = self.gains(before.meta, len(shape))
        if field.shape == shape:
            gain = field
        else:
            gain = np.ones(shape, np.float32)  # the masked border, if the frame has one, stays as it is
            gain[before.meta.active.slices] = field if field.ndim == len(shape) else field[:, :, None]
        saturation = gain if uniform else gain * before.known_saturation
        lens_gain = _product(before.lens_gain, gain)
        return Step(shading.by_field(gain), before.replace(saturation=saturation, lens_gain=lens_gain))

    def _with_the_row(self, meta: Meta) -> tuple[Points, Later] | None:
        """Return what needs no field, if the method's gains are of that kind."""
        if self.method == "radial":
            return shading.by_radius(meta, self.coefficients, self.center)
        return shading.by_maps(meta) if self.method == "file" else None

    def gains(self, meta: Meta, ndim: int = 2) -> NDArray[np.float32]:
        """Return the gain field over a file's active area, float32 (height, width); from the file with ndim 3, (.., 3).

        It is what `method` says, independent of any picture: print it, plot it, divide by it.
        """
        if self.method == "file":
            with np.errstate(over="ignore", invalid="ignore"):
                field = falloff.from_file(meta, 3 if ndim == 3 else 1)
            if not (field.min() >= 0 and field.max() < shading.MAX_GAIN):
                reach = f"{field.min():.3g}..{field.max():.3g}"
                raise StageError(f"Vignetting: {meta.name}: the file's gains reach {reach}; it is damaged, use none")
            return field
        if self.method == "flat":
            from isp.stages import flat_field

            return flat_field.gains(self.flat, meta, self.smoothing)
        r2 = falloff.squared_radius(meta.active, self.center, meta.pixel_aspect)
        if self.method == "radial":
            gain = falloff.radial_polynomial(r2, self.coefficients)
        elif self.method == "natural":
            gain = falloff.natural(r2, self._corner_tangent(meta))
        elif self.method == "pixel":
            gain = falloff.pixel_acceptance(r2, self._corner_tangent(meta), self.exponent)
        elif self.method == "mechanical":
            gain = falloff.mechanical(r2, self.onset, self.loss)
        else:
            gain = np.ones_like(r2)
        shading.check_gains(float(gain.min()), float(gain.max()))
        return gain.astype(np.float32)

    def _corner_tangent(self, meta: Meta) -> float:
        if self.angle is not None:
            return math.tan(math.radians(self.angle))
        focal_length = self.focal_length or meta.focal_length
        if focal_length is None:
            raise StageError(
                f"Vignetting: {meta.name} states no focal length; give focal_length (mm) or angle (degrees)"
            )
        assert self.sensor_size is not None  # checked on construction
        return math.hypot(*self.sensor_size) / 2 / focal_length


def _product(before: Gain, gain: NDArray[np.float32] | Later) -> Gain:
    """Return what several of these stages multiplied by."""
    if isinstance(before, float) and before == 1:
        return gain
    return Later(0.0, lambda: np.asarray(known(before) * known(gain)))


_OPTIONS = {
    "coefficients": tuple, "angle": float, "focal_length": float, "sensor_size": tuple, "onset": float, "loss": float,
    "exponent": float, "center": tuple, "smoothing": int,
}  # fmt: skip


def _check_ranges(stage: Vignetting) -> None:
    def check(condition: bool, parameter: str, allowed: str) -> None:
        require(condition, "Vignetting", parameter, getattr(stage, parameter), allowed)

    check(
        len(stage.coefficients) <= 10 and all(map(math.isfinite, stage.coefficients)),
        "coefficients",
        "up to 10 numbers",
    )
    check(stage.angle is None or 0 <= stage.angle <= 89, "angle", "0..89 degrees")
    check(stage.focal_length is None or stage.focal_length > 0, "focal_length", "millimetres above 0")
    size = stage.sensor_size
    fits = size is None or (len(size) == 2 and all(side > 0 for side in size))
    check(fits, "sensor_size", "width and height in millimetres")
    check(0 <= stage.onset < 1, "onset", "0 up to, not including, 1")
    check(0 <= stage.loss < 1, "loss", "0 up to, not including, 1")
    check(0 <= stage.exponent <= 10, "exponent", "0..10")
    check(len(stage.center) == 2 and all(0 <= place <= 1 for place in stage.center), "center", "x, y within 0..1")
    check(0 <= stage.smoothing <= 1000, "smoothing", "a whole number 0..1000 of CFA cells")
    if stage.method in ("natural", "pixel") and stage.angle is None and stage.sensor_size is None:
        raise ParameterError(f"Vignetting: {stage.method} needs angle (degrees) or sensor_size (mm) with focal_length")
    flat = stage.flat
    given = isinstance(flat, np.ndarray | os.PathLike) or (isinstance(flat, str) and flat != "")
    check(stage.method != "flat" or given, "flat", "the path of a raw file or an array")
