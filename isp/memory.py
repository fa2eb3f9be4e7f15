"""How much memory this process may still take."""

from __future__ import annotations

import math
from pathlib import Path

_LIMITS = ("memory.max", "memory.limit_in_bytes")  # of control groups, version 2 and 1
_USED = ("memory.current", "memory.usage_in_bytes")
_USUAL = 4 << 30  # where nothing tells


def free_memory(
    root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup"),
    system: Path = Path("/proc/meminfo"),
) -> int:  # fmt: skip
    """Return how many bytes are free for this process: the machine's, or less where a control group grants less.

    Parameters
    ----------
    root, membership : Path
        Where Linux shows control groups, and to which this process belongs; see `isp.threads.cpu_limit`.
    system : Path
        Where Linux tells of the machine's memory.
    """
    free = [_available(system)]
    try:
        lines = membership.read_text("utf-8", "replace").splitlines()
    except OSError:  # not Linux
        lines = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and (not controllers or "memory" in controllers.split(",")):
            mount = root / "memory" if controllers else root
            group = mount / path.strip("/")
            free += [_left(place) for place in (group, *group.parents) if place.is_relative_to(mount)]
    least = min(free)
    return _USUAL if math.isinf(least) else max(0, int(least))


def _available(system: Path) -> float:
    try:
        words = dict(line.split(":", 1) for line in system.read_text("ascii").splitlines() if ":" in line)
        return 1024.0 * int(words["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):
        return math.inf


def _left(group: Path) -> float:
    """Return what a control group still grants; infinity if it limits nothing or does not exist."""
    for limit, used in zip(_LIMITS, _USED, strict=True):
        try:
            return float(int((group / limit).read_text("ascii")) - int((group / used).read_text("ascii")))
        except (OSError, ValueError):  # ValueError: "max"
            continue
    return math.inf
