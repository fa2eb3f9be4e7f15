"""What a figure depends on: the machine, Python, the packages."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from isp.threads import processors, thread_count

PACKAGES = (
    "isp", "numpy", "numba", "rawpy", "imagecodecs", "tifffile", "pillow", "imageio", "simplejpeg",
    "opencv-python-headless", "opencv-python", "colour-demosaicing", "scipy",
)  # fmt: skip


def facts() -> dict[str, Any]:
    """Return processor, cores, memory, load, system, Python, versions of packages, and the time."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable cores": processors(),
        "threads": thread_count(),
        "memory GiB": _memory(),
        "load": load(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := installed(name))},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def installed(package: str) -> str | None:
    """Return the version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def load() -> float | None:
    """Return how many processes wanted a processor in the last minute; others than ours disturb what is measured."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _processor() -> str:
    """Return the name of the processor; Linux alone keeps it where Python does not look."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def describe(known: dict[str, Any]) -> str:
    """Return the facts as one paragraph."""
    packages = ", ".join(f"{name} {version}" for name, version in known["packages"].items())
    return (
        f"{known['processor']}, {known['usable cores']} of {known['cores']} cores, {known['threads']} threads, "
        f"{known['memory GiB']} GiB, {known['system']}, Python {known['python']}; {packages}; {known['date']}, "
        f"load average {known['load']}"
    )
