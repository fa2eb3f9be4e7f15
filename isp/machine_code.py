"""Machine code that was compiled before: LLVM loads it in a millisecond, where numba would first be imported.

The engine is MCJIT, in which numba runs its own code.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

ENTRY = "isp_kernel"  # the function of a code that is called: a pointer to its arguments, to a status
_SEPARATOR = b"\n"
_alive: list[Any] = []  # LLVM frees the code of an engine that nothing refers to


class Code(NamedTuple):
    """An object file with `ENTRY`, and the names of what it calls outside of it."""

    external: tuple[str, ...]
    object_file: bytes

    def to_bytes(self) -> bytes:
        """Return what `from_bytes` reads."""
        return " ".join(self.external).encode() + _SEPARATOR + self.object_file

    @classmethod
    def from_bytes(cls, content: bytes) -> Code:
        """Read what `to_bytes` wrote."""
        names, _, object_file = content.partition(_SEPARATOR)
        return cls(tuple(names.decode().split()), object_file)


def emit(assembly: str) -> Code:
    """Return the code of optimised LLVM assembly."""
    llvm, machine = _llvm(), _target_machine()
    module = llvm.parse_assembly(assembly)
    unused = llvm.create_new_module_pass_manager()
    unused.add_global_dead_code_eliminate_pass()  # numba's counting of references, where no array is allocated
    unused.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    declared = (function.name for function in module.functions if function.is_declaration)
    return Code(tuple(name for name in declared if not name.startswith("llvm.")), machine.emit_object(module))


def load(code: Code) -> Callable[[int], int]:
    """Return the function that a code is; it lets other threads of Python run."""
    llvm = _llvm()
    if not all(map(llvm.address_of_symbol, code.external)):
        _load_numba_runtime()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_file))
    engine.finalize_object()
    _alive.append(engine)
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(engine.get_function_address(ENTRY))


@functools.cache
def host() -> tuple[str, str, str]:
    """Return for what code is made: triple, processor, and its features."""
    llvm = _llvm()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _target_machine() -> Any:
    """Return the compiler's end for this machine, set as numba sets it."""
    triple, processor, features = host()
    target = _llvm().Target.from_triple(triple)
    relocation = "static" if target.name.startswith("x86") else "default"
    return target.create_target_machine(
        cpu=processor, features=features, opt=3, reloc=relocation, codemodel="jitdefault", jit=True
    )


@functools.cache
def _llvm() -> Any:
    from llvmlite import binding  # type: ignore[import-untyped]

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


def _load_numba_runtime() -> None:
    """Tell LLVM where numba's allocator and vector mathematics are; only code that uses them needs it."""
    from numba.core.registry import cpu_target

    cpu_target.target_context.refresh()
