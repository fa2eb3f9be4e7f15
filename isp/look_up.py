"""Look-ups for kernels: entries of a table for several rows at once, woven together.

LLVM makes a store of each single value of such a loop. Here the values of a vector are put together first and stored
at once, for the stores are what processors with short vectors wait for.
"""

from __future__ import annotations

import functools
from typing import Any

from isp.jit import known

VALUES = 48  # of a call, so that three colours, and six rows of half colours, fill whole vectors
_VECTOR_BYTES = 16


class LookUp:
    """A function for kernels: values of a table by the entries of several rows, woven together.

    ``look_up(table, rows, start, target, to)`` writes, for row j of n and k from 0 up to 48 / n,
    ``target[to + n k + j] = table[rows[j][start + k]]``.

    All are arrays of one dimension without gaps; `rows` is a tuple of 3 or 6 of unsigned numbers, which nobody checks.
    `_numba_type_` is numba's own hook for foreign objects, see `jit.Kernel`.
    """

    @functools.cached_property
    def _numba_type_(self) -> Any:
        return known(self._typed)

    def _typed(self, _context: Any, table, rows, start, target, to):  # type: ignore[no-untyped-def]
        from numba import types

        whole: Any = types.intp
        gaps = any(array.layout != "C" for array in (table, target, *rows))
        if gaps or table.dtype != target.dtype or any(row.dtype.signed for row in rows):
            return None  # there is no such function
        return types.void(table, rows, whole, target, whole), self._written

    def _written(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        types, (table, rows, start, target, to) = signature.args, arguments

        def first(kind: Any, array: Any, offset: Any) -> Any:
            return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])

        whole, place = ir.IntType(64), ir.IntType(32)
        table, target = first(types[0], table, whole(0)), first(types[3], target, to)
        kinds = types[1].types
        rows = [first(kind, builder.extract_value(rows, j), start) for j, kind in enumerate(kinds)]
        vector = ir.VectorType(target.type.pointee, _VECTOR_BYTES * 8 // types[3].dtype.bitwidth)
        for filled in range(0, VALUES, vector.count):
            values = ir.Constant(vector, ir.Undefined)
            for lane in range(vector.count):
                k, j = divmod(filled + lane, len(rows))
                entry = builder.zext(builder.load(builder.gep(rows[j], [whole(k)])), whole)
                values = builder.insert_element(values, builder.load(builder.gep(table, [entry])), place(lane))
            address = builder.bitcast(builder.gep(target, [whole(filled)]), vector.as_pointer())
            builder.store(values, address, align=1)
        return context.get_dummy_value()


look_up: Any = LookUp()  # called in kernels only
