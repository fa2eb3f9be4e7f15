"""What every denoiser is spared: tiles, threads, the phase of the pattern, borders, strength, clipped sites, checks."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.cfa import CFA, bayer_layout
from isp.denoisers.slot import Denoiser, check_declaration
from isp.errors import DenoiserError
from isp.noise import NoiseModel
from isp.threads import over_items, thread_count

Image = NDArray[np.float32]

_TILE = 512  # pixels; a large halo makes larger ones, or most of the work would be done twice
_HALOS = 16
_SHARES = 2  # tiles for each thread, at least, so that none waits long for the others


class Span(NamedTuple):
    """A tile along one axis: what it is made of, what of it is kept, and where that belongs."""

    source: NDArray[np.intp]
    kept: slice
    target: slice


class LocalNoise(NamedTuple):
    """The noise of an image whose values were multiplied by a field of gains, (H, W) or (H, W, 3).

    A denoiser gets it as a model whose `shot` and `read` are fields of its tile.
    """

    model: NoiseModel
    gain: Image

    def of_tile(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NoiseModel:
        """Return the model of a tile that is made of these rows and columns."""
        gain = _gathered(self.gain, rows, columns)
        fields: Any = (gain,) * 3 if gain.ndim == 2 else tuple(np.moveaxis(gain, 2, 0))
        shot: Any = tuple(np.float32(level) * field for level, field in zip(self.model.shot, fields, strict=True))
        read: Any = tuple(np.float32(level) * field**2 for level, field in zip(self.model.read, fields, strict=True))
        return NoiseModel(shot, read, self.model.estimated)


def denoised(
    image: Image,
    denoiser: Denoiser,
    noise: NoiseModel | LocalNoise,
    *,
    corner: tuple[int, int] = (0, 0),
    saturation: float | Image = 1.0,
    strength: float = 1.0,
    tile: int | tuple[int, int] | None = None,
    title: str | None = None,
) -> Image:
    """Return an image through a denoiser, tile by tile, in several threads.

    At the borders the image is mirrored about its outermost samples, which keeps the phase of the pattern. Neither the
    number of threads nor the tiles change the result of a denoiser that keeps its contract.

    Parameters
    ----------
    image : ndarray of float32, (H, W) or (H, W, 3)
        A Bayer mosaic or the demosaiced image, as the denoiser's domain says.
    denoiser : Denoiser
        What it goes through.
    noise : NoiseModel or LocalNoise
        Of this image.
    corner : (int, int), default (0, 0)
        Row and column of the RGGB cell at which a mosaic begins: see `rggb_corner`.
    saturation : float or ndarray, default 1
        The level from which on a value comes out as it went in.
    strength : float, default 1
        0..1: 0 is the image, 1 the denoiser's result, linear between.
    tile : int or (int, int), optional
        About the side of a tile in pixels without its halo, or its height and width. By default what suits the
        denoiser, smaller where threads would be idle.
    title : str, optional
        The denoiser's name for messages.

    Raises
    ------
    DenoiserError
        If the denoiser raises, or returns what is not a new, finite float32 array of its tile's shape.
    """
    title = title or type(denoiser).__name__
    check_declaration(denoiser, title)
    if image.ndim != (2 if denoiser.domain == "mosaic" else 3):
        raise DenoiserError(f"{title} works on a {denoiser.domain} image, not on an array of shape {image.shape}")
    step = math.lcm(denoiser.multiple, 2) if denoiser.domain == "mosaic" else denoiser.multiple
    halo = _up_to_multiple(denoiser.halo, step)
    wanted = tile or getattr(denoiser, "tile", None) or max(_TILE, _HALOS * halo)
    lengths = (wanted, wanted) if isinstance(wanted, int) else wanted
    if tile is None:
        whole = tuple(size + first for size, first in zip(image.shape[:2], corner, strict=True))
        lengths = _for_threads(lengths, whole, max(_TILE, _HALOS // 2 * halo))
    along = zip(image.shape[:2], corner, lengths, strict=True)
    rows, columns = (_spans(size, first, length, halo, step) for size, first, length in along)
    levels = np.broadcast_to(np.asarray(saturation, np.float32), image.shape)
    out = np.empty_like(image)

    def work(spans: tuple[Span, Span]) -> None:
        down, across = spans
        source = _gathered(image, down.source, across.source)
        model = noise.of_tile(down.source, across.source) if isinstance(noise, LocalNoise) else noise
        kept = checked(denoiser, source, model, title)[down.kept, across.kept]
        place = down.target, across.target
        before, after = image[place], out[place]
        after[:] = kept if strength == 1 else before + np.float32(strength) * (kept - before)
        np.copyto(after, before, where=before >= levels[place])

    over_items(work, itertools.product(rows, columns))
    return out


def rggb_corner(cfa: CFA) -> tuple[int, int] | None:
    """Return the row and column of an RGGB cell at which a mosaic of this pattern begins; None if it has no such cells.

    A monochrome sensor's image is the mosaic of a grey scene, wherever it begins.
    """
    if len({colour for row in cfa for colour in row}) == 1:
        return 0, 0
    layout = bayer_layout(cfa)
    if not layout.size:
        return None
    red = int(np.argmax(layout[:, 0] == 0))
    return red, int(layout[red, 1])


def _spans(size: int, first: int, tile: int, halo: int, step: int) -> list[Span]:
    """Cut `size` samples, the first of which is number `first`, into tiles of one length on multiples of `step`."""
    count = -(-(size + first) // tile)
    length = _up_to_multiple(-(-(size + first) // count), step)
    spans = []
    for start in range(0, size + first, length):
        target = slice(max(start - first, 0), min(start - first + length, size))
        offset = halo + first - start  # from a sample to its place in the tile
        kept = slice(target.start + offset, target.stop + offset)
        spans.append(Span(_mirrored(start - first - halo, start - first + length + halo, size), kept, target))
    return spans


def _for_threads(lengths: tuple[int, int], size: tuple[int, ...], least: int) -> tuple[int, int]:
    """Return the height and width of tiles, cut in two until each thread has some or their longer side is too short."""
    height, width = map(min, lengths, size)
    threads = thread_count()
    enough = _SHARES * threads if threads > 1 else 1
    while -(-size[0] // height) * -(-size[1] // width) < enough and max(height, width) >= least:
        height, width = (-(-height // 2), width) if height >= width else (height, -(-width // 2))
    return height, width


def _up_to_multiple(value: int, step: int) -> int:
    return -(-value // step) * step


def _mirrored(start: int, stop: int, size: int) -> NDArray[np.intp]:
    """Return which of `size` samples stand at start..stop: before the first its neighbours in reverse, and so on."""
    period = max(2 * (size - 1), 1)
    at = np.arange(start, stop) % period
    return np.asarray(np.minimum(at, period - at))


def _gathered(image: Image, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Image:
    """Return a read-only tile of its own."""
    first, last = int(columns.min()), int(columns.max()) + 1
    source = np.take(image[rows, first:last], columns - first, axis=1)
    source.flags.writeable = False
    return source


def checked(denoiser: Denoiser, source: Image, noise: NoiseModel, title: str) -> Image:
    """Return what a denoiser makes of a tile.

    Raises
    ------
    DenoiserError
        If it raises, or returns what is not a new, finite float32 array of the tile's shape.
    """
    try:
        result: Any = denoiser(source, noise)
    except (DenoiserError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DenoiserError(f"{title} failed: {type(error).__name__}{f': {reason}' if reason else ''}") from error
    wanted = f"a new float32 array of shape {source.shape}"
    if not isinstance(result, np.ndarray):
        raise DenoiserError(f"{title} returned a {type(result).__name__}, not {wanted}")
    if result.shape != source.shape or result.dtype != np.float32:
        raise DenoiserError(f"{title} returned a {result.dtype} array of shape {result.shape}, not {wanted}")
    if np.may_share_memory(result, source):
        raise DenoiserError(f"{title} returned the array that it was given, not {wanted}")
    if not np.isfinite(result).all() and np.isfinite(source).all():
        raise DenoiserError(f"{title} returned values that are not finite")
    return result
