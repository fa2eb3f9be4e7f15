"""A camera raw image signal processor: from what the sensor measured to a picture, stage by stage."""

from isp.convert import convert_file, develop
from isp.errors import (
    ChildError,
    DamagedError,
    IspError,
    ParameterError,
    PipelineError,
    RawError,
    StageError,
    StorageError,
    WriteError,
)  # fmt: skip
from isp.frame import Frame, Meta, Space
from isp.headerless import read_headerless
from isp.image import write_image
from isp.pipeline import Pipeline, Stage
from isp.raw import read_raw
from isp.recipe import default_pipeline
from isp.stages import (
    STAGES,
    BlackLevel,
    Color,
    Demosaic,
    Denoise,
    Exposure,
    Gamma,
    Tone,
    Vignetting,
    WhiteBalance,
)  # fmt: skip

__version__ = "0.1.0"

__all__ = [
    "STAGES", "BlackLevel", "ChildError", "Color", "DamagedError", "Demosaic", "Denoise", "Exposure", "Frame", "Gamma",
    "IspError", "Meta", "ParameterError", "Pipeline", "PipelineError", "RawError", "Space", "Stage", "StageError",
    "StorageError", "Tone", "Vignetting", "WhiteBalance", "WriteError", "convert_file", "default_pipeline", "develop",
    "read_headerless", "read_raw", "write_image",
]  # fmt: skip
