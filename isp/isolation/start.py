"""Starts one of isp's own processes: with the caller's module search path, and the very `isp` that the caller uses.

Run as ``python start.py MODULE PATH..``. Not ``-m``, which looks for `isp` in the current folder first, and not
`multiprocessing`, which imports the caller's main module again and starts nothing from a daemonic process.
"""

from __future__ import annotations

import importlib.util
import os
import sys


def command(module: str) -> list[str]:
    """Return the command that calls ``main()`` of a module of isp in a process of its own."""
    flags = [flag for flag, given in (("-I", sys.flags.isolated), ("-S", sys.flags.no_site)) if given]
    places = [os.path.abspath(place) for place in sys.path if isinstance(place, str)]
    return [sys.executable, *flags, os.path.abspath(__file__), module, *places]


def environment() -> dict[str, str]:
    """Return the environment of such a process.

    One thread for each library that has threads of its own; and where glibc and the system can, memory in large pages,
    for LibRaw's buffers are new in every child.
    """
    tunables = ":".join(filter(None, (os.environ.get("GLIBC_TUNABLES"), "glibc.malloc.hugetlb=1")))
    return dict(os.environ) | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GLIBC_TUNABLES": tunables}


def _load_isp() -> None:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    spec = importlib.util.spec_from_file_location("isp", os.path.join(package, "__init__.py"))
    assert spec is not None and spec.loader is not None
    sys.modules["isp"] = isp = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(isp)


if __name__ == "__main__":
    sys.path[:] = sys.argv[2:]
    _load_isp()
    importlib.import_module(sys.argv[1]).main()
