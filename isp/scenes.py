"""What lies before the sensor: a picture turned back into light, or a chart by its name."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.charts import CHARTS
from isp.colorimetry import srgb_to_linear
from isp.errors import ParameterError, RawError, printable, require

MAX_PIXELS = 150_000_000
_PNG, _JPEG = b"\x89PNG", b"\xff\xd8"


def open_scene(name: str | os.PathLike[str], size: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """Return a scene by the name of a chart or a picture file.

    Parameters
    ----------
    name : str or path
        One of `CHARTS`, or a PNG, JPEG or TIFF. A chart's name comes first; write ``./flat`` for a file of that name.
    size : (int, int), optional
        Height and width in pixels of a chart, 1024 x 1536 if not given; of a picture, the part around its middle.

    Returns
    -------
    ndarray of float32, (height, width, 3)
        Linear sRGB; 1 is white.

    Raises
    ------
    ParameterError
        If there is no such chart or file, or `size` is none.
    RawError
        If the file holds no picture.
    """
    known = size is None or (min(size) >= 1 and size[0] * size[1] <= MAX_PIXELS)
    require(known, "scene", "size", size, f"height and width of 1 or more, together up to {MAX_PIXELS:,} pixels")
    if os.fspath(name) in CHARTS:
        return CHARTS[os.fspath(name)](*(size or (1024, 1536)))
    if not os.path.exists(name):
        raise ParameterError(
            f"scene: {printable(name)} is neither a file nor a chart; the charts are {', '.join(CHARTS)}"
        )
    light = read_picture(name)
    return light if size is None else _middle(light, size, printable(name))


def _middle(light: NDArray[np.float32], size: tuple[int, int], name: str) -> NDArray[np.float32]:
    (height, width), (wanted_height, wanted_width) = light.shape[:2], size
    if wanted_height > height or wanted_width > width:
        raise ParameterError(
            f"scene: size {wanted_width}x{wanted_height} is more than {name} has; give up to {width}x{height}"
        )
    top, left = (height - wanted_height) // 2, (width - wanted_width) // 2
    return light[top : top + wanted_height, left : left + wanted_width]


def read_picture(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Return a picture as linear light: the sRGB curve taken back, floats taken as linear already.

    Parameters
    ----------
    path : path
        PNG, JPEG or TIFF of 8 or 16 bits in sRGB, or a TIFF of floats. Grey becomes three equal colours, alpha is
        dropped.

    Returns
    -------
    ndarray of float32, (height, width, 3)
        Linear sRGB; 1 is white.

    Raises
    ------
    RawError
        If it is not one of these.
    """
    name = printable(path)
    try:
        values = _decoded(Path(path).read_bytes())
    except Exception as error:  # every library raises its own
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise RawError(f"{name}: cannot be read as a picture ({reason}); give PNG, JPEG or TIFF") from error
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.shape[2] > 4 or values.dtype not in (np.uint8, np.uint16, np.float32):
        raise RawError(
            f"{name}: {values.dtype} of shape {values.shape} is no picture; give one of 8 or 16 bits, or float32"
        )
    colours = values[:, :, : 3 if values.shape[2] > 2 else 1]
    if values.dtype == np.float32:
        light = colours
    else:
        levels = srgb_to_linear(np.arange(np.iinfo(values.dtype).max + 1) / np.iinfo(values.dtype).max)
        light = levels.astype(np.float32)[colours]
    if not np.isfinite(light).all():
        raise RawError(f"{name}: holds values that are not numbers; give a picture without them")
    return np.ascontiguousarray(np.broadcast_to(light, (*light.shape[:2], 3)))


def _decoded(data: bytes) -> NDArray[Any]:
    """Return the values as they are; imageio would cut colours of 16 bits in a PNG down to 8."""
    import imagecodecs
    import tifffile

    if data.startswith(_PNG):
        return np.asarray(imagecodecs.png_decode(data))
    if data.startswith(_JPEG):
        return np.asarray(imagecodecs.jpeg8_decode(data, outcolorspace="RGB"))
    return np.asarray(tifffile.imread(io.BytesIO(data)))
