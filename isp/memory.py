"""How much memory this process may still take."""

from __future__ import annotations

import math
from pathlib import Path

from isp.control_groups import MEMBERSHIP, ROOT, groups

_LIMITS = ("memory.max", "memory.limit_in_bytes")  # of control groups, version 2 and 1
_USED = ("memory.current", "memory.usage_in_bytes")
_USUAL = 4 << 30  # where nothing tells


def free_memory(root: Path = ROOT, membership: Path = MEMBERSHIP, system: Path = Path("/proc/meminfo")) -> int:
    """Return how many bytes are free for this process: the machine's, or less where a control group grants less.

    Parameters
    ----------
    root, membership : Path
        See `isp.control_groups.groups`.
    system : Path
        Where Linux tells of the machine's memory.
    """
    least = min(_available(system), math.inf, *map(_left, groups("memory", root, membership)))
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
