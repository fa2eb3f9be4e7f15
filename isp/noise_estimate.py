"""The noise of a sensor, estimated from one picture of anything.

Every colour's sites are a plane of their own, cut into blocks of 4x4 Haar coefficients. Noise is alike in all bands of
a wavelet, a picture is least of all in the diagonal one: that is measured. The other three bands only tell which blocks
show nothing but noise. They are independent of the diagonal one where there is noise alone, so choosing the smoothest
blocks does not make it look less. A line through their variances over their levels is shot and read noise, less what
goes by how much of white's light a colour sees, which the file's white balance says: grain of film and fine texture.

It holds for white noise: what was smoothed before (lossy coding, noise reduction in the camera, a demosaiced file) has
less in the diagonal band than elsewhere, and is underestimated.

References
----------
Donoho, Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994 (the diagonal band). Foi,
Trimeche, Katkovnik, Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data",
IEEE Transactions on Image Processing 17, 2008 (the line, clipped values). Brooks et al., "Unprocessing images for
learned raw denoising", CVPR 2019 (read noise that goes with shot noise).
"""

from __future__ import annotations

import itertools
import logging
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.cfa import shifted
from isp.errors import StageError
from isp.frame import Frame, Space
from isp.noise import GREY, NoiseModel
from isp.stages.black_level import BlackLevel

logger = logging.getLogger(__name__)

Values = NDArray[np.float32]

_SIDES = 4, 2  # coefficients of a block; small blocks are for pictures without larger smooth patches
_PLENTY, _FEWEST = 100, 24  # smooth blocks that one is content with, blocks that a line needs
_ENOUGH = 1 << 22  # sites to look at; more cost time alone
_SHIFTS = 0, 3, 5, 6, 1, 2, 4, 7  # of the blocks of a small picture, down and across: other pairs for the wavelet
_BINS, _FIRST_SHARE = 16, 0.05
_ROUNDS = 25
_OUTLIER = 4.3  # standard deviations above the expected energy: one block in a thousand
_OWN_SHOT, _OWN_READ = 0.1, 0.3  # how much the colours of a sensor differ
_USUAL_READ = 3.0  # and sensors of the same shot noise in their read noise
_NEXT_LEVELS, _PILE = 16, 16  # what values at a limit are compared with, and how many they are at least
_SAMPLE = 1 << 16
_UNLIKE = 0.07  # how much their variances may differ by chance, of the mean: the norm of what lies along their shares
_LEAST_LEFT = 0.01  # of a variance
_SMALLEST = 1e-12  # variance; a well of 10⁶ electrons with one of read noise


class Blocks(NamedTuple):
    """Energies of blocks as noise variances, (planes, blocks): of the diagonal band, of the three others together."""

    level: Values
    diagonal: Values
    others: Values
    coefficients: int  # of the diagonal band in a block

    def of(self, blocks: NDArray[np.bool_], planes: Any = slice(None)) -> Blocks:
        """Return some blocks of some planes."""
        return self._replace(**{name: getattr(self, name)[planes][:, blocks] for name in self._fields[:3]})


class Line(NamedTuple):
    """variance = shot · level + read."""

    shot: float
    read: float

    def at(self, level: Values | float) -> NDArray[np.float64]:
        """Return the variance at levels."""
        return self.shot * np.maximum(level, 0.0) + self.read


def estimate(frame: Frame) -> NoiseModel:
    """Return the noise model of a RAW frame, a mosaic as `BlackLevel` returns it, or a demosaiced file.

    The two greens of a Bayer cell share theirs, and where the picture says little of a colour the others speak for it.
    Of the variance at mid-grey, what grows from colour to colour with the share of white's light that each sees (1 over
    the file's white balance, if it has one) is film grain or texture, and taken away; noise is alike in all colours.
    Read noise is never less than what rounding to whole DN makes. A picture without a patch to measure gets that alone,
    with a logged warning.

    Raises
    ------
    StageError
        If the frame went through vignetting or white balance already.
    """
    if frame.space is Space.RAW:
        frame = BlackLevel()(frame)
    neutral = frame.gains in (None, (1.0, 1.0, 1.0)) and isinstance(frame.lens_gain, float)
    if not neutral or frame.space is not (Space.CAMERA if frame.meta.demosaiced else Space.MOSAIC):
        raise StageError(
            f"noise: {frame.meta.name}: only the mosaic before vignetting and white balance shows it; give it"
        )
    colours, planes = _planes(frame)
    step = max(map(step_of, planes))
    ends = [limits(plane, step) for plane in planes]
    rounding = step * step / 12
    for side in _SIDES:
        blocks = blocks_of(planes, ends, side)
        if blocks.level.shape[1] < _FEWEST:
            continue
        common, chosen = fit(blocks, rounding)
        if np.count_nonzero(chosen) >= _PLENTY:
            break
    else:
        if blocks.level.shape[1] < _FEWEST:
            logger.warning("%s: nothing to measure noise in; give its shot and read variances", frame.meta.name)
            return NoiseModel((0.0,) * 3, (max(rounding, _SMALLEST),) * 3, estimated=True)
    lines = [common] * 3
    for colour in set(colours) if len(set(colours)) > 1 else ():
        own = blocks.of(chosen, np.array(colours) == colour)
        lines[colour] = _through(own, common.at(own.level), rounding, common)
    shot, read = zip(*_of_the_sensor(lines, frame.meta.white_balance, rounding), strict=True)
    return NoiseModel(shot, read, estimated=True)


