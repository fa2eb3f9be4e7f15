"""Sums of products in vector registers: the part of a convolution that takes the time.

Numba has no vectors, and what LLVM makes of loops over them reaches half of what a processor can do. So this is written
in LLVM's own terms: many sums stay in registers while values and weights stream past. The width of a vector is not the
processor's: where its registers are narrower, LLVM takes two or four of them for one.
"""

from __future__ import annotations

import functools
from typing import Any

from isp.jit import known
from isp.machine_code import host

LANES = 16


def block(channels: int) -> tuple[int, int]:
    """Return pixels and vectors of a block of sums: what fits into the registers, with weights beside it."""
    total, widest = (24, 3) if "+avx512f" in host()[2].split(",") else (6, 1)
    vectors = max(count for count in range(1, widest + 1) if channels // LANES % count == 0)
    return total // vectors, vectors


class Sums:
    """A function for kernels that computes a block of sums: of some pixels, ``vectors · LANES`` channels each.

    Called as ``sums(source, at, further, weights, bias, block, target, to)``, it writes to
    ``target[to + p · apart + c]``, for each pixel p and channel c, summed in this order,

    ``bias[block, c] + Σ_row Σ_k source[at + (0, *further)[row] + p · step + k] · weights[block, row, k, c]``,

    or zero where that is negative, if `rectified`; if `added`, it begins with what is there, too.

    All arrays are of float32 without gaps: weights (blocks, rows, depth, channels), bias (blocks, channels), source and
    target of any shape; `further` are two whole numbers. A product is added without being rounded first, where the
    processor can do that at once.
    """

    def __init__(
        self, block: tuple[int, int], rows: int, depth: int, step: int, apart: int, *, rectified: bool = False,
        added: bool = False,
    ) -> None:  # fmt: skip
        self.pixels, self.vectors = block
        self.rows, self.depth, self.step, self.apart = rows, depth, step, apart
        self.rectified, self.added = rectified, added

    @functools.cached_property
    def _numba_type_(self) -> Any:
        return known(self._typed)

    def _typed(self, _context: Any, source, at, further, weights, bias, block, target, to):  # type: ignore[no-untyped-def]
        from numba import types

        numbers: Any = types
        whole, two = numbers.intp, numbers.UniTuple(numbers.intp, 2)
        if any(array.layout != "C" for array in (source, weights, bias, target)):
            return None  # there is no such function
        return numbers.void(source, whole, two, weights, bias, whole, target, whole), self._written

    def _written(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, weights, bias, target = (
            context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in (0, 3, 4, 6)
        )
        at, further, number, to = (arguments[n] for n in (1, 2, 5, 7))
        write, channels = _Writer(builder), self.vectors * LANES
        sums = [[write.variable() for _ in range(self.vectors)] for _ in range(self.pixels)]
        first, target = write.moved(bias, number, channels), write.moved(target, to)
        for vector in range(self.vectors):
            start = write.loaded(first, vector * LANES)
            for pixel, of_pixel in enumerate(sums):
                beginning = start
                if self.added:
                    beginning = builder.fadd(start, write.loaded(target, pixel * self.apart + vector * LANES))
                builder.store(beginning, of_pixel[vector])
        weights = write.moved(weights, number, self.rows * self.depth * channels)
        with write.repeated(self.rows) as row:
            values = write.moved(source, builder.add(at, write.chosen(row.index, further)))
            of_row = write.moved(weights, row.index, self.depth * channels)
            with write.repeated(self.depth) as k:
                value, weight = write.moved(values, k.index), write.moved(of_row, k.index, channels)
                factors = [write.loaded(weight, vector * LANES) for vector in range(self.vectors)]
                for pixel, of_pixel in enumerate(sums):
                    write.add_products(write.spread(value, pixel * self.step), factors, of_pixel)
        for pixel, of_pixel in enumerate(sums):
            for vector, total in enumerate(of_pixel):
                result = builder.load(total)
                write.stored(
                    write.rectified(result) if self.rectified else result, target, pixel * self.apart + vector * LANES
                )
        return context.get_dummy_value()


class _Writer:
    """What `Sums` says to LLVM: addresses are of single values, vectors lie anywhere."""

    def __init__(self, builder: Any) -> None:
        from llvmlite import ir
        from numba.core import cgutils

        tools: Any = cgutils
        self._builder, self._tools = builder, tools
        self._vector, self._whole, self._place = ir.VectorType(ir.FloatType(), LANES), ir.IntType(64), ir.IntType(32)
        self._undefined = ir.Constant(self._vector, ir.Undefined)
        self._nothing = ir.Constant(self._vector, [0.0] * LANES)
        self._everywhere = ir.Constant(ir.VectorType(self._place, LANES), [0] * LANES)
        self._product = tools.get_or_insert_function(
            builder.module, ir.FunctionType(self._vector, [self._vector] * 3), f"llvm.fmuladd.v{LANES}f32"
        )

    def variable(self) -> Any:
        """Return a vector that LLVM will keep in a register."""
        return self._tools.alloca_once(self._builder, self._vector)

    def repeated(self, count: int) -> Any:
        """Return the context of a loop, which has an index."""
        return self._tools.for_range(self._builder, self._whole(count))

    def moved(self, start: Any, count: Any, length: int = 1) -> Any:
        """Return an address so many lengths further on."""
        return self._builder.gep(start, [self._builder.mul(count, self._whole(length))])

    def chosen(self, index: Any, two: Any) -> Any:
        """Return 0 for the index 0, and one of two values for the next ones."""
        result = self._whole(0)
        for number in range(2):
            value, meant = self._builder.extract_value(two, number), self._whole(number + 1)
            result = self._builder.select(self._builder.icmp_signed("==", index, meant), value, result)
        return result

    def loaded(self, start: Any, offset: int) -> Any:
        """Return the vector at an address."""
        return self._builder.load(self._as_vector(start, offset), align=4)

    def stored(self, vector: Any, start: Any, offset: int) -> None:
        """Store a vector at an address."""
        self._builder.store(vector, self._as_vector(start, offset), align=4)

    def rectified(self, vector: Any) -> Any:
        """Return a vector with zeros where it is negative."""
        return self._builder.select(self._builder.fcmp_ordered("<", vector, self._nothing), self._nothing, vector)

    def spread(self, start: Any, offset: int) -> Any:
        """Return a vector of nothing but the value at an address."""
        value = self._builder.load(self._builder.gep(start, [self._whole(offset)]))
        first = self._builder.insert_element(self._undefined, value, self._place(0))
        return self._builder.shuffle_vector(first, self._undefined, self._everywhere)

    def add_products(self, value: Any, factors: list[Any], sums: list[Any]) -> None:
        """Add to each sum a value times its factor."""
        for factor, total in zip(factors, sums, strict=True):
            added = self._builder.call(self._product, [value, factor, self._builder.load(total)])
            self._builder.store(added, total)

    def _as_vector(self, start: Any, offset: int) -> Any:
        return self._builder.bitcast(self._builder.gep(start, [self._whole(offset)]), self._vector.as_pointer())
