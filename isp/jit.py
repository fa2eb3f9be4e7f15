"""The only compiler flags of the project, and where compiled code is kept.

A kernel is compiled at its first call, so importing `isp` does not import numba. Serial `nogil` code run on bands of
rows by plain threads (see `threads`) needs none of numba's threading layers. `fastmath` stays off: with it the result
would depend on how a loop was vectorised, and the staged and the fused schedule could differ.

numba's on-disk cache does not notice an edit in *another* file, so a cached loop would keep calling the old arithmetic
of a function it uses. The cache folder is therefore named by a hash of all sources. The cache is a convenience: where
it cannot be written, or what lies in it is damaged, kernels are compiled in memory and a warning says so once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
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
        self.origin: tuple[Any, ...] | None = None  # the function that made it of others, and these
        self._made: Any = None

    @property
    def _dispatcher(self) -> Any:
        if self._made is None:
            with _lock:  # a first call comes from all threads at once, and must not compile once for each
                if self._made is None:
                    self._made = _dispatcher(self.function)
        return self._made

    @property
    def _numba_type_(self) -> Any:
        return self._dispatcher._numba_type_

    def __call__(self, *arguments: Any) -> Any:
        """Run the compiled function."""
        return self._dispatcher(*arguments)

    def __reduce__(self) -> Any:
        """Pickle as a name, or as the combination that it is: numba keeps compiled code by what a kernel is made of."""
        return self.origin or self.function.__qualname__


def kernel(function: Callable[..., Any]) -> Kernel:
    """Compile a function of scalars and arrays to machine code at its first call (decorator)."""
    return Kernel(function)


def combination(make: Callable[..., Kernel]) -> Callable[..., Kernel]:
    """Keep what a function makes of kernels, so that the same kernels always make the same one (decorator)."""

    @functools.cache
    def made(*parts: Any) -> Kernel:
        result = make(*parts)
        result.origin = (made, parts)
        return result

    return functools.update_wrapper(made, make)


def _dispatcher(function: Callable[..., Any]) -> Any:
    """Return numba's compiler of a function, with our cache; the caller holds `_lock`."""
    import numba
    from numba import core

    caching: Any = core.caching
    config: Any = core.config  # its attributes are made at run time
    dispatcher: Any = numba.njit(nogil=True, fastmath=False, error_model="numpy")(function)
    folder = cache_folder()
    if folder is None:
        return dispatcher
    theirs = config.CACHE_DIR
    config.CACHE_DIR = str(folder)  # the setting is global to the process: lend it ours for this one function only
    try:
        cache = caching.FunctionCache(function)
    except RuntimeError:  # numba found no folder at all
        cache = None
    finally:
        config.CACHE_DIR = theirs
    if cache is not None and Path(cache.cache_path).is_relative_to(folder):
        dispatcher._cache = _Forgiving(cache)
    else:  # numba would take __pycache__, where the old arithmetic of an edited file lives on
        _warn_once("kept", f"compiled code cannot be kept in {folder}")
    return dispatcher


class _Forgiving:
    """numba's cache of one function, of which no failure ends the work."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Return what was compiled for a signature, or None; forget what cannot be loaded, so that it is replaced."""
        try:
            return self._cache.load_overload(signature, context)
        except Exception as error:  # a damaged pickle raises anything
            _warn_once(
                "damaged", f"compiled code in {self._cache.cache_path} is damaged ({_why(error)}); compiling it again"
            )
            with contextlib.suppress(OSError):
                self._cache.flush()
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep what was compiled, if that is possible."""
        try:
            self._cache.save_overload(signature, result)
        except Exception as error:  # mostly OSError; also what a damaged index raises that could not be replaced
            _warn_once("kept", f"compiled code cannot be kept in {self._cache.cache_path} ({_why(error)})")


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


_warned: set[str] = set()


def _warn_once(trouble: str, message: str) -> None:
    """Log the first trouble of a kind with the cache; the other thirty kernels have the same."""
    if trouble not in _warned:
        logger.warning("%s", message)
    _warned.add(trouble)


def is_kept() -> bool:
    """Whether all that this process compiled is on disk, for the next one to load."""
    return "kept" not in _warned


@functools.cache
def cache_folder() -> Path | None:
    """Return the folder of compiled code in the user's cache; None, with a warning, where it cannot be written."""
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("isp", appauthor=False)) / f"kernels-{cache_key()}"
    try:
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        _warn_once("kept", f"compiled code cannot be kept in {folder} ({_why(error)}); every run compiles anew")
        return None
    if new:
        logger.info("compiling kernels for this machine, once; some seconds")
    return folder


def cache_key() -> str:
    """Return a short hash of all on which compiled code depends: every source file, numba's version, the processor."""
    import llvmlite.binding  # type: ignore[import-untyped]
    import numba

    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(os.fsencode(path.relative_to(root)) + b"\0" + path.read_bytes())
    digest.update(f"{numba.__version__}\0{llvmlite.binding.get_host_cpu_name()}".encode())
    return digest.hexdigest()[:16]
