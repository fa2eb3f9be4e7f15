"""Variance stabilisation: a curve after which noise of `NoiseModel` has the standard deviation 1 at every level.

The generalised Anscombe transform, ``2 / shot · sqrt(shot · x + 3/8 shot² + read)``, moved by a constant so that black
is 0, which keeps it exact for any shot noise down to none, where it is ``x / sqrt(read)``. Below black, where the
argument of the root has fallen to half of what it is at black, the curve goes on as its tangent: the root's argument
turns negative within reach of the noise, and what were clipped there could not be restored. The half was chosen for the
standard deviation, which stays within .9..1.04 down to black where the read noise is an electron or more.

References
----------
Murtagh, Starck, Bijaoui, "Image restoration with noise suppression using a multiresolution support", Astronomy &
Astrophysics Supplement 112, 1995. Mäkitalo, Foi, "Optimal inversion of the generalized Anscombe transformation for
Poisson-Gaussian noise", IEEE Transactions on Image Processing 22, 2013, equation 10.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isp.jit import Kernel, kernel
from isp.threads import over_rows

_HALF, _QUARTER, _THREE_EIGHTHS, _TWO = np.float32(1 / 2), np.float32(1 / 4), np.float32(3 / 8), np.float32(2)
_SMALLEST = np.float32(1e-30)  # of the root's argument: without any noise values are scaled, not divided by 0
_TANGENT = np.float32(2 - 2**0.5)
_FIRST, _SECOND, _THIRD = np.float32(1.5**0.5 / 4), np.float32(-11 / 8), np.float32(1.5**0.5 * 5 / 8)


@kernel
def _at_black(shot, read):  # type: ignore[no-untyped-def]
    return max(_THREE_EIGHTHS * shot * shot + read, _SMALLEST)


@kernel
def stabilised(x, shot, read):  # type: ignore[no-untyped-def]
    """Return a value of the 0..1 scale with noise of standard deviation 1; all float32."""
    black = _at_black(shot, read)
    above = max(x, -_HALF * black / shot)
    root = np.sqrt(black + shot * above)
    return _TWO * above / (root + np.sqrt(black)) + (x - above) / root


@kernel
def restored(t, shot, read):  # type: ignore[no-untyped-def]
    """Undo `stabilised`."""
    root = np.sqrt(_at_black(shot, read))
    above = max(t, -_TANGENT * root / shot)
    return above * (root + _QUARTER * shot * above) + (t - above) * np.sqrt(_HALF) * root


@kernel
def expected(t, shot, read):  # type: ignore[no-untyped-def]
    """Return the mean of the values whose stabilised ones have the mean `t`."""
    root = np.sqrt(_at_black(shot, read))
    above = max(t, -_TANGENT * root / shot)
    u = shot / (shot * above + _TWO * root)
    return restored(t, shot, read) + shot * (_QUARTER + u * (_FIRST + u * (_SECOND + u * _THIRD)))


@kernel
def _stabilise(first, last, source, target, shot, read):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        target[i] = stabilised(source[i], shot, read)


@kernel
def _restore(first, last, source, target, shot, read):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        target[i] = restored(source[i], shot, read)


@kernel
def _expect(first, last, source, target, shot, read):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        target[i] = expected(source[i], shot, read)


def stabilise(values: NDArray[np.float32], shot: float, read: float) -> NDArray[np.float32]:
    """Return values of one colour with noise of standard deviation 1, black at 0.

    Parameters
    ----------
    values : ndarray
        On the scale where 0 is black and 1 white, any shape; negatives are kept.
    shot, read : float
        Their noise: ``variance = shot · x + read``. Either may be 0.

    Examples
    --------
    >>> import numpy as np
    >>> noisy = 1e-3 * np.random.default_rng(1).poisson(180, 10_000)
    >>> round(float(stabilise(noisy, shot=1e-3, read=0).std()), 1)
    1.0
    """
    return _each(_stabilise, values, shot, read)


def unstabilise(
    values: NDArray[np.float32], shot: float, read: float, *, unbiased: bool = False
) -> NDArray[np.float32]:
    """Undo `stabilise`.

    Parameters
    ----------
    values : ndarray
        As `stabilise` returned them, or a mean of such values.
    shot, read : float
        As given to `stabilise`.
    unbiased : bool
        False inverts the curve. True is for means of noisy values, as most denoisers return them: the mean of a curve
        is not the curve of the mean, which costs a quarter of an electron.
    """
    return _each(_expect if unbiased else _restore, values, shot, read)


def _each(rows: Kernel, values: NDArray[np.float32], shot: float, read: float) -> NDArray[np.float32]:
    source = np.ascontiguousarray(values, np.float32)
    target = np.empty(source.shape, np.float32)
    over_rows(rows, source.size, source.reshape(-1), target.reshape(-1), np.float32(shot), np.float32(read))
    return target
