"""From a path or file object to an opened LibRaw, with one clear line for whatever is wrong on the way."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import rawpy
from numpy.typing import NDArray

from isp.errors import DamagedError, ParameterError, RawError, printable
from isp.tiff import is_cut_short

LIBRAW = "LibRaw " + ".".join(map(str, rawpy.libraw_version))
FilePath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

# Formats that say in their first bytes what they are. Everything else is probed, see `_refuse_headerless`.
_SIGNED = (
    b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"II\x1a\0\0\0HEAPCCDR", b"\0MRM", b"FUJIFILM", b"FOVb",
)  # fmt: skip
_DIRECTORY_LAST = b"II\x1a\0\0\0HEAPCCDR"  # CRW
_FOREIGN = {
    b"\xff\xd8\xff": "is a JPEG picture without raw data",
    b"\x89PNG": "is a PNG picture",
    b"GIF8": "is a GIF picture",
    b"%PDF": "is a PDF document",
    b"PK\x03\x04": "is a ZIP archive",
    b"RIFF": "is a RIFF file (WebP, AVI or WAV)",
}
BYTES_PER_PIXEL = 0.04  # no format stores less; good files measured 0.08 to 2
_BYTES_OVER_PIXELS = 16  # nor more: four 32-bit samples


class Source(NamedTuple):
    """A file that is open for reading, not in memory."""

    name: str
    stream: BinaryIO
    size: int

    def part(self, start: int, count: int = -1) -> bytes:
        """Return `count` bytes from `start` on, or all."""
        self.stream.seek(start)
        return self.stream.read(count)

    def fill(self, array: NDArray[Any], start: int) -> None:
        """Read into an array, without a copy of it.

        Raises
        ------
        RawError
            If the file has become shorter since it was opened.
        """
        self.stream.seek(start)
        if self.stream.readinto(array) != array.nbytes:  # type: ignore[attr-defined]
            raise RawError(f"{self.name}: became shorter while it was read; copy it from the card again")


@contextmanager
def reading(source: FilePath | BinaryIO, max_pixels: int) -> Iterator[Source]:
    """Open a path, or take over what a binary file object holds.

    Raises
    ------
    RawError
        If it is missing, not a regular file, unreadable, empty, or larger than `max_pixels` can be.
    """
    path = os.fspath(source) if isinstance(source, str | bytes | os.PathLike) else None
    if path is None and not hasattr(source, "read"):
        raise ParameterError(f"read_raw: {source!r} is neither a path nor a file opened with open(path, 'rb')")
    name = printable(path) if path is not None else _name_of(source)
    try:
        limit = max_pixels * _BYTES_OVER_PIXELS
        stream = _open_path(name, path, limit) if path is not None else _in_memory(name, source)  # type: ignore[arg-type]
    except ValueError as error:  # a NUL in the path, or a closed file object
        raise _unreadable(name, error) from error
    except OSError as error:
        raise _unreadable(name, error) from error
    with stream, taking(stream, name) as file:
        yield file


@contextmanager
def taking(stream: BinaryIO, name: str) -> Iterator[Source]:
    """Take a file that is open already.

    Raises
    ------
    RawError
        If it is empty, or the disk fails while it is read.
    """
    try:
        stream.seek(0)
        if not stream.read(1):
            raise RawError(f"{name}: is empty (0 bytes); copy it from the card again")
        yield Source(name, stream, stream.seek(0, os.SEEK_END))
    except OSError as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: OSError | ValueError) -> RawError:
    if isinstance(error, FileNotFoundError):
        return RawError(f"{name}: does not exist; check the path")
    if isinstance(error, PermissionError):
        return RawError(f"{name}: may not be read (permission denied); change its permissions or owner")
    reason = getattr(error, "strerror", None) or error
    return RawError(f"{name}: cannot be read ({reason}); check the path and the disk or card")


def _name_of(file: object) -> str:
    name = getattr(file, "name", None)
    return printable(name) if isinstance(name, str | bytes) else "<file object>"


def _open_path(name: str, path: str | bytes, limit: int) -> BinaryIO:
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise RawError(f"{name}: is a folder; give the raw files in it")
    if not stat.S_ISREG(status.st_mode):
        raise RawError(f"{name}: is a device or pipe, not a file; give a raw file")
    if status.st_size > limit:
        size = f"{status.st_size:,} bytes"
        raise RawError(f"{name}: has {size}, more than any raw file; raise max_pixels (--max-pixels) if it is one")
    return open(path, "rb")


def _in_memory(name: str, file: BinaryIO) -> BinaryIO:
    content = file.read()
    if not isinstance(content, bytes | bytearray | memoryview):
        raise RawError(f"{name}: is open as text; open it in binary mode, open(path, 'rb')")
    return io.BytesIO(content)


def identify(file: Source, max_pixels: int) -> rawpy.RawPy:
    """Open a raw file with LibRaw, which reads what it says but not yet its pixels.

    LibRaw holds the content from here until it is unpacked, and then the pixels, both without another copy.

    Raises
    ------
    RawError
        For a file without a header, and for a size that cannot be true.
    """
    _refuse_headerless(file)
    raw = rawpy.RawPy()
    file.stream.seek(0)
    raw.open_buffer(file.stream)
    check_claim(file, raw.sizes.raw_width, raw.sizes.raw_height, max_pixels)
    return raw


@contextmanager
def explained(file: Source, camera: str) -> Iterator[None]:
    """Turn everything that LibRaw refuses into `RawError`.

    Parameters
    ----------
    file : Source
        What it reads.
    camera : str
        Make and model, as far as they are known.
    """
    try:
        yield
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise _explain(file, error, camera) from error


def check_claim(file: Source, width: int, height: int, max_pixels: int) -> None:
    """Raise `RawError` for a size that is too large, `DamagedError` for one that the file's bytes cannot hold."""
    pixels = width * height
    if pixels <= 0:
        raise DamagedError(
            f"{file.name}: claims {width} x {height} pixels; the file is damaged, copy it from the card again"
        )
    if file.size < BYTES_PER_PIXEL * pixels:
        raise DamagedError(
            f"{file.name}: claims {width} x {height} pixels in {file.size:,} bytes, which cannot be; "
            "the file is damaged or cut short, copy it from the card again"
        )
    if pixels > max_pixels:
        size = f"{width} x {height} pixels"
        raise RawError(f"{file.name}: has {size}, over the limit of {max_pixels:,}; raise max_pixels (--max-pixels)")


