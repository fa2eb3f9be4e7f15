"""The only compiler flags of the project, and where compiled code is kept.

A kernel is compiled at its first call, so importing `isp` does not import numba. Serial `nogil` code run on bands of
rows by plain threads (see `threads`) needs none of numba's threading layers. `fastmath` stays off: with it the result
would depend on how a loop was vectorised, and the staged and the fused schedule could differ.

numba's on-disk cache does not notice an edit in *another* file, so a cached loop would keep calling the old arithmetic
of a function it uses. The cache folder is therefore named by a hash of all sources.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_lock = threading.Lock()


class Kernel:
    """A function that numba compiles at its first call, and that other kernels may call.

    `_numba_type_` is numba's own hook for foreign objects: a kernel that meets this one among its globals sees the
    dispatcher, so compiled functions call each other as if they had been compiled at import.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    @functools.cached_property
    def _dispatcher(self) -> Any:
        import numba
        from numba.core import config as numba_config

        config: Any = numba_config  # its attributes are made at run time

        with _lock:  # the setting is global to the process: lend it ours for this one function only
            theirs = config.CACHE_DIR
            config.CACHE_DIR = str(cache_folder())
            try:
                return numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy")(self.function)
            finally:
                config.CACHE_DIR = theirs

    @property
    def _numba_type_(self) -> Any:
        return self._dispatcher._numba_type_

    def __call__(self, *arguments: Any) -> Any:
        """Run the compiled function."""
        return self._dispatcher(*arguments)


def kernel(function: Callable[..., Any]) -> Kernel:
    """Compile a function of scalars and arrays to machine code at its first call (decorator)."""
    return Kernel(function)


@functools.cache
def cache_folder() -> Path:
    """Return the folder of compiled code: the user's cache, or a private temporary one where that cannot be written."""
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("isp", appauthor=False)) / f"kernels-{source_hash()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        private = Path(tempfile.mkdtemp(prefix="isp-kernels-"))  # mode 700: the cache is executable code
        logger.warning("compiled code cannot be cached in %s (%s); using %s", folder, error.strerror, private)
        return private


def source_hash() -> str:
    """Return a short hash of every source file of the library and of numba's version."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(os.fsencode(path.relative_to(root)) + b"\0" + path.read_bytes())
    numba = importlib.util.find_spec("numba")
    digest.update(os.fsencode(numba.origin or "") if numba else b"")
    return digest.hexdigest()[:16]
