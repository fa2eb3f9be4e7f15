"""Denoisers: the slot that they fill, the host that runs them, those that come along, and the kit that checks any."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from isp.denoisers.slot import Denoiser, RowDenoiser

if TYPE_CHECKING:
    from isp.denoisers.contract import Report, check
    from isp.denoisers.host import denoised
    from isp.denoisers.registry import find, known, load

_PLACES = {"Report": "contract", "check": "contract", "denoised": "host", "find": "registry", "known": "registry",
           "load": "registry"}  # fmt: skip

__all__ = ["Denoiser", "Report", "RowDenoiser", "check", "denoised", "find", "known", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for: a picture without a denoiser needs none of it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
