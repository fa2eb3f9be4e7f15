"""What a picture depends on besides its raw file, by hashes and versions that a receipt can hold."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from isp.convert import Settings
from isp.errors import ParameterError, printable
from isp.pipeline import Pipeline
from isp.source import LIBRAW
from isp.stages import Denoise

PIXELS = 3
"""The version of what the stages compute: to be raised whenever any picture changes by one bit; a test knows."""

_ENCODERS = {"jpeg": "imagecodecs", "png": "imagecodecs", "tiff": "tifffile", "webp": "pillow"}
FILES = ("flat", "weights")
"""Parameters of stages that name a file, whose content decides."""


class Wanted(NamedTuple):
    """How pictures are to be made.

    Attributes
    ----------
    recipe : str
        Hash of the stages, of the files that they name, and of the part of the sensor to show.
    output : str
        Hash of format, depth, quality, metadata.
    versions : dict of str
        Of all that computes: "pixels" (`PIXELS`), "libraw", the encoder's package, a denoiser.
    """

    recipe: str
    output: str
    versions: dict[str, str]


def wanted(settings: Settings, file_format: str) -> Wanted:
    """Return how pictures are to be made.

    Raises
    ------
    ParameterError
        If a file that the recipe names cannot be read.
    PipelineError
        If a parameter is an array, or a stage is none of ours: of that no receipt could tell.
    """
    pipeline = settings.pipeline
    reading = repr((settings.crop, settings.headerless))
    output = settings.output._replace(overwrite=False, file_format=file_format)
    versions = {"pixels": str(PIXELS), "libraw": LIBRAW, **_denoisers(pipeline)}
    package = _ENCODERS[file_format]
    versions[package] = version(package)
    return Wanted(_hash(pipeline.to_toml(), *contents(pipeline), reading), _hash(repr(output)), versions)


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode("utf-8", "surrogateescape")).digest())
    return digest.hexdigest()[:32]


def contents(pipeline: Pipeline) -> list[str]:
    """Return the hashes of the files that stages name.

    Raises
    ------
    ParameterError
        If one cannot be read.
    """
    hashes = []
    for stage in pipeline.stages:
        for field in dataclasses.fields(stage):  # type: ignore[arg-type]
            value = getattr(stage, field.name)
            if field.name in FILES and isinstance(value, str | os.PathLike):
                hashes.append(_content(Path(value)))
    return hashes


def _content(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ParameterError(f"{printable(path)}: cannot be read: {error.strerror}; check the recipe") from error


def _denoisers(pipeline: Pipeline) -> dict[str, str]:
    """Return the versions of denoisers that are not a part of the pixels' own: weights, and other packages."""
    from isp.denoisers.cnn.trained import SHA256
    from isp.denoisers.registry import find

    versions = {}
    for stage in pipeline.stages:
        if isinstance(stage, Denoise) and isinstance(stage.method, str) and stage.method != "none":
            origin = find(stage.method).origin
            versions[stage.method] = origin if origin != "built in" else SHA256 if stage.method == "cnn" else "built in"
    return versions
