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
