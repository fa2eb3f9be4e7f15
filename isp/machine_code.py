"""Machine code that was compiled before: LLVM loads it without numba, whose import takes longer.

The engine is MCJIT with numba's own settings, so it runs wherever numba does.
"""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

LINE = 64  # bytes of the cache
_DEFINITION = re.compile(r"^(define .*) \{$", re.MULTILINE)
_engines: list[Any] = []  # with an engine its code goes too


class Code(NamedTuple):
    """An object file, and the names of the functions that it takes from elsewhere."""

    external: tuple[str, ...]
    object_file: bytes

    def to_bytes(self) -> bytes:
        """Return what `from_bytes` reads."""
        return " ".join(self.external).encode() + b"\n" + self.object_file

    @classmethod
    def from_bytes(cls, content: bytes) -> Code:
        """Read what `to_bytes` wrote."""
        names, _, object_file = content.partition(b"\n")
        return cls(tuple(names.decode().split()), object_file)


def emit(assembly: str) -> Code:
    """Return the code of optimised LLVM assembly."""
    llvm, machine = _llvm(), _machine()
    module = llvm.parse_assembly(on_whole_lines(assembly))
    unused = llvm.create_new_module_pass_manager()
    unused.add_global_dead_code_eliminate_pass()
    unused.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    declared = [function.name for function in module.functions if function.is_declaration]
    return Code(tuple(name for name in declared if not name.startswith("llvm.")), machine.emit_object(module))


def on_whole_lines(assembly: str) -> str:
    """Return LLVM assembly in which every function begins its part of the stack with a line of the cache.

    Where vectors do not fit into registers, some lie there. LLVM aligns them no better than the stack is, to 16 bytes,
    and a vector across two lines takes longer: a loop would be slow or fast as luck will have it.
    """
    return _DEFINITION.sub(rf"\1 alignstack({LINE}) {{", assembly)


def links(code: Code) -> bool:
    """Whether this process has all that code takes from elsewhere: LLVM would end the process where one is missing."""
    address = _llvm().address_of_symbol
    if not all(map(address, code.external)):
        _load_numba()
    return all(map(address, code.external))


def load(code: Code, name: str) -> Callable[[int], int]:
    """Return a function of one address; while it runs, other threads of Python do."""
    llvm = _llvm()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_file))
    engine.finalize_object()
    _engines.append(engine)
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(engine.get_function_address(name))


def address_of(function: Callable[[int], int]) -> int:
    """Return where the code of a function lies that `load` returned."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


@functools.cache
def host() -> tuple[str, str, str]:
    """Return what code is made for: the triple, the processor and its features."""
    llvm = _llvm()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _machine() -> Any:
    triple, processor, features = host()
    target = _llvm().Target.from_triple(triple)
    relocation = "static" if target.name.startswith("x86") else "default"
    settings = {"opt": 3, "reloc": relocation, "codemodel": "jitdefault", "jit": True}
    return target.create_target_machine(cpu=processor, features=features, **settings)


@functools.cache
def _llvm() -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


def _load_numba() -> None:
    """Let LLVM know numba's helpers, and its vector mathematics where that is installed."""
    from numba.core.registry import cpu_target

    cpu_target.target_context.refresh()
