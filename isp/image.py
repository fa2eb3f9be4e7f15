"""The end of a pipeline: floats become integers once, and a file appears whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp import icc
from isp.atomic import atomic_file, check_target
from isp.encoders import COMPRESSIONS, Extras, encode_jpeg, encode_png, encode_tiff, encode_webp
from isp.errors import ParameterError, WriteError, printable, require, require_choice
from isp.frame import Frame, Meta, Space
from isp.geometry import orient, scaled_crop, square_pixels
from isp.jit import kernel
from isp.rendering import Picture
from isp.threads import over_rows

_DTYPES: dict[int, type[np.unsignedinteger[Any]]] = {8: np.uint8, 16: np.uint16}
_MISSING = {
    Space.RAW: "it needs levels, demosaicing, a colour matrix and a tone curve first",
    Space.MOSAIC: "it needs demosaicing, a colour matrix and a tone curve first",
    Space.CAMERA: "it needs a colour matrix and a tone curve first",
}


class Format(NamedTuple):
    """A file format: its encoder, the depths it holds, and the depth it gets unless asked."""

    encode: Callable[[Picture, Extras, BinaryIO], None]
    depths: tuple[int, ...]
    depth: int


FORMATS = {
    "jpeg": Format(encode_jpeg, (8,), 8),
    "png": Format(encode_png, (8, 16), 8),
    "tiff": Format(encode_tiff, (8, 16, 32), 16),
    "webp": Format(encode_webp, (8,), 8),
}
SUFFIXES = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".tif": "tiff", ".tiff": "tiff", ".webp": "webp"}


def quantise(image: NDArray[np.floating[Any]], bit_depth: int) -> NDArray[Any]:
    """Round to the integers of a file: ``floor(min(max(x, 0), 1) (2^b - 1) + 1/2)``.

    Parameters
    ----------
    image : ndarray of float32, any shape
        0..1; what lies outside is clipped, NaN becomes 0.
    bit_depth : int
        8 or 16; 32 keeps the floats, unclipped.

    Returns
    -------
    ndarray of uint8, uint16 or float32, C-contiguous, shape of `image`

    Raises
    ------
    ParameterError
        If `bit_depth` is another one.
    """
    require(bit_depth in (8, 16, 32), "quantise", "bit_depth", bit_depth, "8, 16 or 32 bits per channel")
    if bit_depth == 32:
        return np.ascontiguousarray(image, np.float32)
    result = np.empty(image.shape, _DTYPES[bit_depth])
    if image.size:
        rows = (each.reshape(len(image), -1) for each in (image, result))
        over_rows(_round_rows, len(image), *rows, np.float32(2**bit_depth - 1))
    return result


@kernel
def _round_rows(first, last, image, out, most):  # type: ignore[no-untyped-def]
    for y in range(first, last):
        for x in range(image.shape[1]):
            value = image[y, x]
            value = min(value, np.float32(1)) if value > 0 else np.float32(0)  # NaN is not above 0
            out[y, x] = value * most + np.float32(0.5)  # the cast cuts the fraction off


def upright_and_rounded(image: NDArray[np.floating[Any]], meta: Meta, bit_depth: int) -> NDArray[Any]:
    """Return what `geometry.upright` does, rounded once: before it is turned, while its rows still lie in order."""
    cut = image[scaled_crop(meta, image.shape[:2]).slices]
    return orient(quantise(square_pixels(cut, meta.pixel_aspect), bit_depth), meta.orientation)


class Output(NamedTuple):
    """How a picture is written.

    Attributes
    ----------
    file_format : {"jpeg", "png", "tiff", "webp"} or None
        By default what the suffix says.
    bit_depth : {8, 16, 32} or None
        8 (all), 16 (PNG, TIFF) or 32 (TIFF, float). Default 8, in TIFF 16, for linear light 32.
    quality : int
        JPEG and WebP, 1 (small) to 100 (good).
    subsampling : {"4:4:4", "4:2:2", "4:2:0"}
        JPEG only: "4:4:4" keeps the colours at full resolution, "4:2:2" and "4:2:0" halve it along one or both axes.
    overwrite : bool
        Replace an existing file.
    metadata : bool
        Write EXIF; without it a file says nothing but its profile.
    tiff_compression : {"none", "zstd", "deflate"}
        TIFF only, lossless. Not every program reads "zstd".
    """

    file_format: str | None = None
    bit_depth: int | None = None
    quality: int = 92
    subsampling: str = "4:2:0"
    overwrite: bool = False
    metadata: bool = True
    tiff_compression: str = "none"


def write_image(frame: Frame, path: str | os.PathLike[str], **output: Any) -> Path:
    """Write `frame` as a picture: upright, rounded once, with profile and EXIF, whole or not at all.

    The same frame and parameters give the same bytes; no clock is read.

    Parameters
    ----------
    frame : Frame
        DISPLAY, or LINEAR for linear light. Its `encoding` decides the colour profile that is embedded; a curve that
        is neither sRGB nor linear gets none.
    path : str or path
        Target in an existing folder.
    **output
        As of `Output`: file_format, bit_depth, quality, subsampling, overwrite, metadata, tiff_compression.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ParameterError
        If the frame is not yet a picture, or a parameter is out of its range.
    WriteError
        If the suffix is unknown, the format lacks the depth, or the target exists.
    StorageError
        If the disk is full or read-only, or the folder cannot be written; nothing is left behind.
    """
    if frame.space in _MISSING:
        raise ParameterError(f"write_image: the frame is still {frame.space.name}; {_MISSING[frame.space]}")
    encoding = "linear" if frame.space is Space.LINEAR else frame.encoding

    def make(depth: int) -> NDArray[Any]:
        return upright_and_rounded(frame.data, frame.meta, depth)

    return write_picture(make, frame.meta, encoding, path, Output(**output))


def write_picture(
    make: Callable[[int], Picture],
    meta: Meta,
    encoding: str | None,
    path: str | os.PathLike[str],
    output: Output,
) -> Path:
    """Write what `make` returns for a bit depth; it is called once everything else is known to be right.

    Parameters
    ----------
    make : callable
        Takes the bits per channel; returns the upright pixels.
    meta : Meta
        For EXIF.
    encoding : {"srgb", "linear"} or None
        For the profile.
    path : path
        Target.
    output : Output
        How.
    """
    encode = picture_encoder(meta, encoding, path, output)
    check_target(path, overwrite=output.overwrite)
    pixels = make(encode.depth)
    with atomic_file(path, overwrite=output.overwrite) as file:
        encode.write(pixels, file)
    return Path(path)


class PictureEncoder(NamedTuple):
    """A format with all that it is told, but for the pixels.

    Attributes
    ----------
    depth : int
        Bits per channel that it takes.
    write : callable
        Takes upright pixels and a binary file.
    """

    depth: int
    write: Callable[[Picture, BinaryIO], None]


def picture_encoder(
    meta: Meta, encoding: str | None, path: str | os.PathLike[str], output: Output
) -> PictureEncoder:  # fmt: skip
    """Check how a picture is to be written, and return what writes it.

    Parameters
    ----------
    meta, encoding, path, output
        As for `write_picture`; of the path the suffix counts.

    Raises
    ------
    ParameterError, WriteError
        As `write_image` does.
    """
    where = "write_image"
    file_format, bit_depth, quality, subsampling, _, metadata, tiff_compression = output
    require(isinstance(quality, int) and 1 <= quality <= 100, where, "quality", quality, "a quality from 1 to 100")
    require_choice(where, "subsampling", subsampling, ("4:4:4", "4:2:2", "4:2:0"))
    require_choice(where, "tiff_compression", tiff_compression, COMPRESSIONS)
    name = _format_name(path, file_format)
    depth = _depth(name, bit_depth, encoding)
    profile = icc.profile(encoding) if encoding else None
    extras = Extras(meta if metadata else None, profile, quality, subsampling, tiff_compression)

    def write(pixels: Picture, file: BinaryIO) -> None:
        FORMATS[name].encode(pixels, extras, file)

    return PictureEncoder(depth, write)


def _format_name(path: str | os.PathLike[str], file_format: str | None) -> str:
    if file_format is not None:
        require_choice("write_image", "file_format", file_format, tuple(FORMATS))
        return file_format
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise WriteError(f"{printable(path)}: no format has the suffix {printable(suffix)!r}; use {known}")
    return SUFFIXES[suffix]


def _depth(name: str, bit_depth: int | None, encoding: str | None) -> int:
    _, depths, usual = FORMATS[name]
    if encoding == "linear":  # 8 bits of linear light show steps in the shadows
        if name != "tiff":
            raise WriteError(f"linear light cannot be written as {name}; use .tif, or add a tone curve to the pipeline")
        depths, usual = (16, 32), 32
    bit_depth = usual if bit_depth is None else bit_depth
    if bit_depth not in depths:
        light = "linear light as " if encoding == "linear" else ""
        allowed = " or ".join(map(str, depths))
        raise WriteError(f"{light}{name} cannot hold {bit_depth} bits per channel; use {allowed}")
    return bit_depth
