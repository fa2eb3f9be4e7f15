"""The picture's story: camera, exposure, time, author and place, with nonsense left out.

EXIF comes from exifread; where it finds none (CRW, RAF, ORF..), from the thumbnail, for which LibRaw writes EXIF of
what it has read itself; what then is still missing, from LibRaw directly.
"""

from __future__ import annotations

import io
import logging
import math
import re
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

import rawpy

from isp.frame import Gps

logger = logging.getLogger(__name__)

Exif = dict[str, Any]
_FIRST_YEAR = 1985  # no digital camera is older; 1970 and 1980 are clocks that were never set
_TIME = re.compile(r"(\d{4}):( ?\d\d?):( ?\d\d?)\s+(\d\d?):( ?\d\d?):( ?\d\d?)", re.ASCII)
_ISO_OVERFLOW = 65535  # EXIF's 16 bits when the speed is higher


class Story(NamedTuple):
    """The fields of `Meta` with the same names."""

    make: str | None = None
    model: str | None = None
    lens: str | None = None
    iso: float | None = None
    shutter: float | None = None
    aperture: float | None = None
    focal_length: float | None = None
    time: str | None = None
    artist: str | None = None
    copyright: str | None = None
    gps: Gps | None = None

    @property
    def camera(self) -> str:
        """Make and model for a message, or nothing."""
        make, model = self.make or "", self.model or ""
        return model if make.split(" ")[0] in model.split(" ") else f"{make} {model}".strip()


def read_exif(stream: BinaryIO, name: str) -> Exif:
    """Return exifread's tags by their names; none if it knows nothing or the directory is damaged."""
    stream.seek(0)
    if not stream.read(8).startswith((b"II*\0", b"MM\0*", b"FUJIFILM", b"\xff\xd8")):
        return {}
    import exifread

    try:
        return dict(exifread.process_file(stream, details=False))
    except Exception as error:  # exifread checks little: damaged bytes raise anything. Pixels do not depend on it.
        logger.warning(
            "%s: EXIF is damaged (%s: %s); camera and exposure may be missing", name, type(error).__name__, error
        )
        return {}


def read_story(exif: Exif) -> Story:
    """Return what EXIF says."""
    return Story(
        make=_text(exif, "Image Make"),
        model=_text(exif, "Image Model"),
        lens=_text(exif, "EXIF LensModel"),
        iso=_iso(_number(exif, "EXIF ISOSpeedRatings", "Image ISOSpeedRatings")),
        shutter=_number(exif, "EXIF ExposureTime", "Image ExposureTime"),
        aperture=_number(exif, "EXIF FNumber", "Image FNumber"),
        focal_length=_number(exif, "EXIF FocalLength", "Image FocalLength"),
        time=_time(exif),
        artist=_text(exif, "Image Artist", "EXIF CameraOwnerName"),
        copyright=_text(exif, "Image Copyright"),
        gps=_gps(exif),
    )


def ask_thumbnail(story: Story, raw: rawpy.RawPy, name: str) -> Story:
    """Fill what EXIF did not say, if it said nothing, from the thumbnail.

    Parameters
    ----------
    story : Story
        From the file's EXIF.
    raw : rawpy.RawPy
        The opened file, not unpacked yet: rawpy then lets go of the content, where the thumbnail is.
    name : str
        The file, for messages.
    """
    if story.make is not None:
        return story
    return _merge(story, read_story(read_exif(io.BytesIO(_thumbnail(raw)), name)))


def ask_libraw(story: Story, raw: rawpy.RawPy) -> Story:
    """Fill what is still missing from LibRaw's own reading of the file, once it is unpacked."""
    other, lens = raw.other, raw.lens
    shutter, aperture = _positive(other.shutter_speed), _positive(other.aperture)
    if shutter == aperture == 1.0:  # what LibRaw makes of 0/0
        shutter = aperture = None
    stamp = other.timestamp
    usable = story.make is None and stamp and stamp.year >= _FIRST_YEAR  # with EXIF it is EXIF's, nonsense made valid
    libraw = Story(
        lens=_clean(lens.model),
        iso=_positive(other.iso_speed),
        shutter=shutter,
        aperture=aperture,
        focal_length=_positive(other.focal_length),
        time=stamp.strftime("%Y:%m:%d %H:%M:%S") if usable else None,
        artist=_clean(other.artist),
    )
    return _merge(story, libraw)


def _merge(first: Story, second: Story) -> Story:
    return second._replace(**{field: value for field, value in first._asdict().items() if value is not None})


def _thumbnail(raw: rawpy.RawPy) -> bytes:
    try:
        thumbnail = raw.extract_thumb()
    except (rawpy.LibRawError, rawpy.NotSupportedError):
        return b""
    return bytes(thumbnail.data) if thumbnail.format == rawpy.ThumbFormat.JPEG else b""


def _text(exif: Exif, *names: str) -> str | None:
    found = (_clean(str(exif[name].values)) for name in names if name in exif)
    return next((text for text in found if text), None)


def _clean(text: str | bytes | None) -> str | None:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    kept = "".join(c for c in text or "" if c.isprintable()).strip()
    return kept or None


def _positive(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) and value > 0 else None


def _numbers(exif: Exif, name: str) -> tuple[float, ...]:
    """Return the finite numbers of an entry; nothing if one of them is not (0/0)."""
    values = exif[name].values if name in exif else ()
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def _number(exif: Exif, *names: str) -> float | None:
    found = (_positive(next(iter(_numbers(exif, name)), None)) for name in names)
    return next((number for number in found if number is not None), None)


def _iso(value: float | None) -> float | None:
    return value if value != _ISO_OVERFLOW else None


def _time(exif: Exif) -> str | None:
    for name in ("EXIF DateTimeOriginal", "Image DateTimeOriginal", "EXIF DateTimeDigitized", "Image DateTime"):
        text = _text(exif, name)
        if text and (found := _TIME.fullmatch(text)) and _was(*map(int, found.groups())):
            return text
    return None


def _was(year: int, *rest: int) -> bool:
    """Whether there was such a day and time since there are digital cameras."""
    try:
        return datetime(year, *rest).year >= _FIRST_YEAR  # type: ignore[arg-type]  # five integers
    except ValueError:
        return False


def _gps(exif: Exif) -> Gps | None:
    latitude = _degrees(exif, "GPS GPSLatitude", 90)
    longitude = _degrees(exif, "GPS GPSLongitude", 180)
    if latitude is None or longitude is None:
        return None
    altitude = next(iter(_numbers(exif, "GPS GPSAltitude")), None)
    if altitude is not None and _numbers(exif, "GPS GPSAltitudeRef") == (1.0,):  # below the sea
        altitude = -altitude
    return Gps(latitude, longitude, altitude, _gps_time(exif))


def _degrees(exif: Exif, name: str, limit: float) -> float | None:
    parts = _numbers(exif, name)
    reference = _text(exif, name + "Ref")
    if len(parts) != 3 or reference not in ("N", "S", "E", "W"):
        return None
    degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
    if not 0 <= degrees <= limit:
        return None
    return -degrees if reference in ("S", "W") else degrees


def _gps_time(exif: Exif) -> str | None:
    date, clock = _text(exif, "GPS GPSDate", "GPS GPSDateStamp"), _numbers(exif, "GPS GPSTimeStamp")
    if date is None or len(clock) != 3:
        return None
    return f"{date} {int(clock[0]):02}:{int(clock[1]):02}:{int(clock[2]):02}"
