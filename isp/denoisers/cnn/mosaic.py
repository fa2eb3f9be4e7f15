"""Between a mosaic and the four planes that the network works on, stabilised and scaled."""

from __future__ import annotations

import numpy as np

from isp.jit import kernel
from isp.stabilise import expected, stabilised


@kernel
def pack(mosaic, packed, shot, read, scale):  # type: ignore[no-untyped-def]
    """Make planes (height, width, 4) of a mosaic RGGB; `shot` and `read` have an entry for each plane."""
    red_shot, first_shot, second_shot, blue_shot = shot
    red_read, first_read, second_read, blue_read = read
    for y in range(len(packed)):
        above, below, values = mosaic[2 * y], mosaic[2 * y + 1], packed[y].reshape(-1)
        for x in range(packed.shape[1]):  # all planes at once: LLVM then makes vectors of it
            values[4 * x] = scale * stabilised(above[2 * x], red_shot, red_read)
            values[4 * x + 1] = scale * stabilised(above[2 * x + 1], first_shot, first_read)
            values[4 * x + 2] = scale * stabilised(below[2 * x], second_shot, second_read)
            values[4 * x + 3] = scale * stabilised(below[2 * x + 1], blue_shot, blue_read)


@kernel
def unpack(packed, margin, mosaic, shot, read, scale, share, row, result):  # type: ignore[no-untyped-def]
    """Bring a mosaic nearer to what planes without noise say, by a share for each plane, except at its margins.

    The result may lie where the planes do; `row` is for one row of them. The network makes means of what lies around,
    so the inverse is the one for means.
    """
    for y in range(len(packed)):
        for x in range(len(row)):
            for plane in range(4):
                row[x, plane] = packed[y, x, plane]
        for plane in range(4):
            given, made = mosaic[2 * y + plane // 2], result[2 * y + plane // 2]
            for x in range(len(row)):
                at = 2 * x + plane % 2
                clean = expected(row[x, plane] / scale, shot[plane], read[plane])
                inside = margin <= y < len(packed) - margin and margin <= x < len(row) - margin
                made[at] = given[at] + (share[plane] * (clean - given[at]) if inside else np.float32(0))


def of_planes(red: float, green: float, blue: float) -> np.typing.NDArray[np.float32]:
    """Return a value for each plane: the two of green have one."""
    return np.array((red, green, green, blue), np.float32)