def _of_the_sensor(lines: list[Line], white_balance: tuple[float, ...] | None, rounding: float) -> list[Line]:
    """Take away what grows with the share of white's light that a colour sees: that was there before the sensor.

    At equal levels a sensor's noise is alike in all colours, within some percent. Film grain and fine texture are alike
    in front of the colour filters: of half the light a colour has half of their variance at the same level.
    """
    if white_balance is None:
        return lines
    seen = 1 / np.array(white_balance)
    seen /= seen.max()
    off = seen - seen.mean()
    variance = np.array([line.at(GREY) for line in lines])
    spread = max(float(np.linalg.norm(off)), _SMALLEST)
    slope, chance = float(off @ variance) / spread**2, _UNLIKE * float(variance.mean()) / spread
    if slope <= chance:
        return lines
    slope *= 1 - (chance / slope) ** 2  # nothing where it may be chance, nearly all where it is far from that
    left = np.maximum(1 - slope * seen / variance, _LEAST_LEFT)
    return [
        Line(line.shot * part, max(line.read * part, rounding)) for line, part in zip(lines, left.tolist(), strict=True)
    ]


def _planes(frame: Frame) -> tuple[list[int], list[Values]]:
    """Return the colours of the places of the colour pattern, and their sites as planes of one size; no copy."""
    active = frame.meta.active
    data = frame.data[active.slices] if frame.data.shape[:2] == frame.meta.size else frame.data
    if data.ndim == 3:
        return [0, 1, 2], [data[:, :, colour] for colour in range(3)]
    cfa = shifted(frame.meta.cfa, active.top, active.left)
    down, across = len(cfa), len(cfa[0])
    height, width = data.shape[0] // down, data.shape[1] // across
    places = list(np.ndindex(down, across))
    return [cfa[y][x] for y, x in places], [data[y::down, x::across][:height, :width] for y, x in places]


def step_of(plane: Values) -> float:
    """Return the difference between two neighbouring levels: one DN, or more where a file leaves levels out."""
    return float(np.diff(np.unique(_sample(plane))).min(initial=1.0))


def limits(plane: Values, step: float) -> tuple[float, float]:
    """Return the levels at which values pile up because the sensor knows none below or above; infinite if they do not.

    Tails of noise end in ever fewer values, so a limit is an outermost level with many times those of its neighbours.
    """
    values = _sample(plane)
    found = []
    for sign in (-1, 1):
        beyond = sign * values
        top = beyond.max(initial=-np.inf)
        at, near = np.count_nonzero(beyond == top), np.count_nonzero(beyond > top - (_NEXT_LEVELS + 0.5) * step)
        piled = at >= max(_PILE, 1e-4 * values.size) and at > 4 * (near - at) / _NEXT_LEVELS
        found.append(sign * float(top) if piled else sign * math.inf)
    return found[0], min(found[1], 1 - 1 / 512)


