"""Kernels in turn, again and again, without Python in between: no thread waits for another to let go of its lock."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp.jit import RETURNED, Call, kernel, known


def run_in_turn(calls: Sequence[Call], edges: NDArray[np.int64]) -> None:
    """Run several calls one after the other, again and again, each time from where it was to where it shall be.

    Parameters
    ----------
    calls : sequence of Call
        Of kernels whose first two arguments are whole numbers: from where and to where they run.
    edges : ndarray of int64, (times + 1, calls)
        These numbers: a call runs from its number in one row to that in the next.

    Raises
    ------
    RuntimeError
        If a kernel failed; nothing ran after it.
    """
    addresses, failed = np.array([(call.code, call.slots) for call in calls], np.int64), np.full(1, -1, np.int64)
    _in_turn(addresses, edges, failed)
    if failed[0] >= 0:
        raise calls[failed[0]].failure()


class _Code:
    """A function for kernels: ``code(address, slots, first, last)`` runs machine code and returns its status.

    `_numba_type_` is numba's own hook for foreign objects, see `jit.Kernel`.
    """

    @functools.cached_property
    def _numba_type_(self) -> Any:
        return known(self._typed)

    def _typed(self, _context: Any, address, slots, first, last):  # type: ignore[no-untyped-def]
        from numba import types

        whole: Any = types.int64
        return types.int32(whole, whole, whole, whole), self._written

    def _written(self, _context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        address, slots, *numbers = arguments
        memory = builder.inttoptr(slots, slots.type.as_pointer())
        for place, number in enumerate(numbers):
            builder.store(number, builder.gep(memory, [ir.IntType(64)(place)]))
        function = ir.FunctionType(ir.IntType(32), [memory.type])
        return builder.call(builder.inttoptr(address, function.as_pointer()), [memory])


_code: Any = _Code()  # called in kernels only
_FINE, _FINE_WITHOUT_RESULT = RETURNED


@kernel
def _in_turn(addresses, edges, failed):  # type: ignore[no-untyped-def]
    for turn in range(len(edges) - 1):
        for number in range(len(addresses)):
            code, slots = addresses[number]
            status = _code(code, slots, edges[turn, number], edges[turn + 1, number])
            if status != _FINE and status != _FINE_WITHOUT_RESULT:
                failed[0] = number
                return
