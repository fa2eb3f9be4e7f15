"""The trained network: the weights in the package, whose hash is known, or a file of the user's own."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isp.atomic import atomic_file
from isp.denoisers.cnn.network import Layer, from_shapes
from isp.errors import DenoiserError, printable

Array = NDArray[np.float32]

SHIPPED = Path(__file__).with_name("cnn.npz")
SHA256 = "67c5f771d6e912a3a3061ec78da949949539b639222deb447e5c6e2994f4239a"

_UNREADABLE = (  # what NumPy and zipfile raise where a file is something else, or damaged
    ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, RuntimeError, MemoryError, OverflowError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Trained(NamedTuple):
    """A network with its weights.

    Attributes
    ----------
    network : tuple of Layer
        Its layers.
    arrays : dict of str to ndarray
        Their weights and biases.
    scale : np.float32
        By what the stabilised mosaic is multiplied before, and the noise divided after it.
    card : str
        What is known about it.
    """

    network: tuple[Layer, ...]
    arrays: dict[str, Array]
    scale: np.float32
    card: str


def load(path: Path | None = None) -> Trained:
    """Return the weights of a file, by default those in the package.

    A file is an ``.npz`` of float16 or float32 arrays: ``scale``, and ``NAME.weight`` and ``NAME.bias`` of every layer.
    A text beside it whose name ends in ``.md`` is its card.

    Raises
    ------
    DenoiserError
        If the file cannot be read, or holds no weights of this network, or those in the package are not those that
        this release was made with.
    """
    path, shipped = path or SHIPPED, path is None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DenoiserError(f"{printable(path)}: cannot be read: {error.strerror or error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if shipped and digest != SHA256:
        raise DenoiserError(f"{printable(path)} is damaged: its SHA-256 is {digest}, not {SHA256}; install isp again")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: _single(name, file[name]) for name in file.files}
        scale = _scale(arrays)
        network = from_shapes({name: array.shape for name, array in arrays.items()})
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise DenoiserError(f"{printable(path)} holds no weights of the denoiser 'cnn': {reason}") from error
    told = path.with_suffix(".md")
    text = (
        told.read_text("utf-8", "replace") if told.is_file() else f"Weights that nothing is told of, SHA-256 {digest}."
    )
    return Trained(network, arrays, scale, text)


def _single(name: str, array: NDArray[Any]) -> Array:
    """Return what a file holds in float32; raise ValueError unless it can be calculated with."""
    if array.dtype not in (np.float16, np.float32) or not np.isfinite(array).all():
        raise ValueError(f"{name} is not of finite float16 or float32")
    return array.astype(np.float32)


def _scale(arrays: dict[str, Array]) -> np.float32:
    """Take the scale out of what a file holds; raise ValueError unless it is one positive number."""
    scale = arrays.pop("scale", np.zeros(1, np.float32))
    if scale.ndim or scale <= 0:
        raise ValueError("scale, one positive number, is missing")
    return np.float32(scale)


def save(path: str | os.PathLike[str], arrays: dict[str, Array], scale: float) -> None:
    """Write a file that `load` reads, in float16; the same arrays make the same bytes.

    Half the size of float32, for an error of the weights far below what bfloat16 makes in training. The first layer's
    stay in float32: its kernels sum to 0, so that the network does not see the level.
    """
    ordered: dict[str, Any] = {
        name: np.ascontiguousarray(arrays[name], np.float32 if name == "inp.weight" else np.float16)
        for name in sorted(arrays)
    }
    with atomic_file(path, overwrite=True) as file:
        np.savez(file, allow_pickle=False, scale=np.float32(scale), **ordered)
