"""From the words of a command line to a pipeline."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from isp.errors import ParameterError
from isp.parameters import frozen
from isp.pipeline import Pipeline, default_pipeline
from isp.stages import Demosaic, Denoise, Exposure, Gamma, Tone, Vignetting, WhiteBalance

KNOB_STAGES: dict[str, type[Any]] = {
    "white_balance": WhiteBalance, "demosaic": Demosaic, "denoise": Denoise, "vignetting": Vignetting,
    "exposure": Exposure, "auto_bright": Exposure, "tone": Tone, "gamma": Gamma,
}  # fmt: skip


def build_pipeline(recipe: Path | None, knobs: Mapping[str, Any], settings: Iterable[str] = ()) -> Pipeline:
    """Build the pipeline that a command line means.

    Parameters
    ----------
    recipe : path, optional
        Recipe to start from; the default pipeline otherwise.
    knobs : mapping
        Those of `default_pipeline` that were given; with a recipe each exchanges the recipe's stage of its kind.
    settings : iterable of str
        ``stage.parameter=value``, the value as in TOML (a bare word is text).

    Returns
    -------
    Pipeline
        What runs.

    Raises
    ------
    PipelineError
        If a stage or parameter does not exist, or the result does not fit together.
    ParameterError
        If a value is out of range or not understood.

    Examples
    --------
    >>> from isp.recipe import build_pipeline
    >>> build_pipeline(None, {"tone": "none"}, ["exposure.stops=0.5"]).stages[-3]
    Exposure(stops=0.5, baseline=True, auto_bright=False, clipped=0.01)
    """
    pipeline = default_pipeline(**knobs)
    if recipe is not None:
        wanted = {KNOB_STAGES[name] for name in knobs}
        mine = [stage for stage in pipeline.stages if type(stage) in wanted]
        pipeline = Pipeline.load(recipe).substitute(mine)
    for setting in settings:
        pipeline = change(pipeline, setting)
    return pipeline


def change(pipeline: Pipeline, setting: str) -> Pipeline:
    """Return the pipeline with one ``stage.parameter=value`` changed."""
    name, dot, rest = setting.partition(".")
    parameter, equals, text = rest.partition("=")
    if not (dot and equals):
        raise ParameterError(f"--set {setting!r} is not understood; give STAGE.PARAMETER=VALUE, as tone.contrast=1.2")
    return pipeline.replace(name, **{parameter: toml_value(text)})


def toml_value(text: str) -> Any:
    """Read a TOML value; what is none is text.

    Examples
    --------
    >>> toml_value("[1, 2.5]"), toml_value("true"), toml_value("border")
    ((1, 2.5), True, 'border')
    """
    try:
        document = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return frozen(document["value"]) if len(document) == 1 else text
