"""Compile every kernel that conversions use, on pictures so small that nothing else takes time."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from isp import code_cache
from isp.encoders import Extras, encode_png
from isp.errors import StorageError
from isp.frame import Frame, Meta, Rectangle, Space
from isp.opcodes import GainMap
from isp.recipe import default_pipeline
from isp.stages.denoise import Denoise

_HEIGHT, _WIDTH = 40, 48
_RGGB = ((0, 1), (1, 2))
_MATRIX = ((0.9, -0.3, -0.1), (-0.7, 1.4, 0.3), (-0.2, 0.3, 0.8))  # plausible for a camera; nothing depends on it

# A kernel is compiled for each combination of stages that become one loop, and for each layout of the arrays at its
# ends: one knob at a time is what people turn, and the pairs at which the picture is cut into two runs of fused stages.
_KNOBS: tuple[dict[str, Any], ...] = (
    {},
    {"denoise": "median:3"},
    {"denoise": "mean:3"},
    {"vignetting": "radial:0.3"},
    {"vignetting": "radial:0.3", "white_balance": "gray_world"},
    {"vignetting": "natural:angle=20"},
    {"vignetting": "natural:angle=20", "white_balance": "gray_world"},
    {"exposure": 1.0},
    {"exposure": 1.0, "denoise": "median:3"},
    {"exposure": 1.0, "denoise": "mean:3"},
    {"white_balance": "gray_world"},
    {"auto_bright": True},
    {"tone": "none"},
    {"tone": "none", "gamma": "linear"},
    {"gamma": "linear"},
)
_OF_MOSAICS: tuple[dict[str, Any], ...] = (
    {"demosaic": "half"},
    {"demosaic": "half", "vignetting": "radial:0.3"},
    {"demosaic": "half", "white_balance": "gray_world"},
    {"denoise": "median:3:mosaic"},
    {"denoise": "mean:3:mosaic"},
    {"denoise": Denoise("cnn", noise=(1e-3, 1e-5))},  # so much that the network has something to do
)


def warm_up() -> Path:
    """Compile what conversions need and keep it on disk.

    Returns
    -------
    Path
        The folder in which the compiled code lies.

    Raises
    ------
    StorageError
        If it cannot be kept anywhere.

    Notes
    -----
    What is compiled already is only loaded. Rare combinations of parameters may still compile a kernel for another
    layout of its arrays, which takes some seconds.
    """
    mosaic, shaded, colours = _frames()
    for frame, settings in ((mosaic, (*_KNOBS, *_OF_MOSAICS)), (shaded, _KNOBS[:1]), (colours, _KNOBS)):
        for knobs in settings:
            pipeline = default_pipeline(**knobs)
            pipeline(frame)
            for bit_depth in (8, 16):
                pipeline.render(frame, bit_depth)
    encode_png(np.zeros((8, 8, 3), np.uint8), Extras(), io.BytesIO())
    folder = code_cache.kept_in()
    if folder is None:
        raise StorageError("compiled code cannot be kept; the warning above says why")
    return folder


def _frames() -> tuple[Frame, Frame, Frame]:
    """Return a small frame for each way into the pipeline: a Bayer mosaic, one with a gain map, three colours."""
    whole = Rectangle(0, 0, _HEIGHT, _WIDTH)
    facts: dict[str, Any] = {
        "cfa": _RGGB, "white": 1023.0, "size": (_HEIGHT, _WIDTH), "active": whole, "crop": whole,
        "white_balance": (2.0, 1.0, 1.5), "xyz_to_camera": _MATRIX, "name": "warm-up",
    }  # fmt: skip
    ramp = np.linspace(1, 900, _HEIGHT * _WIDTH, dtype=np.float32).reshape(_HEIGHT, _WIDTH)
    mosaic = Frame(ramp.astype(np.uint16), Space.RAW, Meta(**facts))
    colours = np.repeat(ramp[:, :, None] / np.float32(1023), 3, axis=2)
    gains = GainMap(
        0, 0, _HEIGHT, _WIDTH, 2, 2, 0, 1, (1.0, 1.0), (0.0, 0.0), (((1.0,), (1.2,)),) * 2, after_demosaic=False
    )
    shaded = mosaic.replace(meta=Meta(**facts, lens_shading=(gains,)))
    return mosaic, shaded, Frame(colours, Space.CAMERA, Meta(**facts, demosaiced=True), gains=(1.0, 1.0, 1.0))
