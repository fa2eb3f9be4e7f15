"""The small grammar of stage parameters on a command line: ``NAME=VALUE,NAME=VALUE`` and lists of numbers."""

from __future__ import annotations

from typing import Any

from isp.errors import ParameterError


def number(where: str, parameter: str, text: str) -> float:
    """Read one number or say which parameter is not one."""
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"{where}: {parameter} = {text!r} is not a number") from None


def whole_number(where: str, parameter: str, text: str) -> int:
    """Read one whole number or say which parameter is not one."""
    value = number(where, parameter, text)
    if not value.is_integer():
        raise ParameterError(f"{where}: {parameter} = {text!r} is not a whole number")
    return int(value)


def numbers(where: str, parameter: str, text: str, separator: str = ",") -> tuple[float, ...]:
    """Read a list of numbers."""
    return tuple(number(where, parameter, part) for part in text.split(separator))


def options(where: str, text: str, known: dict[str, type]) -> dict[str, Any]:
    """Read ``name=value`` pairs separated by commas; a tuple's numbers are separated by ``x`` or ``/``."""
    found: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or name not in known:
            raise ParameterError(
                f"{where}: {part!r} is not understood; give NAME=VALUE with NAME one of {', '.join(known)}"
            )
        if known[name] is tuple:
            found[name] = numbers(where, name, value.replace("/", "x"), "x")
        elif known[name] is int:
            found[name] = whole_number(where, name, value)
        else:
            found[name] = number(where, name, value)
    return found
