"""Kernels: loops in Python that run as machine code, compiled by numba once per machine.

Compiled code is kept (see `code_cache`) and later loaded without numba, whose import and type inference take longer
than a 24 MP picture. So a kernel that is called from Python takes arrays, whole numbers, float and np.float32, and
returns nothing. Kernels that other kernels call take and return anything that numba knows.

The only compiler flags of the project are here. Serial code run on bands of rows by plain threads (see `threads`) needs
none of numba's threading layers. `fastmath` stays off: with it the result would depend on how a loop was vectorised,
and the staged and the fused schedule could differ.
"""

from __future__ import annotations

import functools
import logging
import struct
import threading
from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from isp import code_cache, machine_code
from isp.machine_code import ENTRY, Code

logger = logging.getLogger(__name__)

_lock = threading.RLock()  # compiling a kernel compiles those that it calls
_FINE = (0, -2)  # numba's states of a function that returned, and that returned None
_SCALARS = {"i8": ("q", "i64"), "f4": ("f4x", "float"), "f8": ("d", "double")}  # packed as, and in LLVM


class Kind(NamedTuple):
    """Of what an argument is; an array has a layout: C in memory without gaps, A any other, U not aligned."""

    dtype: str
    ndim: int = 0
    layout: str = ""

    @property
    def packed(self) -> str:
        """The argument in slots of 8 bytes, for `struct`."""
        return "qq" + "qq" * self.ndim if self.layout else _SCALARS[self.dtype][0]

    @property
    def numba_type(self) -> Any:
        """The argument for numba."""
        import numba

        element = numba.from_dtype(np.dtype(self.dtype))
        if not self.layout:
            return element
        return numba.types.Array(element, self.ndim, self.layout[0], aligned="U" not in self.layout)


class Loaded(NamedTuple):
    """A kernel for arguments of some kinds: its function, how they are packed, where the scalar whole numbers lie."""

    function: Callable[[int], int]
    packed: str
    whole: tuple[int, ...]


