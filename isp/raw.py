"""Reads a camera's raw file: pixels through LibRaw, and as `Meta` what the file says about them."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, BinaryIO

import numpy as np
import rawpy
from numpy.typing import NDArray

from isp.border import measure_border
from isp.calibration import (
    Areas,
    find_areas,
    read_black,
    read_cfa,
    read_kodak_matrix,
    read_matrix,
    read_white,
    read_white_balance,
)  # fmt: skip
from isp.cfa import shifted
from isp.damage import after_decoding, before_decoding, settle
from isp.dng import read_dng
from isp.errors import DamagedError, RawError, require, require_choice
from isp.frame import Frame, Meta, Rectangle, Space
from isp.fresh_memory import fresh_memory
from isp.headerless import find_sidecar, read_headerless
from isp.plain_dng import find_layout, open_without_pixels, read_mosaic
from isp.source import FilePath, Source, check_claim, explained, identify, reading
from isp.tags import Story, ask_libraw, ask_thumbnail, read_exif, read_story
from isp.threads import thread_count
from isp.tiff import Picture, claimed_size, find_picture

logger = logging.getLogger(__name__)

CROPS = ("camera", "active", "full")
MAX_PIXELS = 400_000_000  # more than any camera's; larger is damage, or a panorama
_ORIENTATION = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}  # EXIF's by LibRaw's flip


def read_raw(
    source: FilePath | BinaryIO,
    *,
    crop: str = "camera",
    max_pixels: int = MAX_PIXELS,
    isolate: bool = False,
    accept_damaged: bool = False,
) -> Frame:
    """Read a raw file.

    A file with a sidecar ``<file name>.toml`` beside it is read by `isp.read_headerless` as the sidecar says.

    Parameters
    ----------
    source : path or binary file object
        Any file that LibRaw decodes. The path may be bytes, and need not be UTF-8.
    crop : {"camera", "active", "full"}
        What `data` and ``meta.crop`` hold. "camera": the active area, and the picture that the camera makes of it.
        "active": the active area, all of it. "full": everything that the file stores, masked borders included.
    max_pixels : int
        Refuse a picture of more pixels, before memory is taken for it.
    isolate : bool
        Read in a child process with a limit of time and memory. LibRaw dies of some damaged files, and with it the
        process that reads them; a child costs some milliseconds a file, and a fifth of a second before the first,
        which is why it is not the default: files of one's own camera are seldom damaged, files of others may be.
    accept_damaged : bool
        Return what can be read of a damaged file, with ``meta.damage`` saying what shows the damage. Such files are
        what LibRaw dies of, so this reads in a child process too.

    Returns
    -------
    Frame
        `Space.RAW` for a mosaic or a monochrome sensor. A picture that is demosaiced in the file (linear DNG, sRAW)
        enters at `Space.CAMERA`, (value - black) / (white - black), not white-balanced: its gains are (1, 1, 1),
        ``meta.cfa`` is a mere RGGB and ``meta.black`` zero, because both are dealt with.

    Raises
    ------
    RawError
        If the file is missing, no raw file, damaged, cut short, unsupported, or too large.
    DamagedError
        If something shows that the file is damaged, and what can be read of it was not asked for.
    ChildError
        If the child process crashed, took too long or needed too much memory.
    ParameterError
        If `crop` or `max_pixels` is out of its range.
    """
    require_choice("read_raw", "crop", crop, CROPS)
    require(max_pixels >= 1, "read_raw", "max_pixels", max_pixels, "1 or more pixels")
    if isolate or accept_damaged:
        options = {"crop": crop, "max_pixels": max_pixels, "accept_damaged": accept_damaged}
        return _isolated(source, threads=thread_count(), **options)
    sidecar = find_sidecar(source)
    if sidecar is not None:
        return read_headerless(source, **sidecar._asdict())
    with reading(source, max_pixels) as file:
        return read_source(file, crop, max_pixels)


def _isolated(source: FilePath | BinaryIO, **options: Any) -> Frame:
    """Read in a child process and log what it would have logged."""
    from isp.isolation import read_isolated

    warnings: tuple[str, ...] = ()
    try:
        frame, _, warnings, _, _ = read_isolated(source, **options)
    except RawError as error:
        warnings = tuple(getattr(error, "__notes__", ()))
        raise
    finally:
        for warning in warnings:
            logger.warning("%s", warning)
    return frame


def read_source(file: Source, crop: str, max_pixels: int, *, accept_damaged: bool = False) -> Frame:
    """Read a raw file that is open, as `read_raw` does, but here whatever is accepted, and look for no sidecar."""
    story = read_story(read_exif(file.stream, file.name))
    picture = find_picture(file.stream, file.name)
    damage: tuple[str, ...] = ()
    if picture is not None:
        check_claim(file, *claimed_size(picture), max_pixels)
        damage = before_decoding(picture, file)
        settle(file.name, damage, accept=accept_damaged)
    with explained(file, story.camera):
        raw, stored, story = _plain(file, picture, story) or _any(file, story, max_pixels)
        if picture is not None:
            empty = after_decoding(picture, stored)
            settle(file.name, empty, accept=accept_damaged)
            damage += empty
        frame = _read(raw, stored, file, ask_libraw(story, raw), picture, crop)
    return frame.replace(meta=dataclasses.replace(frame.meta, damage=damage)) if damage else frame


def _plain(file: Source, picture: Picture | None, story: Story) -> tuple[rawpy.RawPy, NDArray[np.uint16], Story] | None:
    """Read the pixels of a plain DNG past LibRaw; None if it is none, or LibRaw must say what is wrong with it."""
    layout = find_layout(picture) if picture is not None and story.make is not None else None
    if layout is None:
        return None
    raw = rawpy.RawPy()
    try:
        open_without_pixels(raw, file, layout)
        raw.unpack()
    except (rawpy.LibRawError, rawpy.NotSupportedError, OSError):
        return None
    if raw.raw_type != rawpy.RawType.Flat or (raw.sizes.raw_height, raw.sizes.raw_width) != layout[:2]:
        return None
    stored = read_mosaic(file, layout)
    return None if stored is None else (raw, stored, story)


def _any(file: Source, story: Story, max_pixels: int) -> tuple[rawpy.RawPy, NDArray[np.uint16], Story]:
    """Let LibRaw read the pixels; the array is its own memory and keeps it alive."""
    with fresh_memory():
        raw = identify(file, max_pixels)
        story = ask_thumbnail(story, raw, file.name)
        raw.unpack()
    return raw, raw.raw_image, story


def _read(
    raw: rawpy.RawPy, stored: NDArray[np.uint16], file: Source, story: Story, picture: Picture | None, crop: str
) -> Frame:
    tags = read_dng(picture) if picture is not None and picture.is_dng else None
    demosaiced = raw.raw_type == rawpy.RawType.Stack
    stored = _supported(stored, demosaiced, file)
    areas = find_areas(raw, tags, file.name)
    black, white = read_black(raw, tags, areas.active), read_white(raw, tags)
    monochrome = raw.num_colors == 1
    meta = Meta(
        cfa=((0, 1), (1, 2)) if demosaiced else read_cfa(raw, areas.active, file.name),
        black=_rows(black[..., 0]),
        black_rows=_fitting(tags.black_rows, areas.active.height, file.name) if tags else (),
        black_columns=_fitting(tags.black_columns, areas.active.width, file.name) if tags else (),
        white=float(white.min()),
        size=(areas.active.height, areas.active.width),
        active=Rectangle(0, 0, areas.active.height, areas.active.width),
        crop=areas.crop,
        orientation=_ORIENTATION.get(raw.sizes.flip, 1),
        pixel_aspect=raw.sizes.pixel_aspect if 0.1 <= raw.sizes.pixel_aspect <= 10 else 1.0,
        demosaiced=demosaiced,
        white_balance=None if monochrome else read_white_balance(raw, tags, file.name),
        xyz_to_camera=None if monochrome else read_matrix(raw, tags, file.name) or read_kodak_matrix(picture),
        baseline_exposure=tags.baseline_exposure if tags else 0.0,
        noise=tags.noise if tags else (),
        lens_shading=tags.lens_shading if tags else (),
        name=file.name,
        **story._asdict(),
    )
    highest = black.max() + max(meta.black_rows, default=0.0) + max(meta.black_columns, default=0.0)
    if meta.white <= highest:
        raise DamagedError(
            f"{file.name}: white level {meta.white:g} is not above black {highest:g}; the file is damaged"
        )
    if demosaiced:
        return _demosaiced(stored, meta, black, white, areas, crop)
    border = measure_border(stored, tags.masked if tags else (), meta.cfa, areas.active)
    meta = dataclasses.replace(meta, border=border)
    return _cut(stored, meta, areas, crop)


def _fitting(deltas: tuple[float, ...], length: int, name: str) -> tuple[float, ...]:
    if len(deltas) in (0, length):
        return deltas
    logger.warning("%s: %d black level deltas for %d rows or columns; they are left out", name, len(deltas), length)
    return ()


def _supported(stored: NDArray[np.uint16], demosaiced: bool, file: Source) -> NDArray[np.uint16]:
    """Return a view, (H, W) or (H, W, 3)."""
    if demosaiced and stored.ndim == 3 and stored.shape[2] >= 3:
        stored = stored[..., :3]
    elif demosaiced or stored.ndim != 2:
        raise RawError(f"{file.name}: holds {stored.shape[-1]} samples per pixel; only mosaics and three are supported")
    if stored.dtype != np.uint16:
        raise RawError(f"{file.name}: holds {stored.dtype} pixels; convert to a DNG of 16-bit integers")
    return stored


def _cut(stored: NDArray[np.uint16], meta: Meta, areas: Areas, crop: str) -> Frame:
    """Cut out what `crop` asks for, and tell `meta` where it begins."""
    if crop == "full":
        return Frame(stored, Space.RAW, _in_full_frame(meta, areas))
    if crop == "active":
        meta = dataclasses.replace(meta, crop=meta.active)
    return Frame(_to_front(stored, areas.active), Space.RAW, meta)


def _to_front(stored: NDArray[np.uint16], area: Rectangle) -> NDArray[np.uint16]:
    """Move an area to the front of its own memory, where its rows lie close; the rest of `stored` is lost."""
    if area == (0, 0, *stored.shape):
        return stored
    front = stored.reshape(-1)[: area.height * area.width].reshape(area.height, area.width)
    for target, source in zip(front, stored[area.slices], strict=True):
        target[:] = source
    return front


def _in_full_frame(meta: Meta, areas: Areas) -> Meta:
    top, left, height, width = active = areas.active
    below, right = areas.size[0] - top - height, areas.size[1] - left - width
    border = meta.border
    if border is not None:
        border = border._replace(mean=shifted(border.mean, -top, -left))
    return dataclasses.replace(
        meta,
        cfa=shifted(meta.cfa, -top, -left),
        black=shifted(meta.black, -top, -left),
        black_rows=(0.0,) * top + meta.black_rows + (0.0,) * below if meta.black_rows else (),
        black_columns=(0.0,) * left + meta.black_columns + (0.0,) * right if meta.black_columns else (),
        border=border,
        size=areas.size,
        active=active,
        crop=Rectangle(0, 0, *areas.size),
    )


def _rows(pattern: NDArray[Any]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in pattern.tolist())


def _demosaiced(
    stored: NDArray[np.uint16],
    meta: Meta,
    black: NDArray[np.float64],
    white: NDArray[np.float64],
    areas: Areas,
    crop: str,
) -> Frame:
    """Return (value - black) / (white - black); outside the active area the black repeats its pattern."""
    meta = _in_full_frame(meta, areas) if crop == "full" else meta
    if crop == "active":
        meta = dataclasses.replace(meta, crop=meta.active)
    pixels = stored if crop == "full" else stored[areas.active.slices]
    level = np.roll(black, (meta.active.top, meta.active.left), axis=(0, 1)).astype(np.float32)
    height, width = meta.size
    repeats = (1, 1, 1) if level.shape[:2] == (1, 1) else (-(-height // level.shape[0]), -(-width // level.shape[1]), 1)
    level = np.tile(level, repeats)[:height, :width]
    if meta.black_rows:
        level = level + np.array(meta.black_rows, np.float32)[:, None, None]
    if meta.black_columns:
        level = level + np.array(meta.black_columns, np.float32)[None, :, None]
    meta = dataclasses.replace(meta, black=((0.0,),), black_rows=(), black_columns=())
    return Frame((pixels - level) / (white.astype(np.float32) - level), Space.CAMERA, meta, gains=(1.0, 1.0, 1.0))
