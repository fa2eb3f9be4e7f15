"""What a DNG says and rawpy loses: black per site, rectangles, noise and lens shading (DNG specification 1.7.1).

tifffile walks the directories; here is only which one holds the picture and what its tags mean.
"""

from __future__ import annotations

import io
import itertools
import logging
import math
from dataclasses import dataclass

import tifffile

from isp.errors import RawError
from isp.frame import Rectangle
from isp.opcodes import LensShading, parse_opcodes

logger = logging.getLogger(__name__)

_TIFF = (b"II*\0", b"MM\0*")
_CFA, _LINEAR_RAW = 32803, 34892
_LOSSY_JPEG, _JPEG_XL = 34892, 52546
_FLOAT = 3
_MAP_POLYNOMIAL = 8  # LibRaw applies it to lossy pictures itself
_RATIONALS = (5, 10)
_MAX_PAGES, _MAX_PLANES, _MAX_LEVELS = 32, 4, 4096

# Tags by their number, named as in the specification.
_WIDTH, _LENGTH, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _SAMPLE_FORMAT = 256, 257, 259, 262, 277, 339
_SUBFILE, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 254, 273, 279, 324, 325
_DNG_VERSION, _BLACK_REPEAT, _BLACK, _BLACK_H, _BLACK_V = 50706, 50713, 50714, 50715, 50716
_CROP_ORIGIN, _CROP_SIZE, _NEUTRAL, _BASELINE_EXPOSURE = 50719, 50720, 50728, 50730
_ACTIVE, _MASKED, _OPCODES_2, _OPCODES_3, _NOISE = 50829, 50830, 51009, 51022, 51041


@dataclass(frozen=True, slots=True)
class Picture:
    """The directory that holds the raw picture, and the main one, which holds what is true of all.

    `tag` looks in the first, then in the second.
    """

    name: str
    main: tifffile.TiffPage
    page: tifffile.TiffPage

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


@dataclass(frozen=True, slots=True)
class DngTags:
    """What the tags of a DNG say, as `Meta` wants it; None or empty where they say nothing.

    Attributes
    ----------
    black : tuple of tuple of tuple of float
        DN by row, column and plane, its corner that of the active area. None if LibRaw has changed the scale.
    black_rows, black_columns : tuple of float
        BlackLevelDeltaV and BlackLevelDeltaH of the active area.
    active : Rectangle or None
        In the full frame.
    crop : Rectangle or None
        In the active area, rounded inwards.
    masked : tuple of Rectangle
        Optically black areas in the full frame.
    neutral : tuple of float
        The camera's colours of white.
    baseline_exposure : float
        Stops.
    noise : tuple of (float, float)
        NoiseProfile.
    lens_shading : tuple of GainMap or RadialGain
        Opcode lists 2 and 3.
    """

    black: tuple[tuple[tuple[float, ...], ...], ...] | None
    black_rows: tuple[float, ...]
    black_columns: tuple[float, ...]
    active: Rectangle | None
    crop: Rectangle | None
    masked: tuple[Rectangle, ...]
    neutral: tuple[float, ...]
    baseline_exposure: float
    noise: tuple[tuple[float, float], ...]
    lens_shading: tuple[LensShading, ...]


def find_picture(content: bytes, name: str) -> Picture | None:
    """Return the directories of a TIFF-based raw file; None if it is no TIFF or its structure is damaged.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        Its name, for messages.
    """
    if not content.startswith(_TIFF):
        return None
    try:
        pages = list(_pages(content))
        found = [page for page in pages if _is_raw(page)]
    except Exception as error:  # as above; LibRaw has the last word on the pixels
        logger.warning("%s: TIFF structure is damaged (%s); its tags are left out", name, error)
        return None
    if not found:
        return None
    return Picture(name, pages[0], max(found, key=lambda page: page.imagewidth * page.imagelength))


def _pages(content: bytes) -> list[tifffile.TiffPage]:
    main = list(itertools.islice(tifffile.TiffFile(io.BytesIO(content)).pages, _MAX_PAGES))
    nested = [sub for page in main for sub in itertools.islice(page.pages or (), _MAX_PAGES)]
    return [page for page in main + nested if isinstance(page, tifffile.TiffPage)]


def _is_raw(page: tifffile.TiffPage) -> bool:
    photometric, subfile = (page.tags.valueof(code, default=0) for code in (_PHOTOMETRIC, _SUBFILE))
    return int(photometric) in (_CFA, _LINEAR_RAW) and int(subfile) == 0


def check_strips(picture: Picture, size: int) -> None:
    """Raise `RawError` if strips or tiles of the raw picture lie outside the file of `size` bytes.

    LibRaw reads some of them without looking and the process dies of it.
    """
    end = _end(picture)
    if end > size:
        raise RawError(
            f"{picture.name}: its pixels end at byte {end:,.0f} but the file has only {size:,} bytes; "
            "it is cut short or damaged, copy it from the card again"
        )


