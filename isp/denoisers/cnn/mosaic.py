"""Between a mosaic and the four planes that the network works on, stabilised and scaled."""

from __future__ import annotations

import numpy as np

from isp.jit import kernel
from isp.stabilise import expected, stabilised


@kernel
def pack(mosaic, packed, shot, read, scale):  # type: ignore[no-untyped-def]
    """Make planes (height, width, 4) of a mosaic RGGB; `shot` and `read` have an entry for each plane."""
    for y in range(len(packed)):
        for plane in range(4):
            row = mosaic[2 * y + plane // 2]
            for x in range(packed.shape[1]):
                packed[y, x, plane] = scale * stabilised(row[2 * x + plane % 2], shot[plane], read[plane])


@kernel
def unpack(packed, margin, mosaic, shot, read, scale, share):  # type: ignore[no-untyped-def]
    """Bring a mosaic nearer to what planes without noise say, by a share for each plane, except at its margins.

    The network makes means of what lies around, so the inverse is the one for means.
    """
    for y in range(margin, len(packed) - margin):
        for plane in range(4):
            row = mosaic[2 * y + plane // 2]
            for x in range(margin, packed.shape[1] - margin):
                noisy = row[2 * x + plane % 2]
                clean = expected(packed[y, x, plane] / scale, shot[plane], read[plane])
                row[2 * x + plane % 2] = noisy + share[plane] * (clean - noisy)


def of_planes(red: float, green: float, blue: float) -> np.typing.NDArray[np.float32]:
    """Return a value for each plane: the two of green have one."""
    return np.array((red, green, green, blue), np.float32)
