"""What LibRaw and a DNG's tags say of the sensor: areas, colours, black level, white balance and matrix."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import rawpy
from numpy.typing import NDArray

from isp.colorimetry import SRGB_TO_XYZ
from isp.dng import DngTags
from isp.errors import RawError
from isp.frame import GREEN, Gains, Matrix, Rectangle
from isp.tiff import Picture

logger = logging.getLogger(__name__)

_MAX_GAIN = 64.0  # white balance beyond it is damage; 4 is extreme
_KODAK_MATRIX = 37400
_WINDOW = 32  # photosites that show the period of the colour filters; LibRaw knows none over 16


class Areas(NamedTuple):
    """Where things are: `active` in the full frame, `crop` in the active area."""

    size: tuple[int, int]
    active: Rectangle
    crop: Rectangle


def find_areas(raw: rawpy.RawPy, tags: DngTags | None, name: str) -> Areas:
    """Return the rectangles; a DNG's from its tags, because LibRaw moves an odd corner to an even one."""
    sizes = raw.sizes
    whole = Rectangle(0, 0, sizes.raw_height, sizes.raw_width)
    active = Rectangle(sizes.top_margin, sizes.left_margin, sizes.height, sizes.width)
    if tags and tags.active and _inside(tags.active, whole, name, "ActiveArea"):
        active = tags.active
    if not _inside(active, whole, name, "active area"):
        active = whole
    lit = Rectangle(0, 0, active.height, active.width)
    crop = tags.crop if tags else None
    if crop is None and sizes.crop_width and sizes.crop_height:
        top, left = sizes.crop_top_margin - active.top, sizes.crop_left_margin - active.left
        crop = Rectangle(top, left, sizes.crop_height, sizes.crop_width)
    return Areas((whole.height, whole.width), active, _clipped(crop, lit, name) if crop else lit)


def _inside(inner: Rectangle, outer: Rectangle, name: str, what: str) -> bool:
    fits = inner.height > 0 and inner.width > 0 and intersection(inner, outer) == inner
    if not fits:
        logger.warning("%s: %s %s is not inside %s; it is ignored", name, what, tuple(inner), tuple(outer))
    return fits


def _clipped(crop: Rectangle, lit: Rectangle, name: str) -> Rectangle:
    """Return the part of a crop that exists; everything if that is less than half of it."""
    common = intersection(crop, lit)
    if min(common.height, common.width) < 1 or common.height * common.width * 2 < crop.height * crop.width:
        logger.warning("%s: the crop %s is not inside the picture %s; it is ignored", name, tuple(crop), tuple(lit))
        return lit
    return common


def intersection(a: Rectangle, b: Rectangle) -> Rectangle:
    """Return what two rectangles share; height or width below 1 if nothing."""
    top, left = max(a.top, b.top), max(a.left, b.left)
    bottom, right = min(a.top + a.height, b.top + b.height), min(a.left + a.width, b.left + b.width)
    return Rectangle(top, left, bottom - top, right - left)


def _colours(raw: rawpy.RawPy, active: Rectangle) -> NDArray[np.intp]:
    """Return LibRaw's colour numbers (0 R, 1 G1, 2 B, 3 G2) of one period at the corner of the active area."""
    height, width = min(_WINDOW, active.height), min(_WINDOW, active.width)
    seen = np.array([[raw.raw_color(active.top + y, active.left + x) for x in range(width)] for y in range(height)])
    rows, columns = _period(seen), _period(seen.T)
    return seen[:rows, :columns]


def _period(seen: NDArray[np.intp]) -> int:
    return next(p for p in range(1, len(seen) + 1) if p == len(seen) or np.array_equal(seen[p:], seen[:-p]))


def read_cfa(raw: rawpy.RawPy, active: Rectangle, name: str) -> tuple[tuple[int, ...], ...]:
    """Return the colour filters from the corner of the active area; `RawError` if they are not red, green and blue."""
    if raw.num_colors == 1:
        return ((GREEN,),)
    names = raw.color_desc.decode("ascii", "replace")
    colours = _colours(raw, active)
    letters = {names[number] if number < len(names) else "?" for number in colours.flat}
    if not letters <= set("RGB"):
        found = "".join(sorted(letters))
        raise RawError(f"{name}: has a {found} sensor; only red, green, blue and monochrome are supported")
    return tuple(tuple("RGB".index(names[number]) for number in row) for row in colours.tolist())


