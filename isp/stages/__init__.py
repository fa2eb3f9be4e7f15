"""The stages by name, in the order of the default pipeline."""

from __future__ import annotations

from typing import Any

from isp.stages.black_level import BlackLevel
from isp.stages.color import Color
from isp.stages.demosaic import Demosaic
from isp.stages.denoise import Denoise
from isp.stages.exposure import Exposure
from isp.stages.gamma import Gamma
from isp.stages.tone import Tone
from isp.stages.vignetting import Vignetting
from isp.stages.white_balance import WhiteBalance

STAGES: dict[str, type[Any]] = {
    "black_level": BlackLevel,
    "vignetting": Vignetting,
    "white_balance": WhiteBalance,
    "demosaic": Demosaic,
    "denoise": Denoise,
    "color": Color,
    "exposure": Exposure,
    "tone": Tone,
    "gamma": Gamma,
}

__all__ = [
    "STAGES", "BlackLevel", "Color", "Demosaic", "Denoise", "Exposure", "Gamma", "Tone", "Vignetting", "WhiteBalance",
]  # fmt: skip
