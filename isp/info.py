"""What a raw file says about itself, and every doubt about it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.border import disagreement, tolerance
from isp.convert import open_frame
from isp.frame import Frame, Space
from isp.headerless import Layout
from isp.noise import GREY, noise_of

_LETTERS = "RGB"
_PILE, _NEIGHBOURS = 16, 16  # sites at the top value, levels below it
_ROWS = 64  # counted at a time


def describe(source: str | os.PathLike[str], headerless: Layout | None = None) -> dict[str, Any]:
    """Return a raw file's facts as plain values that JSON can hold, in a fixed order; ``doubts`` is a list of lines.

    Raises
    ------
    RawError
        If the file cannot be read.
    """
    frame = open_frame(source, headerless=headerless)
    meta = frame.meta
    cfa = "monochrome" if meta.monochrome else " ".join("".join(_LETTERS[c] for c in row) for row in meta.cfa)
    return {
        "file": meta.name,
        "make": meta.make,
        "model": meta.model,
        "lens": meta.lens,
        "iso": meta.iso,
        "shutter_s": meta.shutter,
        "aperture": meta.aperture,
        "focal_length_mm": meta.focal_length,
        "time": meta.time,
        "gps": meta.gps._asdict() if meta.gps else None,
        "size": {"width": meta.size[1], "height": meta.size[0]},
        "active": meta.active._asdict(),
        "crop": meta.crop._asdict(),
        "orientation": meta.orientation,
        "pixel_aspect": meta.pixel_aspect,
        "cfa": "already demosaiced" if meta.demosaiced else cfa,
        "black_dn": [list(row) for row in meta.black],
        "white_dn": meta.white,
        "border": meta.border._asdict() if meta.border else None,
        "range_dn": [int(frame.data.min()), int(frame.data.max())] if frame.space is Space.RAW else None,
        "white_balance": meta.white_balance,
        "xyz_to_camera": meta.xyz_to_camera,
        "baseline_exposure_stops": meta.baseline_exposure,
        "noise": noise(frame),
        "lens_shading": [type(shading).__name__ for shading in meta.lens_shading],
        "doubts": doubts(frame),
    }


def noise(frame: Frame) -> dict[str, Any]:
    """Return the noise model of a freshly read frame by colour, whose word it is, and what it means.

    ``electrons_at_white`` is one over the shot noise, None without any; ``sigma_at_grey_percent`` the standard
    deviation of a site at 18 % of white, in percent of that.
    """
    model, source = noise_of(frame)
    colours = sorted({colour for row in frame.meta.cfa for colour in row}) if not frame.meta.demosaiced else [0, 1, 2]
    shot, read = [model.shot[colour] for colour in colours], [model.read[colour] for colour in colours]
    return {
        "source": source,
        "shot": shot,
        "read": read,
        "electrons_at_white": [round(1 / each) if each else None for each in shot],
        "sigma_at_grey_percent": [100 * (s * GREY + r) ** 0.5 / GREY for s, r in zip(shot, read, strict=True)],
    }


def doubts(frame: Frame) -> list[str]:
    """Return a line for everything in a freshly read frame that a careful user would look at twice."""
    meta, lines = frame.meta, []
    if not meta.demosaiced and not any(map(any, meta.black)) and not any(meta.black_rows + meta.black_columns):
        lines.append("black level is 0: either the camera subtracted it already, or the file does not say")
    if meta.white_balance is None and not meta.monochrome:
        lines.append("no valid as-shot white balance: white world at 99.9 % is used unless you say --white-balance")
    if meta.xyz_to_camera is None and not meta.monochrome:
        lines.append("no colour matrix: colours are the camera's own; kelvin and presets cannot be used")
    difference = disagreement(meta)
    if abs(difference) > tolerance(meta):
        lines.append(
            f"the masked border is {difference:+.1f} DN from the file's black: --set black_level.source=border uses it"
        )
    return lines + _clipping(frame)


def _clipping(frame: Frame) -> list[str]:
    """Say so where values pile up below the white level: highlights then turn magenta."""
    if frame.space is not Space.RAW:
        return []
    top = int(frame.data.max())
    if not frame.meta.white / 2 <= top < frame.meta.white:
        return []
    highest, *below = _counts_from(frame.data, top)
    usual = sum(below) / _NEIGHBOURS
    if not (highest >= max(_PILE, 1e-4 * frame.data.size) and highest > 4 * usual):  # no light does that
        return []
    return [
        f"{highest / frame.data.size:.2%} of the values are exactly {top} DN, below the white level of "
        f"{frame.meta.white:g}: the sensor may clip there; --set black_level.white={top} keeps highlights neutral"
    ]


def _counts_from(data: NDArray[np.uint16], top: int) -> list[int]:
    """Return how often the largest value and those just below it occur, without a second array of that size."""
    counts = np.zeros(_NEIGHBOURS + 1, np.intp)
    for first in range(0, len(data), _ROWS):
        rows = data[first : first + _ROWS]
        counts += np.bincount(top - rows[rows >= top - _NEIGHBOURS], minlength=len(counts))
    return [int(count) for count in counts]
