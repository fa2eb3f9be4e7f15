"""The parameters of a stage as a recipe gives them: do they exist, and have they the right type."""

from __future__ import annotations

import dataclasses
import functools
import numbers
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from isp.errors import ParameterError, PipelineError


def check_parameters(name: str, stage: type[Any], values: Mapping[str, Any]) -> None:
    """Check the parameters that a recipe or a setting gives to the stage called `name`.

    Raises
    ------
    PipelineError
        If the stage lacks one of them.
    ParameterError
        If a value has the wrong type; ranges are checked by the stage itself.
    """
    known = [field.name for field in dataclasses.fields(stage)]
    hints = _hints(stage)  # type: ignore[arg-type]
    for parameter, value in values.items():
        if parameter not in known:
            raise PipelineError(f"{name} has no parameter {parameter!r}; known are {', '.join(known)}")
        if not fits(value, hints[parameter]):
            raise ParameterError(f"{name}: {parameter} = {value!r} is not allowed; give {wording(hints[parameter])}")


@functools.cache
def _hints(stage: Any) -> dict[str, Any]:
    return {field.name: get_type_hints(stage)[field.name] for field in dataclasses.fields(stage)}


def settle(stage: Any) -> None:
    """Turn lists into tuples and check the types of a stage's parameters; the first line of a ``__post_init__``.

    Raises
    ------
    ParameterError
        If a value cannot be that parameter, whatever its range.
    """
    for parameter, hint in _hints(type(stage)).items():  # type: ignore[arg-type]
        value = getattr(stage, parameter)
        if hint is Any:
            continue
        if isinstance(value, list | tuple | np.ndarray | np.generic):
            value = frozen(value)
            object.__setattr__(stage, parameter, value)
        if not fits(value, hint):
            name = type(stage).__name__
            raise ParameterError(f"{name}: {parameter} = {value!r} is not allowed; give {wording(hint)}")


def frozen(value: Any) -> Any:
    """Turn lists and arrays into tuples and NumPy's numbers into Python's, as stages hold and TOML takes them."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return tuple(frozen(part) for part in value) if isinstance(value, list | tuple) else value


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of TOML has the type of a parameter; a whole number is a float, a truth value no number.

    Examples
    --------
    >>> fits((1, 2.5), tuple[float, float]), fits(True, float), fits("no", bool)
    (True, False, False)
    """
    if type(value) is hint:  # nearly always: what follows takes its time
        return True
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
        return isinstance(value, numbers.Real) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return isinstance(value, hint)


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
        return words.get(hint) or f"a {hint.__name__}"
    kinds = get_args(hint)
    count = "" if kinds[-1] is ... else f"{len(kinds)} "
    each = wording(kinds[0]).removeprefix("a ")
    return f"a list of {count}{each.replace('list', 'lists', 1) if each.startswith('list') else each + 's'}"
