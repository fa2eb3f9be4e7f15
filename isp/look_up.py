"""Look-ups for kernels: entries of a table for several rows at once, woven together.

LLVM makes a load of each single entry of such a loop and a store of each value. Here four entries are loaded at once
and taken apart by shifts, and the values of a vector are put together and stored at once: processors wait for neither.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from isp.jit import known

VALUES = 48  # of a call, so that three colours, and six rows of half colours, fill whole vectors
_VECTOR_BYTES = 16


class LookUp:
    """A function for kernels: values of a table by the entries of several rows, woven together.

    ``look_up(table, rows, start, target, to)`` writes, for row j of n and k from 0 up to 48 / n,
    ``target[to + n k + j] = table[rows[j][start + k]]``.

    All are arrays of one dimension without gaps; `rows` is a tuple of 3 or 6 of uint16, which nobody checks.
    `_numba_type_` is numba's own hook for foreign objects, see `jit.Kernel`.
    """

    @functools.cached_property
    def _numba_type_(self) -> Any:
        return known(self._typed)

    def _typed(self, _context: Any, table, rows, start, target, to):  # type: ignore[no-untyped-def]
        from numba import types

        whole: Any = types.intp
        gaps = any(array.layout != "C" for array in (table, target, *rows))
        if gaps or table.dtype != target.dtype or any(row.dtype != types.uint16 for row in rows):
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
        quads = [  # of entries, by row
            [builder.load(builder.gep(words, [whole(quad)]), align=2) for quad in range(VALUES // len(rows) // 4)]
            for words in (builder.bitcast(row, whole.as_pointer()) for row in rows)
        ]
        vector = ir.VectorType(target.type.pointee, _VECTOR_BYTES * 8 // types[3].dtype.bitwidth)
        for filled in range(0, VALUES, vector.count):
            values = ir.Constant(vector, ir.Undefined)
            for lane in range(vector.count):
                k, j = divmod(filled + lane, len(rows))
                place_in_quad = k % 4 if sys.byteorder == "little" else 3 - k % 4
                entry = builder.and_(builder.lshr(quads[j][k // 4], whole(16 * place_in_quad)), whole(0xFFFF))
                values = builder.insert_element(values, builder.load(builder.gep(table, [entry])), place(lane))
            address = builder.bitcast(builder.gep(target, [whole(filled)]), vector.as_pointer())
            builder.store(values, address, align=1)
        return context.get_dummy_value()


look_up: Any = LookUp()  # called in kernels only
