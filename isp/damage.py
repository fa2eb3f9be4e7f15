"""What shows that a raw file is damaged where LibRaw sees nothing: six signs, and none of them in a good file."""

from __future__ import annotations

import hashlib
import itertools
import logging
import struct
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from isp.errors import DamagedError
from isp.source import Source
from isp.tiff import Picture, claimed_size, end_of_pixels

logger = logging.getLogger(__name__)

_JPEG, _LOSSY_JPEG, _JPEG_START = 7, 34892, b"\xff\xd8"
_UNCOMPRESSED = 1
_BYTES_OF_NOTHING = 0.2  # a sample; zeros take a bit each in lossless JPEG, and less in any other compression
_UNKNOWN_DIGEST = bytes(16)
_MAP_POLYNOMIAL, _MAX_DEGREE = 8, 8

# Tags by their number, named as in the TIFF and DNG specifications.
_COMPRESSION, _SAMPLES, _STRIPS, _ROWS, _STRIP_BYTES = 259, 277, 273, 278, 279
_TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES = 322, 323, 324, 325
_BLACK, _OPCODES_2, _DIGEST = 50714, 51009, 51111
_PATTERN = 33422
_TIFF = 42  # after the byte order; with another number, directories lie otherwise


def settle(name: str, damage: Sequence[str], *, accept: bool) -> None:
    """Log damage that is accepted.

    Raises
    ------
    DamagedError
        If it is not.
    """
    if damage and not accept:
        cure = "copy it from the card again, or accept what can be read of it (--accept-damaged)"
        raise DamagedError(f"{name}: {'; '.join(damage)}; it is cut short or damaged, {cure}")
    for line in damage:
        logger.warning("%s: %s; it is read all the same", name, line)


def before_decoding(picture: Picture, file: Source) -> tuple[str, ...]:
    """Return what shows damage of a TIFF-based file, one line each.

    Strips or tiles may lie outside the file, which makes LibRaw crash. Those of a DNG's JPEG compression may not begin
    as JPEG does: LibRaw leaves such a tile as its memory was. The digest of a lossy DNG may not be what it states, and
    the curves may be missing that make its pixels linear: LibRaw then takes what its stack holds for curves.
    """
    own = Picture(picture.name, picture.page, picture.page)
    signs = [_beyond(own, file), _pattern_beyond(own, file)]
    if picture.is_dng and own.integer(_COMPRESSION, 1) in (_JPEG, _LOSSY_JPEG):
        signs.append(_no_jpeg(own, file))
        if own.integer(_COMPRESSION, 1) == _LOSSY_JPEG:
            signs.append(_no_curves(picture, own.integer(_SAMPLES, 1)))
            if not any(signs):
                signs.append(_other_digest(picture, own, file))
    return tuple(sign for sign in signs if sign is not None)


def _beyond(own: Picture, file: Source) -> str | None:
    end = end_of_pixels(own)
    return None if end <= file.size else f"its pixels end at byte {end:,.0f} but the file has only {file.size:,} bytes"


