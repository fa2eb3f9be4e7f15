"""Reads the mosaic of a plain DNG past LibRaw: at the speed of memory, or of all processors where it is compressed.

Plain are 16-bit integers without compression and lossless JPEG, in tiles or one strip, without a linearization table.
LibRaw stays the reader of everything that such a file says, and of all other files. The pixels are equal to its own,
but for two shapes of JPEG tiles that LibRaw 0.22 garbles: wider than the picture, or half as wide with two components.
"""

from __future__ import annotations

import io
import itertools
import os
import struct
import threading
from typing import NamedTuple

import numpy as np
import rawpy
from numpy.typing import NDArray

from isp import lossless_jpeg
from isp.source import Source
from isp.threads import over_rows
from isp.tiff import Picture, claimed_size

_UNCOMPRESSED, _LOSSLESS_JPEG = 1, 7
_INTEGERS = 1
_SHORT = 3  # the type of a tag
_FIRST_VERSION = (1.0, 1.0)  # LibRaw reads differences of 16 bits in a DNG 1.0 in another way
_LARGEST_GAP = 16  # bytes between tiles; no directory fits in

# Tags by their number, named as in the TIFF and DNG specifications.
_BITS, _COMPRESSION, _FILL_ORDER, _SAMPLES, _SAMPLE_FORMAT = 258, 259, 266, 277, 339
_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES = 273, 279, 322, 323, 324, 325
_DNG_VERSION, _LINEARIZATION = 50706, 50712


class Layout(NamedTuple):
    """Where the pixels of a plain DNG lie in its file: tiles from left to right, then down, or strips."""

    height: int
    width: int
    compressed: bool
    byte_order: str
    tile: tuple[int, int]
    blobs: tuple[tuple[int, int], ...]  # offset and count of bytes
    compression_at: int  # where the file says how it is compressed

    @property
    def start(self) -> int:
        """Where the first tile begins."""
        return min(offset for offset, _ in self.blobs)

    @property
    def end(self) -> int:
        """Where the last tile ends."""
        return max(offset + count for offset, count in self.blobs)


def find_layout(picture: Picture) -> Layout | None:
    """Return the layout of a plain DNG's mosaic; None for any other picture."""
    own = Picture(picture.name, picture.page, picture.page)
    compression = own.integer(_COMPRESSION, 0)
    plain = (
        picture.is_dng
        and picture.sole
        and picture.numbers(_DNG_VERSION)[:2] >= _FIRST_VERSION
        and compression in (_UNCOMPRESSED, _LOSSLESS_JPEG)
        and own.page.tags[_COMPRESSION].dtype == _SHORT
        and own.integer(_SAMPLES, 1) == own.integer(_FILL_ORDER, 1) == 1
        and own.integer(_SAMPLE_FORMAT, _INTEGERS) == _INTEGERS
        and not picture.numbers(_LINEARIZATION)
    )
    if not plain:
        return None
    width, height = claimed_size(picture)
    tiled = bool(own.numbers(_TILES))
    offsets, counts = own.finite(_TILES if tiled else _STRIPS), own.finite(_TILE_BYTES if tiled else _STRIP_BYTES)
    layout = Layout(
        height,
        width,
        compression == _LOSSLESS_JPEG,
        own.page.parent.byteorder,
        (own.integer(_TILE_LENGTH, 0), own.integer(_TILE_WIDTH, 0)) if tiled else (height, width),
        tuple((int(offset), int(count)) for offset, count in zip(offsets, counts, strict=False)),
        own.page.tags[_COMPRESSION].valueoffset,
    )
    return layout if len(offsets) == len(counts) and _is_whole(layout, own.integer(_BITS, 0), tiled) else None


def _is_whole(layout: Layout, bits: int, tiled: bool) -> bool:
    """Whether the blobs make up the picture and lie together, with nothing between them."""
    blobs = sorted(layout.blobs)
    if min(layout.height, layout.width, *layout.tile) < 1 or min(map(min, blobs), default=0) < 1:
        return False
    gaps = [after[0] - sum(before) for before, after in itertools.pairwise(blobs)]
    if layout.start <= layout.compression_at < layout.end or not all(0 <= gap <= _LARGEST_GAP for gap in gaps):
        return False
    if layout.compressed:
        return len(blobs) == -(-layout.height // layout.tile[0]) * -(-layout.width // layout.tile[1])
    in_one_piece = not tiled and tuple(blobs) == layout.blobs and not any(gaps)
    return bits == 16 and in_one_piece and layout.end - layout.start >= 2 * layout.height * layout.width


def open_without_pixels(raw: rawpy.RawPy, file: Source, layout: Layout) -> None:
    """Open the file with nothing where its tiles are, from which LibRaw tells in no time what the rest says.

    LibRaw stops at the first tile that is no JPEG; so a file without compression is made to claim JPEG.
    """
    head, tail = np.empty(layout.start, np.uint8), np.empty(file.size - layout.end, np.uint8)
    file.fill(head, 0)
    file.fill(tail, layout.end)
    part, start = (head, 0) if layout.compression_at < layout.start else (tail, layout.end)
    struct.pack_into(layout.byte_order + "H", part.data, layout.compression_at - start, _LOSSLESS_JPEG)
    if not len(tail):
        raw.open_buffer(io.BytesIO(head.data))
    elif hasattr(os, "memfd_create"):
        with open(os.memfd_create("without pixels"), "w+b") as copy:  # in memory, but for its hole
            copy.write(head.data)
            copy.seek(layout.end)
            copy.write(tail.data)
            copy.flush()
            raw.open_file(f"/proc/self/fd/{copy.fileno()}")
    else:
        raw.open_buffer(io.BytesIO(b"".join((head.data, bytes(layout.end - layout.start), tail.data))))


def read_mosaic(file: Source, layout: Layout) -> NDArray[np.uint16] | None:
    """Return the mosaic, all that the file stores; None if LibRaw must say what is wrong with it."""
    mosaic = np.empty((layout.height, layout.width), np.uint16)
    if layout.compressed:
        return mosaic if _decode(file, layout, mosaic) else None
    file.fill(mosaic, layout.start)
    if not np.dtype(layout.byte_order + "u2").isnative:
        mosaic.byteswap(inplace=True)
    return mosaic


def _decode(file: Source, layout: Layout, mosaic: NDArray[np.uint16]) -> bool:
    """Decode the tiles, each thread those of some rows; False if one of them is for LibRaw."""
    tile_height, tile_width = layout.tile
    corners = itertools.product(range(0, layout.height, tile_height), range(0, layout.width, tile_width))
    tiles = list(zip(corners, layout.blobs, strict=True))
    turn, refused = threading.Lock(), threading.Event()

    def decode_rows(first: int, last: int) -> None:
        for (top, left), blob in tiles:
            if refused.is_set():
                return
            if first <= top < last:
                with turn:
                    data = file.part(*blob)
                samples = lossless_jpeg.decode(data, tile_height, tile_width)
                if samples is None:
                    refused.set()
                    return
                part = mosaic[top : top + tile_height, left : left + tile_width]
                part[:] = samples[: part.shape[0], : part.shape[1]]

    over_rows(decode_rows, layout.height)
    return not refused.is_set()
