"""The control groups of Linux that this process belongs to: what a container may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def groups(controller: str, root: Path = ROOT, membership: Path = MEMBERSHIP) -> Iterator[Path]:
    """Yield the folders of the groups of this process in which a controller may set limits, and of those above them.

    Parameters
    ----------
    controller : str
        "cpu" or "memory".
    root : Path
        Where Linux shows control groups.
    membership : Path
        The file that says to which this process belongs, as ``number:controllers:path`` per line. Nothing is yielded
        where there is none.
    """
    try:
        lines = membership.read_text("utf-8", "replace").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and (not controllers or controller in controllers.split(",")):
            mount = root / controller if controllers else root  # version 2 has one tree and names no controllers
            group = mount / path.strip("/")
            yield from (place for place in (group, *group.parents) if place.is_relative_to(mount))
