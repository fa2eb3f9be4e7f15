"""Make `srgb.icc` and `linear.icc`: ``python -m isp.icc.make``. The same bytes on every machine and day.

ICC version 2.4 (ICC.1:2001-04), which every viewer reads: three primaries, one curve, Rec. 709 primaries with D65 white
(ITU-R BT.709) adapted to D50 by Bradford's matrix. No profile ID: version 2 has none.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
D65 = (0.3127, 0.3290)
D50 = np.array([0.9642, 1.0, 0.8249])  # as the ICC rounds it
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
COPYRIGHT = "Public domain / CC0"
CURVE_POINTS = 1024


def srgb_to_linear(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decode sRGB (IEC 61966-2-1): 0..1 to linear light 0..1."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def primaries() -> NDArray[np.float64]:
    """Return XYZ (D50) of linear red, green and blue in the columns of a 3x3 matrix."""
    corners = np.array([_xyz(*xy) for xy in PRIMARIES]).T
    white = _xyz(*D65)
    to_d65 = corners * np.linalg.solve(corners, white)
    scale = np.diag((BRADFORD @ D50) / (BRADFORD @ white))
    return np.asarray(np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ to_d65)


def rounded(matrix: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to the file's 1/65536; the largest of a row takes the rest, so that white stays neutral to the last bit."""
    steps = np.rint(matrix * 65536)
    rows = np.arange(len(steps))
    steps[rows, steps.argmax(axis=1)] += np.rint(sums * 65536) - steps.sum(axis=1)
    return steps / 65536


def profile(description: str, curve: bytes) -> bytes:
    """Return a display profile with Rec. 709 primaries and `curve` (a "curv" element) for all three channels."""
    red, green, blue = (_element_xyz(column) for column in rounded(primaries(), D50).T)
    return _profile(
        {
            b"desc": _element_description(description),
            b"cprt": b"text" + bytes(4) + COPYRIGHT.encode() + b"\0",
            b"wtpt": _element_xyz(D50),
            b"rXYZ": red,
            b"gXYZ": green,
            b"bXYZ": blue,
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        }
    )


def srgb() -> bytes:
    """Return the sRGB profile, its curve in 1024 points of 16 bits."""
    points = np.rint(srgb_to_linear(np.linspace(0, 1, CURVE_POINTS)) * 65535).astype(">u2")
    return profile("isp sRGB", b"curv" + bytes(4) + struct.pack(">L", CURVE_POINTS) + points.tobytes())


def linear() -> bytes:
    """Return the profile of linear light; a curve of no points is the identity."""
    return profile("isp linear sRGB", b"curv" + bytes(8))


def main() -> None:
    """Write both files beside this one."""
    folder = Path(__file__).parent
    (folder / "srgb.icc").write_bytes(srgb())
    (folder / "linear.icc").write_bytes(linear())


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _fixed(values: NDArray[np.float64]) -> bytes:
    return struct.pack(">3l", *(round(value * 65536) for value in values.tolist()))


def _element_xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _element_description(text: str) -> bytes:
    """Version 2 keeps the text three times: ASCII, then Unicode and Macintosh, both left empty."""
    data = text.encode("ascii") + b"\0"
    return b"desc" + bytes(4) + struct.pack(">L", len(data)) + data + bytes(4 + 4 + 2 + 1 + 67)


def _profile(tags: dict[bytes, bytes]) -> bytes:
    """Header, table and elements; equal elements are stored once."""
    start = 128 + 4 + 12 * len(tags)
    table, elements, places = struct.pack(">L", len(tags)), b"", dict[bytes, int]()
    for signature, element in tags.items():
        if element not in places:
            places[element] = start + len(elements)
            elements += element + bytes(-len(element) % 4)
        table += signature + struct.pack(">2L", places[element], len(element))
    return _header(start + len(elements)) + table + elements


def _header(size: int) -> bytes:
    made = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head = struct.pack(">L4xL", size, 0x02400000) + b"mntrRGB XYZ " + made + b"acsp"
    return head.ljust(68, b"\0") + _fixed(D50) + bytes(48)  # no platform, no maker, perceptual intent, no ID


if __name__ == "__main__":
    main()
