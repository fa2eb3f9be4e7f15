"""What goes into a picture file beside the pixels."""

from __future__ import annotations

from typing import NamedTuple

from isp.frame import Meta


class Extras(NamedTuple):
    """`meta` for the tags of a file, an ICC profile, and how a format compresses."""

    meta: Meta | None = None
    profile: bytes | None = None
    quality: int = 92
    subsampling: str = "4:2:0"
    tiff_compression: str = "none"
