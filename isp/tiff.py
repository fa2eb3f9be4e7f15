"""Finds the raw picture in a TIFF-based file and what it claims; tifffile walks the directories."""

from __future__ import annotations

import itertools
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from tifffile import TiffPage

logger = logging.getLogger(__name__)

_TIFF = (b"II*\0", b"MM\0*")
_CFA, _LINEAR_RAW = 32803, 34892
_RATIONALS = (5, 10)
_MAX_PAGES = 32

# Tags by their number, named as in the TIFF and DNG specifications.
_SUBFILE, _WIDTH, _LENGTH, _PHOTOMETRIC = 254, 256, 257, 262
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _DNG_VERSION = 273, 279, 324, 325, 50706


@dataclass(frozen=True, slots=True)
class Picture:
    """The directory that holds the raw picture, and the main one, which holds what is true of all.

    `tag` looks in the first, then in the second. `sole` is whether no other directory holds a raw picture.
    """

    name: str
    main: TiffPage
    page: TiffPage
    sole: bool = True

    @property
    def is_dng(self) -> bool:
        """Whether it is a DNG or the raw file of a maker that uses TIFF."""
        return _DNG_VERSION in self.main.tags

    def tag(self, code: int) -> object:
        """Return the value of a tag, or None where it is absent or damaged."""
        for page in (self.page, self.main):
            try:
                if code in page.tags:
                    tag = page.tags[code]
                    return _ratios(tag.value) if tag.dtype in _RATIONALS else tag.value
            except Exception as error:  # tifffile checks little; a damaged tag is an absent tag
                logger.warning("%s: TIFF tag %d is damaged (%s); it is left out", self.name, code, error)
        return None

    def numbers(self, code: int) -> tuple[float, ...]:
        """Return the value of a tag as numbers; none where it is absent, damaged or no number."""
        value = self.tag(code)
        try:
            return tuple(float(v) for v in value) if hasattr(value, "__iter__") else (float(value),)  # type: ignore
        except (TypeError, ValueError):
            return ()

    def integer(self, code: int, default: int) -> int:
        """Return the first number of a tag."""
        numbers = self.numbers(code)
        return int(numbers[0]) if numbers and math.isfinite(numbers[0]) else default

    def finite(self, code: int) -> tuple[float, ...]:
        """Return the value of a tag as numbers; none if one of them is not finite (0/0)."""
        numbers = self.numbers(code)
        return numbers if all(map(math.isfinite, numbers)) else ()


def find_picture(stream: BinaryIO, name: str) -> Picture | None:
    """Return the directories of a TIFF-based raw file; None if it is no TIFF or its structure is damaged.

    Parameters
    ----------
    stream : binary file object
        The file.
    name : str
        Its name, for messages.
    """
    if not _is_tiff(stream):
        return None
    try:
        pages = _pages(stream)
        found = [page for page in pages if _is_raw(page)]
    except Exception as error:  # as above; LibRaw has the last word on the pixels
        logger.warning("%s: TIFF structure is damaged (%s); its tags are left out", name, error)
        return None
    if not found:
        return None
    largest = max(found, key=lambda page: page.imagewidth * page.imagelength)
    return Picture(name, pages[0], largest, len(found) == 1)


def _is_tiff(stream: BinaryIO) -> bool:
    return _bytes_at(stream, 0, 4) in _TIFF


def _pages(stream: BinaryIO) -> list[TiffPage]:
    from tifffile import TiffFile, TiffPage

    stream.seek(0)
    main = list(itertools.islice(TiffFile(stream).pages, _MAX_PAGES))
    nested = [sub for page in main for sub in itertools.islice(page.pages or (), _MAX_PAGES)]
    return [page for page in main + nested if isinstance(page, TiffPage)]


def _is_raw(page: TiffPage) -> bool:
    photometric, subfile = (page.tags.valueof(code, default=0) for code in (_PHOTOMETRIC, _SUBFILE))
    return int(photometric) in (_CFA, _LINEAR_RAW) and int(subfile) == 0


def _bytes_at(stream: BinaryIO, start: int, count: int) -> bytes:
    stream.seek(start)
    return stream.read(count)


def is_cut_short(stream: BinaryIO, size: int) -> bool:
    """Whether a TIFF-based file lacks its directory, or one of them, previews too, has strips beyond the file's end."""
    if not _is_tiff(stream):
        return False
    try:
        pages = _pages(stream)
        return not pages or any(end_of_pixels(Picture("preview", page, page)) > size for page in pages)
    except Exception:  # as in `find_picture`
        return False


def end_of_pixels(own: Picture) -> float:
    """Return where the last strip or tile of a directory ends.

    Parameters
    ----------
    own : Picture
        Without the main directory, whose strips are another picture's.
    """
    pairs = [
        *zip(own.numbers(_STRIPS), own.numbers(_STRIP_BYTES), strict=False),
        *zip(own.numbers(_TILES), own.numbers(_TILE_BYTES), strict=False),
    ]
    return max((offset + count for offset, count in pairs), default=0.0)


def claimed_size(picture: Picture) -> tuple[int, int]:
    """Return the width and height that the directory states."""
    return picture.integer(_WIDTH, 0), picture.integer(_LENGTH, 0)


def _ratios(flat: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(n / d if d else math.nan for n, d in zip(flat[::2], flat[1::2], strict=True))
