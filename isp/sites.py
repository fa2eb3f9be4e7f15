"""Functions of one site of a mosaic with a parameter that follows a pattern, such as the black level or a gain."""

from __future__ import annotations

from typing import Any

from isp.cfa import Array
from isp.jit import Kernel, combination, kernel
from isp.rows import Point, Points


@kernel
def _columns_of_row(y, parameters):  # type: ignore[no-untyped-def]
    pattern, other = parameters
    return pattern[y % pattern.shape[0]], other


@kernel
def _parities_of_row(y, parameters):  # type: ignore[no-untyped-def]
    pattern, other = parameters
    row = pattern[y % pattern.shape[0]]
    return row[0], row[1], other


@combination
def _by_column(function: Kernel) -> Kernel:
    @kernel
    def point(value, x, row):  # type: ignore[no-untyped-def]
        pattern, other = row
        return function(value, pattern[x], other)

    return point


@combination
def _by_parity(function: Kernel) -> Kernel:
    @kernel
    def point(value, x, row):  # type: ignore[no-untyped-def]
        even, odd, other = row
        return function(value, odd if x & 1 else even, other)

    return point


def of_pattern(function: Kernel, pattern: Array, other: Any) -> Points:
    """Return ``function(value, pattern, other)`` of every site as points.

    Parameters
    ----------
    function : Kernel
        Of a site's value, the pattern's there, and a number that is the same everywhere.
    pattern : ndarray of float32, (period, columns)
        As `cfa.tile_columns` makes it: two columns, which are then two numbers in the compiled loop, or all.
    other : np.float32
        The number.
    """
    if pattern.shape[1] == 2:
        return Points(Point(_by_parity(function), _parities_of_row), (pattern, other))
    return Points(Point(_by_column(function), _columns_of_row), (pattern, other))
