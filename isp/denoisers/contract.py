"""The contract of the slot as a kit for those who write a denoiser: what the host relies on, tried out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.denoisers.host import LocalNoise, checked, denoised
from isp.denoisers.slot import Denoiser, check_declaration
from isp.errors import DenoiserError
from isp.noise import NoiseModel

Image = NDArray[np.float32]

_TOLERANCE = 2.0**-18  # a quarter of a step of 16 bits: nothing that a picture could show
_BIAS = 0.003
_LEVELS = (0.01, 0.05, 0.2, 0.5)
_TINTS = (0.6, 1.0, 0.8)  # of red, green and blue, so that a wrong phase shows
_QUIET = NoiseModel((1e-4, 0.8e-4, 1.2e-4), (1e-7, 1e-7, 2e-7))
_LOUD = NoiseModel((1.6e-3, 1.2e-3, 2e-3), (1e-5, 0.8e-5, 1.5e-5))
_ODD_ONES = (
    NoiseModel((0.0, 0.0, 0.0), (1e-6, 1e-6, 1e-6)),
    NoiseModel((1e-4, 1e-4, 1e-4), (0.0, 0.0, 0.0)),
    NoiseModel((1e-9, 1e-9, 1e-9), (1e-12, 1e-12, 1e-12)),
    NoiseModel((0.1, 0.1, 0.1), (0.01, 0.01, 0.01)),
)


class Report(NamedTuple):
    """What was tried and what came of it; true if nothing is wrong, and its text a line for each.

    Attributes
    ----------
    title : str
        The denoiser.
    findings : tuple of (str, str)
        What a denoiser has to do, and what this one did instead: empty if nothing else.
    """

    title: str
    findings: tuple[tuple[str, str], ...]

    def __bool__(self) -> bool:
        return not any(wrong for _, wrong in self.findings)

    def __str__(self) -> str:
        lines = (
            f"  {'wrong' if wrong else 'ok':6}{what}{f': {wrong}' if wrong else ''}" for what, wrong in self.findings
        )
        return "\n".join((self.title, *lines))


def check(denoiser: Denoiser) -> Report:
    """Try out whether a denoiser keeps the contract of the slot.

    Parameters
    ----------
    denoiser : Denoiser
        Any object of the protocol.

    Returns
    -------
    Report
        A finding for every clause of the contract; ``assert report, report`` is a whole test.

    Examples
    --------
    >>> from isp import denoisers
    >>> bool(denoisers.check(denoisers.load("median")))
    True
    """
    title = type(denoiser).__name__
    try:
        check_declaration(denoiser, title)
    except DenoiserError as error:
        return Report(title, (("declares domain, halo and multiple", str(error)),))
    clauses = {
        what: clause for what, clause in _CLAUSES.items() if clause is not _phases or denoiser.domain == "mosaic"
    }
    return Report(title, tuple((what, _finding(clause, denoiser)) for what, clause in clauses.items()))


def _finding(clause: Callable[[Denoiser], Iterator[str]], denoiser: Denoiser) -> str:
    """Return the first thing that is wrong."""
    try:
        return next(clause(denoiser), "")
    except DenoiserError as error:
        return str(error)


def _form(denoiser: Denoiser) -> Iterator[str]:
    for noise in (_QUIET, _LOUD):
        _called(denoiser, _noisy(denoiser, _scene(denoiser, *_tile(denoiser)), noise), noise)
    return iter(())


def _purity(denoiser: Denoiser) -> Iterator[str]:
    image = _noisy(denoiser, _scene(denoiser, *_tile(denoiser)), _LOUD)
    before = image.copy()
    image.flags.writeable = True
    _called(denoiser, image, _LOUD)
    if not np.array_equal(image, before):
        yield "the array that it was given has changed"


def _determinism(denoiser: Denoiser) -> Iterator[str]:
    image = _noisy(denoiser, _scene(denoiser, *_tile(denoiser)), _LOUD)
    if not np.array_equal(_called(denoiser, image, _LOUD), _called(denoiser, image, _LOUD)):
        yield "two calls with one image differ"


def _threads(denoiser: Denoiser) -> Iterator[str]:
    scene = _scene(denoiser, *_tile(denoiser))
    images = [_noisy(denoiser, scene, noise, seed) for seed in range(4) for noise in (_QUIET, _LOUD)]
    alone = [_called(denoiser, image, _LOUD) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: _called(denoiser, image, _LOUD), images))
    if not all(map(np.array_equal, alone, together)):
        yield "calls from several threads at once differ from calls one after the other"


def _locality(denoiser: Denoiser) -> Iterator[str]:
    step, halo = _step(denoiser), denoiser.halo
    margin = _multiple(halo, step) + _multiple(16, step)
    block, side = slice(margin, margin + _multiple(16, step)), 2 * margin + _multiple(16, step)
    context = slice(block.start - halo, block.stop + halo)
    image = _noisy(denoiser, _scene(denoiser, side, side), _LOUD)
    other = _noisy(denoiser, 1 - _scene(denoiser, side, side), _LOUD, seed=1).copy()
    other[context, context] = image[context, context]
    far = _difference(*(_called(denoiser, each, _LOUD)[block, block] for each in (image, other)))
    if far > _TOLERANCE:
        yield f"a result changes by {far:.2g} with what lies farther away than its halo of {halo}"


def _mean(denoiser: Denoiser) -> Iterator[str]:
    halo, side = _multiple(denoiser.halo, _step(denoiser)), _multiple(256, _step(denoiser))
    inner = slice(halo, halo + side)
    for noise in (_QUIET, _LOUD):
        for level in _LEVELS:
            image = _noisy(denoiser, np.full_like(_scene(denoiser, side + 2 * halo, side + 2 * halo), level), noise)
            result = _called(denoiser, image, noise)[inner, inner]
            for colour, name in enumerate(("red", "green", "blue")):
                samples = result[_sites(denoiser, result.shape) == colour].astype(np.float64)
                deviation = (level * noise.shot[colour] + noise.read[colour]) ** 0.5
                bias = float(samples.mean()) / level - 1
                if abs(bias) > _BIAS + 4 * deviation / math.sqrt(samples.size) / level:
                    yield f"{name} at {level:g} comes out {bias:+.2%}"


def _seams(denoiser: Denoiser) -> Iterator[str]:
    step = _step(denoiser)
    side = _multiple(64, step)
    image = _noisy(denoiser, _scene(denoiser, 3 * side + 5, 2 * side + 23), _LOUD)
    whole = denoised(image, denoiser, _LOUD, tile=10 * side)
    for tile in (side // 2, side, 2 * side):
        difference = _difference(whole, denoised(image, denoiser, _LOUD, tile=tile))
        if difference > _TOLERANCE:
            yield f"tiles of {tile} pixels differ by {difference:.2g} from the whole image"


def _phases(denoiser: Denoiser) -> Iterator[str]:
    clean = _scene(denoiser, 129, 131)
    errors = []
    for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = clean[corner[0] :, corner[1] :]
        result = denoised(_noisy(denoiser, clean, _LOUD)[corner[0] :, corner[1] :], denoiser, _LOUD, corner=corner)
        errors.append(float(np.sqrt(np.square(result - part, dtype=np.float64).mean())))
    if max(errors) > 1.1 * min(errors):
        yield f"its error depends on the phase of the pattern: {', '.join(f'{error:.2g}' for error in errors)}"


def _sizes(denoiser: Denoiser) -> Iterator[str]:
    step = _step(denoiser)
    for height, width in ((1, 1), (1, 2), (2, 1), (3, 5), (step, step), (step + 1, 2 * step + 1), (1, 67), (33, 31)):
        denoised(_noisy(denoiser, _scene(denoiser, height, width), _LOUD), denoiser, _LOUD)
    return iter(())


def _extremes(denoiser: Denoiser) -> Iterator[str]:
    scene = _scene(denoiser, *_tile(denoiser))
    if denoiser.domain == "rgb":
        field = np.full(scene.shape[:2], 1.5, np.float32)
        denoised(_noisy(denoiser, scene, _LOUD), denoiser, LocalNoise(_LOUD, field))
    for noise in (*_ODD_ONES, _QUIET):
        for level in (0.0, -0.2, 1.0, 20.0):
            _called(denoiser, np.full_like(scene, level), noise)
        _called(denoiser, _noisy(denoiser, scene, noise), noise)
    return iter(())


_CLAUSES: dict[str, Callable[[Denoiser], Iterator[str]]] = {
    "returns a new, finite float32 array of the shape that it was given": _form,
    "leaves what it was given as it is": _purity,
    "makes the same of the same": _determinism,
    "can be called from several threads": _threads,
    "depends on nothing beyond its halo": _locality,
    "keeps the mean of a flat": _mean,
    "shows no seams between tiles": _seams,
    "works as well on every phase of the pattern": _phases,
    "takes images of any size": _sizes,
    "takes black, negatives, highlights and any noise, of an rgb image also as fields": _extremes,
}


def _called(denoiser: Denoiser, image: Image, noise: NoiseModel) -> Image:
    return checked(denoiser, image, noise, type(denoiser).__name__)


def _difference(one: Image, other: Image) -> float:
    return float(np.abs(one - other).max())


def _step(denoiser: Denoiser) -> int:
    return math.lcm(denoiser.multiple, 2)


def _multiple(value: int, step: int) -> int:
    return -(-value // step) * step


def _tile(denoiser: Denoiser) -> tuple[int, int]:
    """Return the height and width of a tile, which is not square."""
    step = _step(denoiser)
    return _multiple(48, step), _multiple(64, step)


def _sites(denoiser: Denoiser, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the colour of every value: 0 red, 1 green, 2 blue."""
    colours = (
        np.arange(3) if denoiser.domain == "rgb" else np.add.outer(np.arange(shape[0]) % 2, np.arange(shape[1]) % 2)
    )
    return np.broadcast_to(colours, shape)


def _scene(denoiser: Denoiser, height: int, width: int) -> Image:
    """Return a ramp with an edge and stripes across it, in three tints, from black to white."""
    y, x = np.arange(height)[:, None], np.arange(width)
    grey = 0.02 + 0.6 * (x + y) / (height + width) + 0.3 * (x > width // 2) + 0.05 * ((x + 2 * y) // 3 % 2)
    shape = (height, width) if denoiser.domain == "mosaic" else (height, width, 3)
    tints = np.array(_TINTS)[_sites(denoiser, shape)]
    return np.asarray((grey if denoiser.domain == "mosaic" else grey[:, :, None]) * tints, np.float32)


def _noisy(denoiser: Denoiser, clean: Image, noise: NoiseModel, seed: int = 0) -> Image:
    """Return an image with noise of a model, as the host gives it: read-only."""
    sites = _sites(denoiser, clean.shape)
    deviation = np.sqrt(np.maximum(clean, 0) * np.array(noise.shot)[sites] + np.array(noise.read)[sites])
    image = np.asarray(clean + deviation * np.random.default_rng(seed).standard_normal(clean.shape), np.float32)
    image.flags.writeable = False
    return image
