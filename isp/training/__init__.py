"""Training of the small network behind ``--denoise cnn``; needs torch, which the extra ``isp[train]`` brings."""

from __future__ import annotations

from importlib.util import find_spec

from isp.errors import MissingPackageError, TrainingError


def require_torch(device: str = "cpu", threads: int | None = None) -> None:
    """Set torch up, or say in one line what is missing.

    Raises
    ------
    MissingPackageError
        If torch is not installed.
    TrainingError
        If it knows no such device.
    """
    if find_spec("torch") is None:
        raise MissingPackageError('training needs torch, which is not installed; pip install "isp[train]"')
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch has both, for a bad name and for a device that is not there
        reason = " ".join(str(error).split())[:100]
        raise TrainingError(f"--device {device} cannot be used: {reason}; give cpu, or cuda with a GPU") from error
    if threads is not None:
        torch.set_num_threads(threads)


__all__ = ["require_torch"]
