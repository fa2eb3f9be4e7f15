"""Pixels without a header: the user says how they lie, in code, on the command line, or in a TOML file beside them."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isp.cfa import parse_cfa
from isp.errors import ParameterError, RawError, printable, require, require_choice
from isp.frame import Frame, Gains, Meta, Rectangle, Space
from isp.source import FilePath, Source, reading

_DTYPES = {"uint8": 8, "uint10": 10, "uint12": 12, "uint14": 14, "uint16": 16}
_LAYOUT = "WxH:CFA:DTYPE[:BLACK[:WHITE]], for example 768x512:RGGB:uint16"
_REQUIRED = ("width", "height", "cfa", "dtype")
_MAX_SIDE, _MAX_PIXELS = 200_000, 400_000_000


class Layout(NamedTuple):
    """The keywords of `read_headerless`."""

    width: int
    height: int
    cfa: str
    dtype: str
    black: float = 0.0
    white: float | None = None
    white_balance: Sequence[float] | None = None


def read_headerless(
    path: FilePath | BinaryIO,
    *,
    width: int,
    height: int,
    cfa: str,
    dtype: DTypeLike,
    black: float = 0.0,
    white: float | None = None,
    white_balance: Sequence[float] | NDArray[Any] | None = None,
) -> Frame:
    """Read a file that holds nothing but the pixels of one frame, row by row.

    Parameters
    ----------
    path : path or binary file object
        The file.
    width, height : int
        Photosites.
    cfa : str
        Colours from the top left corner: RGGB, BGGR, GRBG, GBRG, MONO, X-TRANS, or the 36 letters of a 6x6 pattern.
    dtype : str or NumPy dtype
        uint8, or uint10, uint12, uint14, uint16, which all lie in words of 16 bits; little-endian, or with the
        suffix ``be`` (``le``) big-endian (little-endian). A NumPy dtype has its own byte order.
    black : float
        Black level in DN.
    white : float, optional
        White level in DN; by default the largest number of the dtype.
    white_balance : sequence of 3 floats, optional
        As-shot gains for R, G, B; they are divided by G's.

    Returns
    -------
    Frame
        `Space.RAW`; 8 bits are widened to 16.

    Raises
    ------
    ParameterError
        If a parameter is out of its range.
    RawError
        If the file cannot be read, or has not exactly the bytes that such a frame has.
    """
    layout = _plain(Layout(width, height, cfa, dtype, black, white, white_balance))  # type: ignore[arg-type]
    _check(layout, "read_headerless")
    with reading(path, _MAX_PIXELS) as file:
        return read_pixels(file, layout)


def read_pixels(file: Source, layout: Layout) -> Frame:
    """Read a file that is open, as `read_headerless` does."""
    layout = _plain(layout)
    white, gains = _check(layout, "read_headerless")
    bits, order = _depth(layout.dtype, "read_headerless")
    pixels = _pixels(file, layout, np.dtype(np.uint8 if bits == 8 else f"{order}u2"))
    return Frame(pixels, Space.RAW, _meta(layout, white, gains, file.name))


def _pixels(file: Source, layout: Layout, dtype: np.dtype[Any]) -> NDArray[np.uint16]:
    expected = layout.width * layout.height * dtype.itemsize
    if file.size != expected:
        raise RawError(
            f"{file.name}: has {file.size:,} bytes, but {layout.width} x {layout.height} {layout.dtype} are "
            f"{expected:,}; "
            "correct the width, height or type"
        )
    pixels = np.empty((layout.height, layout.width), dtype)
    file.fill(pixels, 0)
    return pixels.astype(np.uint16, copy=False)


def _plain(layout: Layout) -> Layout:
    """Return the layout in Python's own numbers and our spelling; what has none stays, for `_check` to refuse."""
    width, height = (int(side) if _is_number(side, Integral) else side for side in layout[:2])
    cfa, dtype, gains = layout.cfa, layout.dtype, layout.white_balance
    if isinstance(dtype, type | np.dtype):
        dtype = np.dtype(dtype).name + ("be" if np.dtype(dtype).str.startswith(">") else "")
    return Layout(
        width,
        height,
        cfa.upper() if isinstance(cfa, str) else cfa,
        str(dtype).lower(),
        _number(layout.black),
        _number(layout.white),
        tuple(map(_number, gains)) if isinstance(gains, Iterable) and not isinstance(gains, str) else gains,
    )


