"""Pixels into a picture file, strip by strip; a library is imported by the format that needs it."""

from isp.encoders.extras import Extras
from isp.encoders.jpeg import encode_jpeg
from isp.encoders.png import encode_png
from isp.encoders.tiff import COMPRESSIONS, encode_tiff
from isp.encoders.webp import encode_webp

__all__ = ["COMPRESSIONS", "Extras", "encode_jpeg", "encode_png", "encode_tiff", "encode_webp"]