def _refuse_headerless(file: Source) -> None:
    """Raise `RawError` if LibRaw would know the file by nothing but its length.

    LibRaw takes a file without a header for that of a camera whose files have this many bytes, and says nothing.
    One more byte unmasks it.
    """
    head = file.part(0, 4096)
    if head.startswith(_SIGNED) or head[4:11] == b"ftypcrx":
        return
    with rawpy.RawPy() as raw:
        try:
            raw.open_buffer(io.BytesIO(file.part(0) + b"\0"))
        except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
            raise RawError(f"{file.name}: {_unsigned(head)}") from error


def _unsigned(head: bytes) -> str:
    for signature, what in _FOREIGN.items():
        if head.startswith(signature):
            return f"{what}; give the camera's raw file"
    if _is_text(head):
        return "is text, not a raw file; give the camera's raw file"
    return (
        "has no header that LibRaw knows; if it holds nothing but pixels, say how they lie: --headerless "
        "WxH:CFA:DTYPE (768x512:RGGB:uint16), isp.read_headerless, or a sidecar with these keys named as the "
        "file with .toml added"
    )


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a character cut by the 4096
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\t\r\n\f" for c in text)


def _explain(file: Source, error: Exception, camera: str) -> RawError:
    damage = _damage(file, error)
    if damage is not None:
        return DamagedError(f"{file.name}: {damage}; copy it from the card again")
    return RawError(f"{file.name}: {_refusal(error, camera)}")


def _damage(file: Source, error: Exception) -> str | None:
    if isinstance(error, rawpy.LibRawIOError | rawpy.LibRawDataError):
        return f"is cut short or damaged ({LIBRAW}: {_reason(error)})"
    if not isinstance(error, rawpy.LibRawFileUnsupportedError | rawpy.LibRawNotImplementedError):
        return None
    if is_cut_short(file.stream, file.size):
        return "is cut short: its directories point beyond its end"
    if file.part(0, len(_DIRECTORY_LAST)) == _DIRECTORY_LAST:
        return "is cut short or damaged: its directory, at the end, is missing"
    return None


def _refusal(error: Exception, camera: str) -> str:
    if isinstance(error, rawpy.LibRawFileUnsupportedError | rawpy.LibRawNotImplementedError):
        if not camera:
            return f"is of no camera that {LIBRAW} knows, or a finished picture; give the camera's raw file"
        return f"{camera} or its compression is not supported by {LIBRAW}; convert to DNG or upgrade rawpy"
    if isinstance(error, rawpy.NotSupportedError):
        return f"needs what this build of {LIBRAW} lacks ({error}); convert to DNG or upgrade rawpy"
    if isinstance(error, rawpy.LibRawTooBigError | rawpy.LibRawMemPoolOverflowError):
        return f"claims more pixels than {LIBRAW} takes, or is damaged; copy it from the card again"
    if isinstance(error, rawpy.LibRawUnsufficientMemoryError):
        return "does not fit into memory; close other programs or use a larger machine"
    return f"cannot be decoded ({LIBRAW}: {_reason(error)}); copy it from the card again or convert to DNG"


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("ascii", "replace") if isinstance(reason, bytes) else str(reason)
