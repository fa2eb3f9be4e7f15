"""Frames to write, and other people's ways to read what was written."""

import struct

import cv2
import numpy as np

from isp.frame import Frame, Meta, Rectangle, Space

STORY = {"make": "Canon", "model": "EOS", "artist": "Jürgen", "lens": "50mm ½", "shutter": 1 / 60, "iso": 200.0}
FILES = [("a.jpg", 8), ("a.jpeg", 8), ("a.png", 8), ("a.png", 16), ("a.tif", 8), ("a.tiff", 16), ("a.tif", 32)]
LOSSLESS = FILES[2:]


def meta(height, width, **entries):
    whole = Rectangle(0, 0, height, width)
    pattern = ((0, 1), (1, 2))
    return Meta(cfa=pattern, white=1.0, size=(height, width), **{"active": whole, "crop": whole, **entries})


def picture(height=24, width=33, space=Space.DISPLAY, encoding="srgb", **entries):
    pixels = np.random.default_rng(3).uniform(-0.1, 1.1, (height, width, 3)).astype(np.float32)
    return Frame(pixels, space, meta(height, width, **{**STORY, **entries}), encoding=encoding)


def expected(frame, bits):
    """The formula of the format, in plain NumPy."""
    if bits == 32:
        return frame.data
    top = np.float32(2**bits - 1)
    return np.floor(np.clip(frame.data, 0, 1) * top + np.float32(0.5)).astype({8: np.uint8, 16: np.uint16}[bits])


def opencv(path):
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]


def tiff_profile(path):
    """Tag 34675 of the first directory, read by hand: Pillow opens no TIFF of 16 or 32 bits in three colours."""
    data = path.read_bytes()
    at = struct.unpack("<L", data[4:8])[0]
    for entry in struct.iter_unpack("<HHLL", data[at + 2 : at + 2 + 12 * struct.unpack("<H", data[at : at + 2])[0]]):
        if entry[0] == 34675:
            return data[entry[3] : entry[3] + entry[2]]
    return None