def read_black(raw: rawpy.RawPy, tags: DngTags | None, active: Rectangle) -> NDArray[np.float64]:
    """Return the black level in DN by row, column and plane, its corner that of the active area."""
    stack = raw.raw_type == rawpy.RawType.Stack
    if tags and tags.black and len(tags.black[0][0]) == (3 if stack else 1):
        return np.array(tags.black)
    levels = np.array(raw.black_level_per_channel, np.float64)
    if stack:
        return levels[None, None, :3]
    if raw.num_colors == 1:
        return levels[None, None, :1]
    return levels[_colours(raw, active)][..., None]


def read_white(raw: rawpy.RawPy, tags: DngTags | None) -> NDArray[np.float64]:
    """Return the white level in DN, one or one by plane.

    A DNG's comes from its tags, because LibRaw lowers that of a linear one by the black that is common to its planes.
    """
    stack = raw.raw_type == rawpy.RawType.Stack
    if tags and len(tags.white) in ((1, 3) if stack else (1,)):
        return np.array(tags.white)
    return np.array([float(raw.white_level)])


def read_white_balance(raw: rawpy.RawPy, tags: DngTags | None, name: str) -> Gains | None:
    """Return the as-shot gains with G = 1; a DNG's from its tags, because LibRaw bends those of linear ones."""
    if tags and len(tags.neutral) == 3 and min(tags.neutral) > 0:
        red, green, blue = (1 / neutral for neutral in tags.neutral)
    else:
        red, green, blue, second = (float(gain) for gain in raw.camera_whitebalance)
        if second > 0 and second != green:
            logger.warning("%s: white balance has two greens, %g and %g; their mean is used", name, green, second)
            green = (green + second) / 2
    if not all(green / _MAX_GAIN < gain < green * _MAX_GAIN for gain in (red, green, blue)):
        logger.warning("%s: as-shot white balance (%g, %g, %g) is not valid; it is left out", name, red, green, blue)
        return None
    return red / green, 1.0, blue / green


def read_matrix(raw: rawpy.RawPy, tags: DngTags | None, name: str) -> Matrix | None:
    """Return XYZ (D65) to camera from the one of LibRaw's two matrices that it has filled.

    Its camera-to-sRGB matrix C, the one it prefers for a DNG, is the inverse of K diag(d), K = xyz_to_camera S with S
    = sRGB to XYZ, and d the daylight multipliers that make K's rows sum to one.
    """
    direct, to_srgb = raw.rgb_xyz_matrix[:3].astype(np.float64), raw.color_matrix[:, :3].astype(np.float64)
    daylight = np.array(raw.daylight_whitebalance[:3], np.float64)
    if to_srgb.any() and (tags is not None or not direct.any()) and daylight.all() and _regular(to_srgb):
        direct = np.linalg.inv(to_srgb) @ np.linalg.inv(SRGB_TO_XYZ) / daylight[:, None]
    if not direct.any():
        return None
    if not _regular(direct):
        logger.warning("%s: its colour matrix cannot be inverted; it is left out", name)
        return None
    return _matrix(direct)


def read_kodak_matrix(picture: Picture | None) -> Matrix | None:
    """Return XYZ (D65) to camera of a Kodak KDC, whose tag 37400 holds camera to sRGB as rows of offset, R, G, B.

    LibRaw uses it too but does not show it. Its rows sum to 1: the camera's own colours are those of daylight.
    """
    rows = np.array(picture.finite(_KODAK_MATRIX) if picture else ())
    if rows.size != 12:
        return None
    to_srgb = rows.reshape(3, 4)[:, 1:]
    if not (np.allclose(to_srgb.sum(axis=1), 1, atol=1e-3) and _regular(to_srgb)):
        return None
    return _matrix(np.linalg.inv(to_srgb) @ np.linalg.inv(SRGB_TO_XYZ))


def _matrix(array: NDArray[np.float64]) -> Matrix:
    a, b, c = (tuple(row) for row in array.tolist())
    return a, b, c


def _regular(matrix: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(matrix).all() and np.linalg.cond(matrix) < 1e6)
