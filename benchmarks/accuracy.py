"""The largest error of the integers, over every value of a 16-bit mosaic, against the formulas in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import isp
from benchmarks.bench import Bench
from isp.bench.table import Table, number, text
from isp.frame import Rectangle

PATCH = 4  # sites a side of one value: its inner pixels have neighbours of that value only
VALUES = 65536
BLACK, WHITE = 512.0, 65535.0
GAINS = (2.0, 1.0, 1.5)
XYZ_TO_CAMERA = ((0.9087, -0.2693, -0.1049), (-0.6715, 1.4382, 0.2537), (-0.2291, 0.2819, 0.7790))
SRGB_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
NOTE = (
    f"A mosaic of all {VALUES} values in patches of {PATCH} x {PATCH}, black {BLACK:g}, gains {GAINS}, a camera's "
    "matrix; the default chain but for what the row says, against the same formulas in NumPy and float64. 0.5 is the "
    "rounding itself."
)


def srgb(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the curve of IEC 61966-2-1."""
    return two_part(x, 2.4, 12.92, 0.0031308, 0.055)


def bt709(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the curve (2.222, 4.5); value and slope of its parts agree at the knee, found by bisection."""
    power, slope = 2.222, 4.5
    low, high = 1e-9, 1 / slope
    for _ in range(100):
        knee = (low + high) / 2
        offset = slope * knee * (power - 1)
        low, high = (knee, high) if (1 + offset) * knee ** (1 / power) > slope * knee * power else (low, knee)
    return two_part(x, power, slope, knee, offset)


def two_part(x: NDArray[np.float64], power: float, slope: float, knee: float, offset: float) -> NDArray[np.float64]:
    """Return a line below the knee, a power above."""
    return np.where(x <= knee, slope * x, (1 + offset) * x ** (1 / power) - offset)


def camera(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tone curve."""
    power = np.maximum(x, 0) ** 1.4
    return 1.456 * power / (power + 0.456)


CURVES: dict[str, tuple[dict[str, Any], Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    "sRGB": ({"tone": "none"}, lambda x: srgb(np.clip(x, 0, 1))),
    "camera tone, sRGB": ({}, lambda x: srgb(np.clip(camera(x), 0, 1))),
    "BT.709": ({"tone": "none", "gamma": "bt709"}, lambda x: bt709(np.clip(x, 0, 1))),
    "power 2.2": ({"tone": "none", "gamma": "2.2"}, lambda x: np.clip(x, 0, 1) ** (1 / 2.2)),
}


def tables(bench: Bench) -> Iterator[Table]:
    """Yield one table: a row per curve."""
    frame, linear, rows = every_value(), statement(), []
    for name, (knobs, curve) in CURVES.items():
        row: dict[str, Any] = {"name": name}
        for depth, top in ((8, 255), (16, 65535)):
            picture = isp.default_pipeline(**knobs).render(frame, depth)
            inner = picture[1::PATCH, 1::PATCH].reshape(-1, 3)
            row[f"error_{depth}"] = float(np.abs(inner - top * curve(linear)).max())
        rows.append(row)
    columns = (
        text("curve", "name"), number("uint8, of 255", "error_8", ".3f"), number("uint16, of 65535", "error_16", ".3f"),
    )  # fmt: skip
    yield Table("Largest error over every input value", NOTE, columns, rows)


def every_value() -> isp.Frame:
    """Return a mosaic of one patch per value."""
    side = int(VALUES**0.5)
    mosaic = np.arange(VALUES, dtype=np.uint16).reshape(side, side).repeat(PATCH, 0).repeat(PATCH, 1)
    whole = Rectangle(0, 0, *mosaic.shape)
    meta = isp.Meta(
        cfa=((0, 1), (1, 2)), white=WHITE, black=((BLACK,),), size=mosaic.shape, active=whole, crop=whole,
        white_balance=GAINS, xyz_to_camera=XYZ_TO_CAMERA,
    )  # fmt: skip
    return isp.Frame(mosaic, isp.Space.RAW, meta)


def statement() -> NDArray[np.float64]:
    """Return the linear light of every value: black level, white balance, matrix."""
    level = (np.arange(VALUES) - BLACK) / (WHITE - BLACK)
    balanced = np.minimum(level[:, None] * GAINS, 1)
    to_camera = np.array(XYZ_TO_CAMERA) @ SRGB_TO_XYZ
    to_camera /= to_camera.sum(axis=1, keepdims=True)
    return np.asarray(balanced @ np.linalg.inv(to_camera).T)
