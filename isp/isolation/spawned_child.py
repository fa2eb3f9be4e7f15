"""The child where nothing can be forked: it loads everything, waits for a request on stdin, and answers on stdout."""

from __future__ import annotations

import faulthandler
import io
import os
import sys

from isp.isolation import child
from isp.isolation.messages import pack, unpack

_PATIENCE = 15.0  # seconds beyond the limit that the caller keeps, if it lives


def main() -> None:
    """Read one file; the pixels follow the answer."""
    child.load()
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what C libraries print is no part of the answer
        try:
            request = unpack(sys.stdin.buffer.read)
        except EOFError:  # it is not needed
            return
        child.settle(request)
        faulthandler.dump_traceback_later(child.longest(request.size) + _PATIENCE, exit=True)
        source = io.BytesIO(sys.stdin.buffer.read()) if request.path is None else request.path
        with source if isinstance(source, io.BytesIO) else open(source, "rb") as stream:
            answer, pixels = child.answer(request, stream)
        out.write(pack(answer))
        if pixels is not None:
            out.write(pixels.data.cast("B"))