class Kernel:
    """A function that is compiled at its first call, and that other kernels may call.

    `_numba_type_` is numba's own hook for foreign objects: a kernel that meets this one among its globals sees the
    dispatcher, so compiled functions call each other as if they had been compiled at import.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._loaded: dict[tuple[Kind, ...], Loaded] = {}

    @functools.cached_property
    def _dispatcher(self) -> Any:
        import numba

        options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        return numba.njit(nogil=True, fastmath=False, error_model="numpy", **options)(self.function)

    @property
    def _numba_type_(self) -> Any:
        return self._dispatcher._numba_type_

    def __call__(self, *arguments: Any) -> None:
        """Run the compiled function."""
        self.bind(*arguments)()

    def bind(self, *arguments: Any) -> Call:
        """Return a call that can be repeated with other whole numbers, without looking at the arrays again."""
        kinds = tuple(map(kind, arguments))
        loaded = self._loaded.get(kinds)
        if loaded is None:
            with _lock:  # a first call comes from all threads at once, and must not compile once for each
                loaded = self._loaded.get(kinds) or self._loaded.setdefault(kinds, self._load(kinds))
        return Call(self, loaded, arguments)

    def _load(self, kinds: tuple[Kind, ...]) -> Loaded:
        name = f"{self.__module__}.{self.__qualname__}-" + "-".join(f"{k.dtype}{k.ndim or ''}{k.layout}" for k in kinds)
        ours = self.__module__.startswith("isp.")  # other sources are not in the name of the folder
        content = code_cache.read(name) if ours else None
        code = Code.from_bytes(content) if content else self._compile(kinds)
        if ours and not content:
            code_cache.write(name, code.to_bytes())
        packed = "=" + "".join(k.packed for k in kinds)
        slots = [struct.calcsize("=" + "".join(k.packed for k in kinds[:number])) // 8 for number in range(len(kinds))]
        whole = tuple(slot for slot, k in zip(slots, kinds, strict=True) if k == Kind("i8"))
        return Loaded(machine_code.load(code), packed, whole)

    def _compile(self, kinds: tuple[Kind, ...]) -> Code:
        _announce()
        import numba

        signature = tuple(k.numba_type for k in kinds)
        self._dispatcher.compile(signature)
        result = self._dispatcher.overloads[signature]
        if result.signature.return_type != numba.types.none:
            raise TypeError(f"{self.__qualname__} returns a value; only kernels that other kernels call may")
        return machine_code.emit(self._dispatcher.inspect_llvm(signature) + _entry(result.fndesc.llvm_func_name, kinds))


class Call:
    """A kernel and its arguments, as the machine code reads them; for one thread at a time."""

    __slots__ = ("_address", "_arguments", "_function", "_kernel", "_slots", "_whole")

    def __init__(self, kernel: Kernel, loaded: Loaded, arguments: tuple[Any, ...]) -> None:
        values: list[Any] = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                values += (argument.ctypes.data, argument.size, *argument.shape, *argument.strides)
            else:
                values.append(argument)
        self._kernel, self._function, self._whole = kernel, loaded.function, loaded.whole
        self._arguments = arguments  # whose memory must stay
        self._slots = array("q", struct.pack(loaded.packed, *values))
        self._address, _ = self._slots.buffer_info()

    def __call__(self, *whole: int) -> None:
        """Run with these in place of the first whole numbers among the arguments."""
        for slot, number in zip(self._whole, whole, strict=False):
            self._slots[slot] = number
        if self._function(self._address) not in _FINE:
            raise RuntimeError(f"{self._kernel.__qualname__} failed; did it run out of memory?")


def kernel(function: Callable[..., Any]) -> Kernel:
    """Compile a function of scalars and arrays to machine code at its first call (decorator)."""
    return Kernel(function)


def kind(argument: Any) -> Kind:
    """Return of what kind an argument is, as far as code depends on it."""
    if isinstance(argument, np.ndarray):
        flags = argument.flags
        layout = ("C" if flags.c_contiguous else "A") + ("" if flags.aligned else "U")
        return Kind(argument.dtype.str[1:], argument.ndim, layout)
    if isinstance(argument, int | np.integer):
        return Kind("i8")
    if isinstance(argument, float | np.float32):
        return Kind("f8" if isinstance(argument, float) else "f4")
    raise TypeError(f"a kernel takes arrays, whole numbers, float and np.float32, not {argument!r}")


def _entry(name: str, kinds: tuple[Kind, ...]) -> str:
    """Return LLVM assembly of a function that calls another, whose arguments lie in slots of 8 bytes.

    numba hands over an array as its owner and that one's object (none), its size, the size of an element, the data, the
    shape and the strides; before all arguments, where to put the result and an exception.
    """
    loads: list[str] = []

    def next_of(llvm_type: str) -> str:
        number = len(loads)
        loads.append(f"%p{number} = getelementptr i64, ptr %slots, i64 {number}\n%v{number} = load {llvm_type}, ptr %p{number}")
        return f"{llvm_type} %v{number}"

    arguments = ["ptr %result", "ptr %exception"]
    for k in kinds:
        if k.layout:
            data, size = next_of("ptr"), next_of("i64")
            arguments += ["ptr null", "ptr null", size, f"i64 {np.dtype(k.dtype).itemsize}", data]
            arguments += [next_of("i64") for _ in range(2 * k.ndim)]
        else:
            arguments.append(next_of(_SCALARS[k.dtype][1]))
    lines = ["%result = alloca ptr", "%exception = alloca ptr", *loads, f"%status = call i32 @{name}({', '.join(arguments)})"]
    return f"\ndefine i32 @{ENTRY}(ptr %slots) {{\n" + "\n".join(lines) + "\nret i32 %status\n}\n"


@functools.cache
def _announce() -> None:
    logger.info("compiling kernels for this machine, once; some seconds")
