"""Pixels into a JPEG, PNG or TIFF file, strip by strip; a library is imported by the format that needs it."""

from isp.encoders.extras import Extras
from isp.encoders.jpeg import encode_jpeg
from isp.encoders.png import encode_png
from isp.encoders.tiff import COMPRESSIONS, encode_tiff

__all__ = ["COMPRESSIONS", "Extras", "encode_jpeg", "encode_png", "encode_tiff"]
