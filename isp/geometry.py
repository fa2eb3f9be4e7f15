"""From the sensor's frame to the picture as it should be looked at: crop, square pixels, orientation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.errors import StageError, require
from isp.frame import Meta, Rectangle
from isp.jit import kernel
from isp.threads import over_rows

# EXIF orientation: swap the axes, then mirror the rows (top and bottom), then the columns (left and right).
_ORIENTATIONS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
_BLOCK = 64  # columns that are copied at a time
TURNED = tuple(number for number, (swap, _, _) in _ORIENTATIONS.items() if swap)  # rows become columns


def upright(image: NDArray[Any], meta: Meta) -> NDArray[Any]:
    """Return the picture to look at: `Meta.crop` cut out, pixels square, turned as `Meta.orientation` says.

    Parameters
    ----------
    image : ndarray, (H, W, 3), any dtype
        A stage's image. It may be smaller than `Meta.size` (half-size demosaicing); the crop is scaled with it.
    meta : Meta
        Uses `size`, `crop`, `pixel_aspect`, `orientation`.

    Returns
    -------
    ndarray, (h, w, 3), dtype of `image`
        A view where no pixel had to be interpolated, so it may not be contiguous.

    Raises
    ------
    ParameterError
        If integers would have to be interpolated (round once, after this).
    """
    cut = image[scaled_crop(meta, image.shape[:2]).slices]
    return orient(square_pixels(cut, meta.pixel_aspect), meta.orientation)


def scaled_crop(meta: Meta, shape: tuple[int, ...]) -> Rectangle:
    """Return `Meta.crop` in the pixels of an image of `shape`: edges scaled, rounded, inside, at least one pixel."""
    top, bottom = _scaled(meta.crop.top, meta.crop.height, meta.size[0], shape[0])
    left, right = _scaled(meta.crop.left, meta.crop.width, meta.size[1], shape[1])
    return Rectangle(top, left, bottom - top, right - left)


def _scaled(start: int, length: int, photosites: int, pixels: int) -> tuple[int, int]:
    first = min(max(0, round(start * pixels / photosites)), pixels - 1)
    last = round((start + length) * pixels / photosites)
    return first, max(first + 1, min(last, pixels))


def picture_to_frame(box: tuple[int, int, int, int], meta: Meta) -> Rectangle:
    """Return the part of the full-size frame that a box of the picture shows: the way of `upright` backwards.

    Parameters
    ----------
    box : (int, int, int, int)
        x, y, width and height in pixels of the picture, as a viewer shows it.
    meta : Meta
        Uses `crop`, `pixel_aspect`, `orientation`.

    Returns
    -------
    Rectangle
        Whole photosites, at least one.

    Raises
    ------
    StageError
        If the box does not lie within the picture.
    """
    left, top, width, height = box
    swap, mirror_rows, mirror_columns = _ORIENTATIONS[meta.orientation]
    wide, high = max(meta.pixel_aspect, 1.0), max(1.0 / meta.pixel_aspect, 1.0)
    rows, columns = int(meta.crop.height * high + 0.5), int(meta.crop.width * wide + 0.5)
    rows, columns = (columns, rows) if swap else (rows, columns)
    if left + width > columns or top + height > rows:
        raise StageError(f"box {box} (x, y, width, height) reaches out of the picture of {columns} x {rows} pixels")
    top = rows - top - height if mirror_rows else top
    left = columns - left - width if mirror_columns else left
    if swap:
        top, left, height, width = left, top, width, height
    first_row, first_column = int(top / high), int(left / wide)
    last_row, last_column = int((top + height) / high), int((left + width) / wide)
    return Rectangle(
        meta.crop.top + first_row,
        meta.crop.left + first_column,
        max(1, last_row - first_row),
        max(1, last_column - first_column),
    )


def square_pixels(image: NDArray[Any], aspect: float) -> NDArray[Any]:
    """Stretch the shorter axis so that pixels become square; no pixel of the file is thrown away.

    ``aspect > 1``: new width = int(W aspect + 1/2), column j samples position j / aspect.
    ``aspect < 1``: new height = int(H / aspect + 1/2), row i samples position i aspect.
    Between two pixels the value is interpolated linearly; past the last one it is held. The size is that of LibRaw's
    `stretch`, which repeats whole columns instead.

    Parameters
    ----------
    image : ndarray, (H, W, 3)
        float32, or any dtype if `aspect` is 1.
    aspect : float
        Width of a pixel over its height, > 0.

    Returns
    -------
    ndarray, (h, w, 3)
        `image` itself if `aspect` is 1.

    Raises
    ------
    ParameterError
        If `aspect` is not between 1/10 and 10, or integers would have to be interpolated.
    """
    require(0.1 <= aspect <= 10, "square_pixels", "pixel aspect", aspect, "a ratio between 0.1 and 10")
    if aspect == 1:
        return image
    floats = np.issubdtype(image.dtype, np.floating)
    require(floats, "square_pixels", "image", f"{image.dtype} array", "float32, rounded after this step")
    if aspect > 1:
        return _stretch(image, int(image.shape[1] * aspect + 0.5), 1 / aspect, axis=1)
    return _stretch(image, int(image.shape[0] / aspect + 0.5), aspect, axis=0)


def _stretch(image: NDArray[Any], length: int, step: float, axis: int) -> NDArray[Any]:
    position = np.arange(length) * step
    low = np.minimum(position.astype(np.intp), image.shape[axis] - 1)
    high = np.minimum(low + 1, image.shape[axis] - 1)
    weight = (position - low).astype(image.dtype)
    if axis == 0:
        out = np.empty((length, *image.shape[1:]), image.dtype)
        over_rows(_between_rows, length, image, low, high, weight, out)
    else:
        out = np.empty((len(image), length, *image.shape[2:]), image.dtype)
        over_rows(_between_columns, len(image), image, low, high, weight, out)
    return out


@kernel
def _between(below, above, weight):  # type: ignore[no-untyped-def]
    return below + (above - below) * weight


@kernel
def _between_rows(first, last, image, low, high, weight, out):  # type: ignore[no-untyped-def]
    for y in range(first, last):
        for x in range(out.shape[1]):
            for colour in range(out.shape[2]):
                out[y, x, colour] = _between(image[low[y], x, colour], image[high[y], x, colour], weight[y])


@kernel
def _between_columns(first, last, image, low, high, weight, out):  # type: ignore[no-untyped-def]
    for y in range(first, last):
        for x in range(out.shape[1]):
            for colour in range(out.shape[2]):
                out[y, x, colour] = _between(image[y, low[x], colour], image[y, high[x], colour], weight[x])


def orient(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror `image` so that EXIF `orientation` becomes 1.

    Parameters
    ----------
    image : ndarray, (H, W) or (H, W, 3), any dtype
        Pixels as stored.
    orientation : int
        EXIF tag 274, 1..8.

    Returns
    -------
    ndarray
        A view of `image`.

    Raises
    ------
    ParameterError
        If `orientation` is not 1..8.
    """
    require(orientation in _ORIENTATIONS, "orient", "orientation", orientation, "an EXIF orientation from 1 to 8")
    swap, rows, columns = _ORIENTATIONS[orientation]
    turned = image.swapaxes(0, 1) if swap else image
    return turned[:: -1 if rows else 1, :: -1 if columns else 1]


def contiguous(image: NDArray[Any]) -> NDArray[Any]:
    """Return `image`, (H, W, 3), as `numpy.ascontiguousarray` does; a turned or mirrored view much faster."""
    if image.strides[1:] == (3 * image.itemsize, image.itemsize):  # its rows lie as they should
        return np.ascontiguousarray(image)
    out = np.empty(image.shape, image.dtype)
    _copy(image, out)
    return out


@kernel
def _copy(image, out):  # type: ignore[no-untyped-def]
    """Column by column of blocks: a turned row is a column of the memory, whose lines hold several pixels."""
    height, width, _ = out.shape
    for left in range(0, width, _BLOCK):
        for y in range(height):
            for x in range(left, min(left + _BLOCK, width)):
                red, green, blue = image[y, x, 0], image[y, x, 1], image[y, x, 2]
                out[y, x, 0] = red
                out[y, x, 1] = green
                out[y, x, 2] = blue