def _sample(plane: Values) -> Values:
    every = max(1, math.isqrt(plane.size // _SAMPLE))
    return plane[::every, ::every].ravel()


def blocks_of(planes: list[Values], limits: list[tuple[float, float]], side: int) -> Blocks:
    """Return the energies of blocks, a few of a large picture and overlapping ones of a small, that touch no limit."""
    size, (height, width) = 2 * side, planes[0].shape
    sites = height * width * len(planes)
    every = max(1, sites // _ENOUGH)
    shifts = _SHIFTS[: max(1, min(size, math.isqrt(_ENOUGH // max(sites, 1))))]
    parts = []
    for down, across in itertools.product([shift for shift in shifts if shift < size], repeat=2):
        rows, columns = max(0, height - down) // size, max(0, width - across) // size
        area = slice(down, down + rows * size), slice(across, across + columns * size)
        cells = [plane[area].reshape(rows, size, columns, size)[::every] for plane in planes]
        energies = [_energies(each, *ends) for each, ends in zip(cells, limits, strict=True)]
        level, diagonal, others, inside = map(np.array, zip(*energies, strict=True))
        parts.append([each[:, inside.all(axis=0)] for each in (level, diagonal, others)])
    level, diagonal, others = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
    return Blocks(level, diagonal, others, side * side)


def _energies(cells: Values, lowest: float, highest: float) -> tuple[Values, Values, Values, NDArray[np.bool_]]:
    """Return level and energies of the blocks of a plane, (rows, size, columns, size), and which touch no limit."""
    size = cells.shape[1]
    cells = cells.transpose(0, 2, 1, 3).reshape(-1, size, size)
    inside = (cells.min(axis=(1, 2)) > lowest) & (cells.max(axis=(1, 2)) < highest)
    a, b, c, d = (cells[:, y::2, x::2].reshape(len(cells), size * size // 4) for y, x in np.ndindex(2, 2))
    diagonal = (a - b - c + d) / 2
    across_and_down = ((a - d) ** 2 + (b - c) ** 2) / 2  # the squares of both bands
    smooth = (a + b + c + d) / 2
    level = smooth.mean(axis=1, keepdims=True)
    others = across_and_down.sum(axis=1) + ((smooth - level) ** 2).sum(axis=1)
    return level[:, 0] / 2, (diagonal**2).mean(axis=1), others / (3 * a.shape[1] - 1), inside


def fit(blocks: Blocks, rounding: float) -> tuple[Line, NDArray[np.bool_]]:
    """Return the noise of blocks, all colours together, and which of them it was measured in.

    It is measured where the other bands, of all planes, hold no more than this noise would: found in rounds from below.

    Parameters
    ----------
    blocks : Blocks
        Enough of them.
    rounding : float
        Variance below which read noise cannot be.
    """
    part = blocks.of(_smoothest_of_bins(blocks))
    line = _through(part, part.others, rounding)
    for _ in range(_ROUNDS):
        before = line
        excess = (blocks.others / before.at(blocks.level)).mean(axis=0)
        chosen = excess <= max(1.0, np.partition(excess, _FEWEST - 1)[_FEWEST - 1])
        part = blocks.of(chosen)
        line = _through(part, before.at(part.level), rounding)
        if max(abs(line.shot - before.shot) / (before.shot + _SMALLEST), abs(line.read / before.read - 1)) < 1e-3:
            break
    return line, chosen


def _smoothest_of_bins(blocks: Blocks) -> NDArray[np.bool_]:
    """Return which blocks are the smoothest among those of about their level."""
    level, others = blocks.level.mean(axis=0), blocks.others.mean(axis=0)
    chosen = np.zeros(len(level), np.bool_)
    for members in np.array_split(np.argsort(level), _BINS):
        count = max(2, int(_FIRST_SHARE * len(members)))
        chosen[members[np.argsort(others[members])[:count]]] = True
    return chosen


def _through(blocks: Blocks, expected: NDArray[Any], rounding: float, common: Line | None = None) -> Line:
    """Return the line through blocks by least squares of relative errors, drawn to what is usual for sensors.

    Parameters
    ----------
    blocks : Blocks
        What to draw it through.
    expected : ndarray
        The variance of each, about.
    rounding : float
        Variance below which read noise cannot be.
    common : Line, optional
        Of all colours of the sensor, from which one differs little.
    """
    level = np.maximum(blocks.level, 0).astype(np.float64).ravel()
    expected = np.maximum(expected, max(rounding, _SMALLEST)).astype(np.float64).ravel()
    deviation = expected * math.sqrt(2 / blocks.coefficients)  # of a measured variance
    measured = np.minimum(blocks.diagonal.ravel(), expected + _OUTLIER * deviation)
    weight = 1 / deviation**2
    usual = common or _usual(float(measured.sum() / max(level.sum(), 1e-9)), rounding)
    sure_of_shot = 1 / (_OWN_SHOT * usual.shot + 1e-12) ** 2 if common else 0.0
    sure_of_read = 1 / ((_OWN_READ if common else _USUAL_READ) * usual.read) ** 2
    of_shot = float((weight * level**2).sum()) + sure_of_shot
    of_both = float((weight * level).sum())
    of_read = float(weight.sum()) + sure_of_read
    by_shot = float((weight * level * measured).sum()) + sure_of_shot * usual.shot
    by_read = float((weight * measured).sum()) + sure_of_read * usual.read
    shot = (by_shot * of_read - by_read * of_both) / (of_shot * of_read - of_both**2)
    if shot < 0:
        return Line(0.0, max(by_read / of_read, rounding))
    read = (by_read - shot * of_both) / of_read
    if read < rounding:
        return Line(max((by_shot - rounding * of_both) / of_shot, 0.0), rounding)
    return Line(shot, read)


def _usual(shot: float, rounding: float) -> Line:
    """Return the read noise that sensors of such shot noise have, by Brooks et al."""
    return Line(shot, math.exp(2.18 * math.log(max(shot, _SMALLEST)) + 1.2) + rounding)
