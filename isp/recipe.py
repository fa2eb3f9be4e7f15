"""From the words of a command line to a pipeline."""

from __future__ import annotations

import dataclasses
import tomllib
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from isp.errors import IspError, ParameterError, PipelineError, printable
from isp.pipeline import Pipeline, default_pipeline, frozen, stage_class
from isp.stages import STAGES, Demosaic, Denoise, Exposure, Gamma, Tone, Vignetting, WhiteBalance

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
        pipeline = load_recipe(recipe).substitute(mine)
    for setting in settings:
        pipeline = change(pipeline, setting)
    return pipeline


def load_recipe(path: Path) -> Pipeline:
    """Read a recipe file and check the type of every value in it; errors name the file."""
    try:
        pipeline = Pipeline.load(path)
        names = {kind: name for name, kind in STAGES.items()}
        for stage in pipeline.stages:
            name = names[type(stage)]
            check_types(name, {field.name: getattr(stage, field.name) for field in dataclasses.fields(STAGES[name])})
    except ParameterError as error:
        raise PipelineError(f"{printable(path)}: {error}") from error
    except IspError:
        raise
    except ValueError as error:  # a value that made a stage stumble before it could say what is wrong
        raise PipelineError(f"{printable(path)}: a value has the wrong type: {error}") from error
    return pipeline


def change(pipeline: Pipeline, setting: str) -> Pipeline:
    """Return the pipeline with one ``stage.parameter=value`` changed."""
    name, dot, rest = setting.partition(".")
    parameter, equals, text = rest.partition("=")
    if not (dot and equals):
        raise ParameterError(f"--set {setting!r} is not understood; give STAGE.PARAMETER=VALUE, as tone.contrast=1.2")
    value = toml_value(text)
    check_types(name, {parameter: value})
    return pipeline.replace(name, **{parameter: value})


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


def check_types(name: str, values: Mapping[str, Any]) -> None:
    """Raise `ParameterError` if a value cannot be that parameter of the stage called `name`; unknown ones pass."""
    hints = get_type_hints(stage_class(name))
    for parameter, value in values.items():
        hint = hints.get(parameter, Any)
        if not fits(value, hint):
            raise ParameterError(f"{name}: {parameter} = {value!r} is not allowed; give {wording(hint)}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of TOML has the type of a parameter; a whole number is a float, a truth value no number.

    Examples
    --------
    >>> fits((1, 2.5), tuple[float, float]), fits(True, float), fits("no", bool)
    (True, False, False)
    """
    if hint is Any:
        return value is None or isinstance(value, str)  # a path; arrays are for Python
    if get_origin(hint) in (Union, types.UnionType):
        return any(fits(value, choice) for choice in get_args(hint))
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = get_args(hint)
        kinds = kinds[:1] * len(value) if kinds[-1] is ... else kinds
        return len(kinds) == len(value) and all(map(fits, value, kinds))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint


def wording(hint: Any) -> str:
    """Name the type of a parameter for a message.

    Examples
    --------
    >>> wording(float | None), wording(tuple[int, int]), wording(tuple[float, ...])
    ('a number', 'a list of 2 whole numbers', 'a list of numbers')
    """
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "text", Any: "a path"}
    if get_origin(hint) in (Union, types.UnionType):
        return wording(next(choice for choice in get_args(hint) if choice is not types.NoneType))
    if get_origin(hint) is not tuple:
        return words[hint]
    kinds = get_args(hint)
    count = "" if kinds[-1] is ... else f"{len(kinds)} "
    each = wording(kinds[0]).removeprefix("a ")
    return f"a list of {count}{each.replace('list', 'lists', 1) if each.startswith('list') else each + 's'}"
