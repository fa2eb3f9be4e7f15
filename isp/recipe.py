"""From knobs and the words of a command line to a pipeline."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from isp.errors import ParameterError
from isp.frame import Space
from isp.parameters import frozen
from isp.pipeline import Pipeline
from isp.stages import BlackLevel, Color, Demosaic, Denoise, Exposure, Gamma, Tone, Vignetting, WhiteBalance

KNOB_STAGES: dict[str, type[Any]] = {
    "white_balance": WhiteBalance, "demosaic": Demosaic, "denoise": Denoise, "vignetting": Vignetting,
    "exposure": Exposure, "auto_bright": Exposure, "tone": Tone, "gamma": Gamma,
}  # fmt: skip


def default_pipeline(
    *,
    white_balance: str | WhiteBalance = "as_shot",
    demosaic: str | Demosaic = "bilinear",
    denoise: str | Denoise = "none",
    vignetting: str | Vignetting | Iterable[str | Vignetting] = "file",
    exposure: float | Exposure = 0.0,
    auto_bright: bool = False,
    tone: str | Tone = "camera",
    gamma: str | Gamma = "srgb",
) -> Pipeline:
    """Build the chain from RAW to DISPLAY out of a handful of knobs, each the command line's text or a stage.

    Parameters
    ----------
    white_balance : str or WhiteBalance
        ``as_shot``, ``gray_world``, ``R,G,B``, ``5200K``, ``box:X,Y,W,H``, ..; see `WhiteBalance`.
    demosaic : str or Demosaic
        ``bilinear`` or ``half``.
    denoise : str or Denoise
        ``none``, ``median:3``, ``mean:5``, ``median:3:mosaic``, or what else ``isp denoisers`` lists, as ``cnn`` or
        ``cnn:0.7``, 0.7 being its strength; on the mosaic it comes right after the black level.
    vignetting : str, Vignetting or several
        ``file``, ``none``, ``radial:0.3,0.1``, ``natural:angle=30``, ``flat:FILE``; several multiply.
    exposure : float or Exposure
        Stops.
    auto_bright : bool
        LibRaw's 1 % rule.
    tone : str or Tone
        ``camera`` or ``none``.
    gamma : str or Gamma
        ``srgb``, ``bt709``, ``linear``, ``2.2`` or ``2.222,4.5``.

    Returns
    -------
    Pipeline
        Nine stages, one more for each further vignetting.

    Raises
    ------
    ParameterError
        If a knob is out of range or not understood.

    Examples
    --------
    >>> import isp
    >>> [type(stage).__name__ for stage in isp.default_pipeline(tone="none").stages][:4]
    ['BlackLevel', 'Vignetting', 'WhiteBalance', 'Demosaic']
    """
    shading = (vignetting,) if isinstance(vignetting, str | Vignetting) else vignetting
    if not isinstance(shading, Iterable):
        raise ParameterError(f"vignetting = {vignetting!r} is not allowed; give text, a Vignetting or several")
    noise: Denoise = _stage("denoise", denoise, Denoise, Denoise.parse)
    on_mosaic = noise.reads is Space.MOSAIC
    if not isinstance(exposure, Exposure):
        exposure = Exposure(exposure, auto_bright=auto_bright)
    elif auto_bright:
        exposure = dataclasses.replace(exposure, auto_bright=True)
    return Pipeline(
        (
            BlackLevel(),
            *((noise,) if on_mosaic else ()),
            *(_stage("vignetting", part, Vignetting, Vignetting.parse) for part in shading),
            _stage("white_balance", white_balance, WhiteBalance, WhiteBalance.parse),
            _stage("demosaic", demosaic, Demosaic, Demosaic),
            *(() if on_mosaic else (noise,)),
            Color(),
            exposure,
            _stage("tone", tone, Tone, Tone),
            _stage("gamma", gamma, Gamma, Gamma.parse),
        )
    )


def _stage(knob: str, value: Any, kind: type[Any], parse: Callable[[str], Any]) -> Any:
    """Return a knob's stage, from text or as given."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise ParameterError(f"{knob} = {value!r} is not allowed; give text or a {kind.__name__}")
    return parse(value)


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
    changes: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, parameter, value = parse_setting(setting)
        changes.setdefault(name, {})[parameter] = value
    for name, values in changes.items():  # a stage's at once: method and what the method needs come in any order
        pipeline = pipeline.replace(name, **values)
    return pipeline


def parse_setting(setting: str) -> tuple[str, str, Any]:
    """Return stage, parameter and value of ``stage.parameter=value``."""
    name, dot, rest = setting.partition(".")
    parameter, equals, text = rest.partition("=")
    if not (dot and equals):
        raise ParameterError(f"--set {setting!r} is not understood; give STAGE.PARAMETER=VALUE, as tone.contrast=1.2")
    return name, parameter, toml_value(text)


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