def is_cut_short(content: bytes) -> bool:
    """Whether any directory of a TIFF-based file, previews too, has strips or tiles beyond the file's end."""
    if not content.startswith(_TIFF):
        return False
    try:
        return any(_end(Picture("", page, page)) > len(content) for page in _pages(content))
    except Exception:  # as in `find_picture`
        return False


def _end(picture: Picture) -> float:
    pairs = [
        *zip(picture.numbers(_STRIPS), picture.numbers(_STRIP_BYTES), strict=False),
        *zip(picture.numbers(_TILES), picture.numbers(_TILE_BYTES), strict=False),
    ]
    return max((offset + count for offset, count in pairs), default=0.0)


def claimed_size(picture: Picture) -> tuple[int, int]:
    """Return the width and height that the directory states."""
    return picture.integer(_WIDTH, 0), picture.integer(_LENGTH, 0)


def read_dng(picture: Picture) -> DngTags:
    """Return what the tags of a DNG say; damaged ones are left out with a logged warning."""
    compression = picture.integer(_COMPRESSION, 1)
    floating = picture.integer(_SAMPLE_FORMAT, 1) == _FLOAT
    if floating:
        logger.warning("%s: holds floating-point pixels; LibRaw scales those above 1 to their peak", picture.name)
    rescaled = floating or compression in (_LOSSY_JPEG, _JPEG_XL)
    applied = frozenset({_MAP_POLYNOMIAL} if compression == _LOSSY_JPEG else ())
    noise = picture.numbers(_NOISE)
    exposure = picture.numbers(_BASELINE_EXPOSURE)
    return DngTags(
        black=None if rescaled else _black(picture),
        black_rows=() if rescaled else _finite(picture, _BLACK_V),
        black_columns=() if rescaled else _finite(picture, _BLACK_H),
        active=next(iter(_rectangles(picture, _ACTIVE)), None),
        crop=_crop(picture),
        masked=_rectangles(picture, _MASKED),
        neutral=picture.numbers(_NEUTRAL),
        baseline_exposure=exposure[0] if exposure and abs(exposure[0]) < 20 else 0.0,
        noise=_noise(picture, noise),
        lens_shading=_lens_shading(picture, applied),
    )


def _finite(picture: Picture, code: int) -> tuple[float, ...]:
    numbers = picture.numbers(code)
    return numbers if all(map(math.isfinite, numbers)) else ()


def _black(picture: Picture) -> tuple[tuple[tuple[float, ...], ...], ...]:
    levels = _finite(picture, _BLACK) or (0.0,)
    planes = max(picture.integer(_SAMPLES, 1), 1)
    repeat = _finite(picture, _BLACK_REPEAT)
    rows, columns = (int(repeat[0]), int(repeat[1])) if len(repeat) == 2 else (1, 1)
    if len(levels) == 1 and 1 <= rows * columns * planes <= _MAX_LEVELS:  # some writers give one level for all
        levels *= rows * columns * planes
    if min(rows, columns) < 1 or len(levels) != rows * columns * planes:
        form = f"{rows} x {columns} x {planes}"
        logger.warning("%s: %d black levels are not %s; the first is taken for all", picture.name, len(levels), form)
        rows, columns, levels = 1, 1, levels[:1] * min(planes, _MAX_PLANES)
    return tuple(
        tuple(tuple(levels[(row * columns + column) * planes :][:planes]) for column in range(columns))
        for row in range(rows)
    )


def _rectangles(picture: Picture, code: int) -> tuple[Rectangle, ...]:
    edges = [int(number) for number in _finite(picture, code)]
    quadruples = zip(edges[::4], edges[1::4], edges[2::4], edges[3::4], strict=False)
    return tuple(Rectangle(top, left, bottom - top, right - left) for top, left, bottom, right in quadruples)


def _crop(picture: Picture) -> Rectangle | None:
    origin, size = _finite(picture, _CROP_ORIGIN), _finite(picture, _CROP_SIZE)
    if len(size) != 2:
        return None
    left, top = origin if len(origin) == 2 else (0.0, 0.0)
    return Rectangle(math.ceil(top), math.ceil(left), math.floor(size[1]), math.floor(size[0]))


def _noise(picture: Picture, numbers: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    if all(math.isfinite(s) and math.isfinite(o) and s > 0 for s, o in pairs):
        return pairs
    logger.warning("%s: NoiseProfile %s is not a noise model; it is left out", picture.name, numbers)
    return ()


def _lens_shading(picture: Picture, applied: frozenset[int]) -> tuple[LensShading, ...]:
    found: tuple[LensShading, ...] = ()
    for code, after in ((_OPCODES_2, False), (_OPCODES_3, True)):
        blob = picture.tag(code)
        if isinstance(blob, bytes):
            try:
                found += parse_opcodes(blob, after_demosaic=after, applied=applied)
            except RawError as error:
                logger.warning("%s: %s; its lens shading is left out", picture.name, error)
    return found


def _ratios(flat: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(n / d if d else math.nan for n, d in zip(flat[::2], flat[1::2], strict=True))
