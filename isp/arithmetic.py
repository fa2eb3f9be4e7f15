"""Arithmetic that Python has no operator for, for use in kernels."""

from __future__ import annotations

import functools
from typing import Any

from isp.jit import known


class FusedMultiplyAdd:
    """``fma(a, b, c)``: a b + c in float32, rounded once (IEEE 754-2019, 5.4.1), the same on every machine.

    One instruction where two would round twice; `fastmath` would put it in wherever a compiler likes. `_numba_type_` is
    numba's own hook for foreign objects, see `jit.Kernel`.
    """

    @functools.cached_property
    def _numba_type_(self) -> Any:
        from numba import types

        single: Any = types.float32

        def fma(_context: Any, a: Any, b: Any, c: Any) -> Any:
            return single(single, single, single), lambda context, builder, signature, numbers: builder.fma(*numbers)

        return known(fma)


fma: Any = FusedMultiplyAdd()  # called in kernels only


class OfNumbers:
    """A function of LLVM's of two float32 neither of which is NaN: one instruction, whatever came from whole numbers.

    A comparison and a choice by it would do, but LLVM makes a choice among whole numbers of it where their bits are
    those of whole numbers, and that takes three.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @functools.cached_property
    def _numba_type_(self) -> Any:
        from numba import types

        single: Any = types.float32

        def typed(_context: Any, a: Any, b: Any) -> Any:
            return single(single, single), self._written

        return known(typed)

    def _written(self, context: Any, builder: Any, signature: Any, numbers: Any) -> Any:
        from llvmlite import ir

        single = numbers[0].type
        function = builder.module.declare_intrinsic(self.name, [single], ir.FunctionType(single, [single, single]))
        return builder.call(function, numbers, fastmath=("nnan",))


lesser: Any = OfNumbers("llvm.minnum")  # called in kernels only
greater: Any = OfNumbers("llvm.maxnum")
