"""Colour profiles that are embedded into pictures. The files are made by `isp.icc.make` and never at run time."""

from __future__ import annotations

import functools
from importlib import resources

from isp.errors import require_choice


@functools.cache
def profile(name: str) -> bytes:
    """Return an ICC profile: "srgb" (Rec. 709 primaries, sRGB curve) or "linear" (same primaries, linear light).

    Raises
    ------
    ParameterError
        If `name` is another one.
    """
    require_choice("icc.profile", "name", name, ("srgb", "linear"))
    return resources.files(__name__).joinpath(f"{name}.icc").read_bytes()
