"""How arguments reach machine code: side by side in slots of 8 bytes, so that every kernel is called alike.

A whole number, a float or an np.float32 takes one slot, an array several: address, size, shape and strides. A tuple
takes those of what is in it.
"""

from __future__ import annotations

import functools
import struct
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

ENTRY = "isp_entry"  # the name of the function that takes the slots
_SCALARS = {"i8": ("q", "i64"), "f4": ("f4x", "float"), "f8": ("d", "double")}  # as `struct` packs and LLVM reads them


class Kind(NamedTuple):
    """What code depends on of an argument. Only an array has a layout: C without gaps, A any other, U unaligned."""

    dtype: str
    ndim: int = 0
    layout: str = ""

    def __str__(self) -> str:
        return f"{self.dtype}{self.layout}{self.ndim}" if self.layout else self.dtype

    @property
    def packed(self) -> str:
        """The format of the slots for `struct`."""
        return "qq" + "qq" * self.ndim if self.layout else _SCALARS[self.dtype][0]

    @property
    def numba_type(self) -> Any:
        """The type of the argument for numba."""
        import numba

        element: Any = numba.from_dtype(np.dtype(self.dtype))
        layout: Any = self.layout[:1]
        return numba.types.Array(element, self.ndim, layout, aligned="U" not in self.layout) if layout else element


class Kinds(tuple["Kind | Kinds", ...]):
    """What code depends on of a tuple."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"({','.join(map(str, self))})"

    @property
    def packed(self) -> str:
        """The format of the slots for `struct`."""
        return "".join(k.packed for k in self)

    @property
    def numba_type(self) -> Any:
        """The type of the argument for numba."""
        import numba

        types: Any = numba.types
        return types.BaseTuple.from_types([k.numba_type for k in self])


_WHOLE, _DOUBLE, _SINGLE = Kind("i8"), Kind("f8"), Kind("f4")


def lay_out(argument: Any, values: list[Any]) -> Kind | Kinds:
    """Return what code depends on of an argument, and add what its slots hold to a list.

    Numba passes what is in tuples in this order, one by one.
    """
    if isinstance(argument, tuple):
        return Kinds([lay_out(part, values) for part in argument])
    if isinstance(argument, np.ndarray) and argument.dtype.isnative:
        flags = argument.flags
        values += argument.ctypes.data, argument.size, *argument.shape, *argument.strides
        return _of_array(argument.dtype, argument.ndim, flags.c_contiguous, flags.aligned)
    values.append(argument)
    if isinstance(argument, int | np.integer):
        return _WHOLE
    if isinstance(argument, float):
        return _DOUBLE
    if isinstance(argument, np.float32):
        return _SINGLE
    raise TypeError(
        f"a kernel takes native arrays, whole numbers, float, np.float32 and tuples of them, not {argument!r}"
    )


@functools.cache
def _of_array(dtype: np.dtype[Any], ndim: int, contiguous: bool, aligned: bool) -> Kind:
    return Kind(dtype.str[1:], ndim, ("C" if contiguous else "A") + ("" if aligned else "U"))


def _flat(kinds: Kinds) -> Iterator[Kind]:
    for each in kinds:
        if isinstance(each, Kind):
            yield each
        else:
            yield from _flat(each)


class Form:
    """How arguments of some kinds lie in their slots: where each starts."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self._struct = struct.Struct("=" + kinds.packed)
        before = ["=" + Kinds(kinds[:number]).packed for number in range(len(kinds))]
        self.starts = [struct.calcsize(each) // 8 for each in before]

    def slots(self, values: list[Any]) -> array[int]:
        """Return the slots with what `lay_out` gave; the arrays must outlive them."""
        return array("q", self._struct.pack(*values))

    def assembly(self, function: str) -> str:
        """Return `ENTRY`, in LLVM's assembly: it calls a function that numba compiled with what lies in the slots.

        Of an array that function takes the owner of its memory and the object around it (none here), its size, the size
        of an element, address, shape and strides; before all arguments it takes where to put a result and an exception.
        """
        loads: list[str] = []

        def load(type_: str) -> str:
            n = len(loads)
            loads.append(f"%at{n} = getelementptr i64, ptr %slots, i64 {n}\n%in{n} = load {type_}, ptr %at{n}\n")
            return f"{type_} %in{n}"

        arguments = ["ptr %result", "ptr %exception"]
        for k in _flat(self.kinds):
            if not k.layout:
                arguments.append(load(_SCALARS[k.dtype][1]))
                continue
            address, size = load("ptr"), load("i64")
            arguments += ["ptr null", "ptr null", size, f"i64 {np.dtype(k.dtype).itemsize}", address]
            arguments += [load("i64") for _ in range(2 * k.ndim)]
        return (
            f"\ndefine i32 @{ENTRY}(ptr %slots) {{\n%result = alloca ptr\n%exception = alloca ptr\n{''.join(loads)}"
            f"%status = call i32 @{function}({', '.join(arguments)})\nret i32 %status\n}}\n"
        )
