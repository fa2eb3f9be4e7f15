"""What three rows have in every column, kept for a block of columns: each is asked for three times.

Even and odd columns lie apart. Entry p + 1 of row 0 is column 2 (first + p), and of row 1 the column after it; so
beside entry k of the even columns lie k - 1 and k of the odd ones, and beside entry k of those k and k + 1 of the even.
"""

from __future__ import annotations

from isp.jit import kernel

BLOCK = 1024  # pairs of columns: what is kept of them stays in the first-level cache
COLUMNS = (2, BLOCK + 2)  # the shape of what is kept: a pair more on both sides


@kernel
def three_rows(source, source_top, y, height, plane, parity):  # type: ignore[no-untyped-def]
    """Return every second column of a row and its neighbours, the border repeated."""
    above, below = max(y - 1, 0) - source_top, min(y + 1, height - 1) - source_top
    return source[above, plane, parity], source[y - source_top, plane, parity], source[below, plane, parity]


@kernel
def repeat_border(columns, first, last, width):  # type: ignore[no-untyped-def]
    """Continue the image beyond its first and its last column, if they are in a block of pairs first..last."""
    if first == 0:
        columns[1, 0] = columns[0, 1]
    end = last - first
    if 2 * last > width:
        columns[1, end] = columns[0, end]
    elif 2 * last == width:
        columns[0, end + 1] = columns[1, end]
