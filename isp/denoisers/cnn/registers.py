"""Sums of products in vector registers: the part of a convolution that takes the time.

Numba has no vectors, and what LLVM makes of loops over them reaches a half of what a processor can. So this is written
in LLVM's own terms: many sums are held in registers while values and weights stream past. The width of a vector is not
the processor's: LLVM makes two or four registers of one where its own are narrower.
"""

from __future__ import annotations

import functools
from typing import Any

from isp.machine_code import host

LANES = 16


def block(channels: int) -> tuple[int, int]:
    """Return pixels and vectors of a block of sums: what fits into the registers, with weights beside it."""
    total, widest = (24, 3) if "+avx512f" in host()[2].split(",") else (6, 1)
    vectors = max(count for count in range(1, widest + 1) if channels // LANES % count == 0)
    return total // vectors, vectors


class Sums:
    """A function for kernels that computes a block of sums, ``pixels`` times ``vectors · LANES`` channels.

    It takes ``(source, at, stride, weights, bias, block, target, to)`` and writes, at element ``to`` of a target that
    has ``vectors · LANES`` channels per pixel, for each pixel p and channel c, in this order of summation,

    ``bias[block, c] + Σ_row Σ_k source[at + row · stride + p · step + k] · weights[block, row, k, c]``

    Source and target are float32 arrays without gaps, of any number of dimensions, weights (blocks, rows, depth,
    channels) and bias (blocks, channels) too. Products are added without rounding in between where the processor can.
    """

    def __init__(self, pixels: int, vectors: int, rows: int, depth: int, step: int) -> None:
        self.pixels, self.vectors, self.rows, self.depth, self.step = pixels, vectors, rows, depth, step

    @functools.cached_property
    def _numba_type_(self) -> Any:
        from numba.core.registry import cpu_target
        from numba.extending import intrinsic

        function = intrinsic(self._typed)
        cpu_target.typing_context.refresh()  # or it does not know the function yet
        return cpu_target.typing_context.resolve_value_type(function)

    def _typed(self, _context: Any, source, at, stride, weights, bias, block, target, to):  # type: ignore[no-untyped-def]
        from numba import types

        whole: Any = types.intp
        return types.void(source, whole, whole, weights, bias, whole, target, whole), self._generated

    def _generated(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir
        from numba.core.cgutils import alloca_once, for_range, get_or_insert_function

        vector, whole = ir.VectorType(ir.FloatType(), LANES), context.get_value_type(signature.args[1])
        source, weights, bias, target = (
            context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in (0, 3, 4, 6)
        )
        at, stride, block, to = (arguments[n] for n in (1, 2, 5, 7))
        channels = self.vectors * LANES
        product = get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
        )

        def address(start, *offset, step=1):  # type: ignore[no-untyped-def]
            for part in offset:
                start = builder.gep(start, [builder.mul(part, whole(step)) if step != 1 else part])
            return start

        def load(start, number):  # type: ignore[no-untyped-def]
            place = builder.bitcast(builder.gep(start, [whole(number * LANES)]), vector.as_pointer())
            return builder.load(place, align=4)

        def repeated(scalar):  # type: ignore[no-untyped-def]
            undefined = vector(ir.Undefined)
            first = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
            return builder.shuffle_vector(first, undefined, ir.VectorType(ir.IntType(32), LANES)([0] * LANES))

        sums = [[alloca_once(builder, vector) for _ in range(self.vectors)] for _ in range(self.pixels)]
        start = address(bias, block, step=channels)
        for of_pixel in sums:
            for number, total in enumerate(of_pixel):
                builder.store(load(start, number), total)
        weights = address(weights, block, step=channels * self.rows * self.depth)
        with for_range(builder, whole(self.rows)) as row:
            values = address(source, at, builder.mul(row.index, stride))
            of_row = address(weights, row.index, step=channels * self.depth)
            with for_range(builder, whole(self.depth)) as k:
                value, weight = address(values, k.index), address(of_row, k.index, step=channels)
                factors = [load(weight, number) for number in range(self.vectors)]
                for pixel, of_pixel in enumerate(sums):
                    x = repeated(builder.load(builder.gep(value, [whole(pixel * self.step)])))
                    for factor, total in zip(factors, of_pixel, strict=True):
                        builder.store(builder.call(product, [x, factor, builder.load(total)]), total)
        target = address(target, to)
        for pixel, of_pixel in enumerate(sums):
            for number, total in enumerate(of_pixel):
                place = builder.gep(target, [whole(pixel * channels + number * LANES)])
                builder.store(builder.load(total), builder.bitcast(place, vector.as_pointer()), align=4)
        return context.get_dummy_value()