def _number(value: Any) -> Any:
    """Return any kind of real number as Python's int or float."""
    if not _is_number(value):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _meta(layout: Layout, white: float, gains: Gains | None, name: str) -> Meta:
    whole = Rectangle(0, 0, layout.height, layout.width)
    return Meta(
        cfa=parse_cfa(layout.cfa, "read_headerless"),
        black=((float(layout.black),),),
        white=white,
        size=(layout.height, layout.width),
        active=whole,
        crop=whole,
        white_balance=gains,
        name=name,
    )


def parse_layout(text: str) -> Layout:
    """Return the keywords of `read_headerless` that ``WxH:CFA:DTYPE[:BLACK[:WHITE]]`` stands for.

    Raises
    ------
    ParameterError
        If the text has another form.
    """
    form = re.fullmatch(r"(\d{1,6})[xX](\d{1,6}):([A-Za-z]+):([A-Za-z0-9]+)(?::(\d+\.?\d*))?(?::(\d+\.?\d*))?", text)
    require(form is not None, "headerless", "layout", text, _LAYOUT)
    assert form is not None
    width, height, cfa, dtype, black, white = form.groups()
    levels = float(black or 0), None if white is None else float(white)
    layout = _plain(Layout(int(width), int(height), cfa, dtype, *levels))
    _check(layout, "headerless")
    return layout


def find_sidecar(source: FilePath | BinaryIO) -> Layout | None:
    """Return what ``<file name>.toml`` beside a file says; None where there is none.

    Raises
    ------
    RawError
        If the sidecar is no TOML, or its keys are not those of `read_headerless`.
    """
    if not isinstance(source, str | bytes | os.PathLike):
        return None
    path = os.fspath(source)
    sidecar = path + b".toml" if isinstance(path, bytes) else path + ".toml"
    if not os.path.isfile(sidecar):
        return None
    try:
        with open(sidecar, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise RawError(f"{printable(sidecar)}: cannot be read ({error.strerror}); check its permissions") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise RawError(f"{printable(sidecar)}: is not a TOML file ({error}); correct or remove it") from error
    return _checked(table, printable(sidecar))


def _checked(table: dict[str, Any], name: str) -> Layout:
    unknown, missing = sorted(table.keys() - set(Layout._fields)), sorted(set(_REQUIRED) - table.keys())
    if unknown or missing:
        what = f"has the unknown key {unknown[0]}" if unknown else f"lacks the key {missing[0]}"
        raise RawError(f"{name}: {what}; the keys are {', '.join(Layout._fields)}")
    layout = _plain(Layout(**table))
    try:
        _check(layout, "sidecar")
    except ParameterError as error:
        raise RawError(f"{name}: {error}") from error
    return layout


def _check(layout: Layout, where: str) -> tuple[float, Gains | None]:
    """Check every field; return the white level in DN and the normalised gains."""
    for key, value in (("width", layout.width), ("height", layout.height)):
        good = _is_number(value, Integral) and 1 <= value <= _MAX_SIDE
        require(good, where, key, value, f"1 to {_MAX_SIDE} photosites")
    parse_cfa(layout.cfa, where)
    bits, _ = _depth(layout.dtype, where)
    white = 2**bits - 1 if layout.white is None else layout.white
    black = layout.black
    require(_is_number(black) and 0 <= black < 65535, where, "black", black, "0 to 65534 DN")
    require(_is_number(white) and black < white <= 65535, where, "white", white, f"above black ({black:g}) to 65535 DN")
    return float(white), _gains(layout.white_balance, where)


def _depth(dtype: object, where: str) -> tuple[int, str]:
    """Return the bits and NumPy's sign for the byte order."""
    name = str(dtype)
    base, order = (name[:-2], ">" if name.endswith("be") else "<") if name[-2:] in ("le", "be") else (name, "<")
    require_choice(where, "dtype", base, tuple(_DTYPES))
    return _DTYPES[base], order


def _is_number(value: Any, kind: type[Any] = Real) -> bool:
    """Whether something is a finite number of a kind, NumPy's included, that a float can hold."""
    try:
        return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int with hundreds of digits
        return False


def _gains(white_balance: Any, where: str) -> Gains | None:
    if white_balance is None:
        return None
    numbers = white_balance if isinstance(white_balance, tuple) else ()
    good = len(numbers) == 3 and all(_is_number(number) and number > 0 for number in numbers)
    require(good, where, "white_balance", white_balance, "three gains above 0, for R, G, B")
    red, green, blue = (float(number) for number in numbers)
    return red / green, 1.0, blue / green
