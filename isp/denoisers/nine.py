"""Windows of three by three pixels: something of every column of three, and the result across three columns.

Even and odd columns lie apart. Two neighbours are made at a time, because they share two of their columns.
"""

from __future__ import annotations

from isp.jit import Kernel, combination, kernel
from isp.loops import before
from isp.rows import Window


@combination
def _at(column: Kernel) -> Kernel:
    @kernel
    def of_column(above, here, below, x):  # type: ignore[no-untyped-def]
        return column(above[x % 2, x // 2], here[x % 2, x // 2], below[x % 2, x // 2])

    return of_column


@combination
def _rows(column: Kernel, across: Kernel) -> Kernel:
    of_column = _at(column)

    @kernel
    def rows(first, last, source, source_top, target, target_top, parameters):  # type: ignore[no-untyped-def]
        height, width = parameters
        inner = max((width - 3) // 2, 0)  # pairs that have columns beside them on both sides
        for y in range(first, last):
            for plane in range(source.shape[1]):
                above = source[max(y - 1, 0) - source_top, plane]
                here = source[y - source_top, plane]
                below = source[min(y + 1, height - 1) - source_top, plane]
                out = target[y - target_top, plane]
                even, even_above, even_below = here[0][1:], above[0][1:], below[0][1:]
                odd, odd_above, odd_below = here[1], above[1], below[1]
                out_even, out_odd = out[0][1:], out[1][1:]
                for pair in range(inner):
                    left = column(odd_above[pair], odd[pair], odd_below[pair])
                    first_of_two = column(even_above[pair], even[pair], even_below[pair])
                    second = column(odd_above[pair + 1], odd[pair + 1], odd_below[pair + 1])
                    right = column(even_above[pair + 1], even[pair + 1], even_below[pair + 1])
                    out_even[pair] = across(left, first_of_two, second)
                    out_odd[pair] = across(first_of_two, second, right)
                for step in range(min(width, 2) + max(width - 2 * inner - 2, 0)):
                    x = step if step < 2 else 2 * inner + step
                    left = of_column(above, here, below, max(x - 1, 0))  # the border repeats
                    right = of_column(above, here, below, min(x + 1, width - 1))
                    out[x % 2, x // 2] = across(left, of_column(above, here, below, x), right)

    return rows


def nine(column: Kernel, across: Kernel, height: int, width: int) -> Window:
    """Return the window whose result is ``across`` of ``column`` of three columns; the border is repeated."""
    return Window(before(_rows(column, across), by_parity=True), (height, width), halo=1, by_parity=True)