def _pattern_beyond(own: Picture, file: Source) -> str | None:
    """Look for a CFA pattern that lies outside the file: LibRaw takes what its memory holds for it."""
    order = "<" if file.part(0, 2) == b"II" else ">"
    if file.part(2, 2) != struct.pack(order + "H", _TIFF):
        return None
    content = file.part(own.page.offset, 2)
    count = struct.unpack(order + "H", content)[0] if len(content) == 2 else 0
    entries = file.part(own.page.offset + 2, 12 * count)
    for tag, _, values, place in struct.iter_unpack(order + "HHII", entries[: len(entries) // 12 * 12]):
        if tag == _PATTERN and values > 4 and place + values > file.size:
            return f"its CFA pattern of {values:,} values lies outside the file"
    return None


def _no_jpeg(own: Picture, file: Source) -> str | None:
    starts = [int(start) for start in own.finite(_TILES) or own.finite(_STRIPS)]
    wrong = [start for start in starts if not (0 <= start < file.size and file.part(start, 2) == _JPEG_START)]
    if not wrong:
        return None
    return f"{len(wrong)} of {len(starts)} tiles do not begin as JPEG does (the first at byte {wrong[0]:,})"


def _no_curves(picture: Picture, planes: int) -> str | None:
    if not any(_OPCODES_2 in page.tags for page in (picture.page, picture.main)):
        return None  # then LibRaw has a curve of its own
    blob = picture.tag(_OPCODES_2)
    mapped = set(_mapped_planes(blob)) if isinstance(blob, bytes) else set()
    return None if mapped.issuperset(range(planes)) else "its OpcodeList2 lacks curves for its pixels"


def _mapped_planes(blob: bytes) -> Iterator[int]:
    """Yield the planes for which an opcode list has a MapPolynomial."""
    at = 4
    while at + 16 <= len(blob):
        code, _, _, length = struct.unpack_from(">4I", blob, at)
        if code == _MAP_POLYNOMIAL and 40 <= length <= len(blob) - at - 16:
            plane, degree = (struct.unpack_from(">I", blob, at + 16 + place)[0] for place in (16, 32))
            if degree <= _MAX_DEGREE and length == 36 + 8 * (degree + 1):
                yield plane
        at += 16 + length


def _other_digest(picture: Picture, own: Picture, file: Source) -> str | None:
    """Compare NewRawImageDigest, which of a lossy DNG is the MD5 of the MD5s of its compressed tiles."""
    stated = picture.tag(_DIGEST)
    if not isinstance(stated, bytes) or len(stated) != len(_UNKNOWN_DIGEST) or stated == _UNKNOWN_DIGEST:
        return None
    offsets, counts = own.finite(_TILES) or own.finite(_STRIPS), own.finite(_TILE_BYTES) or own.finite(_STRIP_BYTES)
    digest = hashlib.md5(usedforsecurity=False)
    for offset, count in zip(offsets, counts, strict=False):
        digest.update(hashlib.md5(file.part(int(offset), int(count)), usedforsecurity=False).digest())
    return None if digest.digest() == stated else "its compressed pixels are not those of its NewRawImageDigest"


def after_decoding(picture: Picture, stored: NDArray[np.uint16]) -> tuple[str, ...]:
    """Return what shows that tiles of a DNG were not decoded: they are empty, and what is stored of them is not.

    Parameters
    ----------
    picture : Picture
        Its directories.
    stored : ndarray
        All pixels, decoded into memory that was zero.
    """
    if not picture.is_dng or stored.shape[:2] != claimed_size(picture)[::-1]:
        return ()
    own = Picture(picture.name, picture.page, picture.page)
    tiles = list(_tiles(own, stored))
    counts = own.finite(_TILE_BYTES) or own.finite(_STRIP_BYTES)
    if own.integer(_COMPRESSION, 1) == _UNCOMPRESSED or len(counts) != len(tiles):
        counts = (0.0,) * len(tiles)
    impossible = min(picture.finite(_BLACK), default=0.0) > 0
    nothing = _BYTES_OF_NOTHING * max(own.integer(_SAMPLES, 1), 1)
    empty = [
        place
        for (place, tile), count in zip(tiles, counts, strict=True)
        if (impossible or count > nothing * tile.shape[0] * tile.shape[1]) and not (tile[0].any() or tile.any())
    ]
    if not empty:
        return ()
    top, left = empty[0]
    return (f"{len(empty)} of {len(tiles)} tiles came out empty (the first at row {top:,}, column {left:,})",)


def _tiles(own: Picture, stored: NDArray[np.uint16]) -> Iterator[tuple[tuple[int, int], NDArray[np.uint16]]]:
    """Yield the corner of each tile or strip, and its pixels."""
    height, width = stored.shape[:2]
    tile_height, tile_width = own.integer(_TILE_LENGTH, 0), own.integer(_TILE_WIDTH, 0)
    if min(tile_height, tile_width) < 1:
        tile_height, tile_width = own.integer(_ROWS, height), width
    if tile_height < 1:
        return
    for top, left in itertools.product(range(0, height, tile_height), range(0, width, tile_width)):
        yield (top, left), stored[top : top + tile_height, left : left + tile_width]
