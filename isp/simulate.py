"""From a scene to a raw file of it, and the truth beside it."""

from __future__ import annotations

import os
from pathlib import Path

from isp.atomic import check_target
from isp.capture import Shot, capture
from isp.dng_writer import write_dng
from isp.errors import WriteError, printable
from isp.frame import Frame, Space
from isp.image import write_image
from isp.scenes import open_scene
from isp.sensor import Sensor

FilePath = str | os.PathLike[str]


def simulate_file(
    scene: FilePath,
    target: FilePath,
    sensor: Sensor,
    shot: Shot | None = None,
    *,
    size: tuple[int, int] | None = None,
    truth: FilePath | None = None,
    lossless: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write the DNG that a sensor makes of a scene.

    Parameters
    ----------
    scene : str or path
        A chart's name or a picture; see `isp.scenes.open_scene`.
    target : path
        The DNG.
    sensor, shot : Sensor, Shot
        With what and how; see `isp.capture.capture`.
    size : (int, int), optional
        Height and width of the scene.
    truth : path, optional
        A TIFF for the scene's own linear light, of 32 bits, turned as `shot` says; its exposure is the scene's.
    lossless : bool
        Whether the DNG is compressed.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    ParameterError, RawError, WriteError, StorageError
        One line each.
    """
    _check_names(scene, target, truth, overwrite)
    taken = capture(open_scene(scene, size), sensor, shot)
    write_dng(taken.frame, target, lossless=lossless, overwrite=overwrite)
    if truth is not None:
        light = Frame(taken.scene, Space.LINEAR, taken.frame.meta)
        write_image(light, truth, bit_depth=32, overwrite=overwrite)
    return Path(target)


def _check_names(scene: FilePath, target: FilePath, truth: FilePath | None, overwrite: bool) -> None:
    """Refuse before the work starts what could not be written or should not be."""
    targets = {target: (".dng",)} if truth is None else {target: (".dng",), truth: (".tif", ".tiff")}
    for path, suffixes in targets.items():
        check_target(path, overwrite=overwrite)
        if os.path.splitext(os.fspath(path))[1].lower() not in suffixes:
            raise WriteError(f"{printable(path)}: give a name that ends in {' or '.join(suffixes)}")
        if os.path.exists(path) and os.path.exists(scene) and os.path.samefile(scene, path):
            raise WriteError(f"{printable(path)}: is the scene itself; give another name")
