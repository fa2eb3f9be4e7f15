"""Kernels: loops in Python that run as machine code, compiled by numba once per machine.

What was compiled is kept (`code_cache`) and loaded without numba (`machine_code`), whose import takes longer than most
pictures. So a kernel that Python calls takes arrays and scalars (`arguments`), returns nothing and makes no array. A
kernel that only other kernels call may take and return whatever numba knows.

The only compiler flags of the project are here. Serial code run on bands of rows by plain threads (see `threads`) needs
none of numba's threading layers. `fastmath` stays off: with it the result would depend on how a loop was vectorised,
and the staged and the fused schedule could differ.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import threading
from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import NDArray

from isp import code_cache
from isp.arguments import ENTRY, Form, Kinds, lay_out
from isp.machine_code import Code, address_of, emit, links, load

logger = logging.getLogger(__name__)

_lock = threading.RLock()  # compiling a kernel compiles those that it calls
RETURNED = (0, -2)  # numba's status of a function that returned, and of one that returned None


class Loaded(NamedTuple):
    """A kernel for arguments of some kinds."""

    run: Callable[[int], int]
    code: int  # its address
    form: Form


class Kernel:
    """A function that is compiled at its first call, and that other kernels may call.

    `_numba_type_` is numba's own hook for foreign objects: a kernel that meets this one among its globals sees the
    dispatcher, so compiled functions call each other as if they had been compiled at import.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.function = function
        self._loaded: dict[Kinds, Loaded] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Run the compiled function."""
        return self.bind(*arguments)()

    def bind(self, *arguments: Any) -> Call:
        """Return a call for one thread, to be repeated with other arguments of the same kinds: `Call.replace`."""
        values: list[Any] = []
        kinds = Kinds([lay_out(each, values) for each in arguments])
        loaded = self._loaded.get(kinds)
        if loaded is None:
            with _lock:  # a first call comes from all threads at once, and must not compile once for each
                loaded = self._loaded.get(kinds) or self._loaded.setdefault(kinds, self._load(Form(kinds)))
        return Call(self.name, loaded, arguments, values)

    @property
    def _numba_type_(self) -> Any:
        return self._dispatcher._numba_type_

    @functools.cached_property
    def _dispatcher(self) -> Any:
        import numba

        flags: dict[str, Any] = {"fastmath": False, "error_model": "numpy", "_nrt": False}
        flags |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # `arguments` has ours
        return numba.njit(**flags)(self.function)

    def _load(self, form: Form) -> Loaded:
        told = "-".join((self.name, *map(str, form.kinds)))
        name = f"{self.function.__qualname__.partition('.')[0]}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
        ours = self.__module__.partition(".")[0] == __package__  # the cache is of these sources alone
        kept = code_cache.read(name) if ours else None
        code = None if kept is None else Code.from_bytes(kept)
        if code is None or not links(code):
            code = self._compile(form)
            if ours:
                code_cache.write(name, code.to_bytes())
        run = load(code, ENTRY)
        return Loaded(run, address_of(run), form)

    def _compile(self, form: Form) -> Code:
        _announce()
        signature = tuple(k.numba_type for k in form.kinds)
        self._dispatcher.compile(signature)
        compiled = self._dispatcher.overloads[signature]
        if str(compiled.signature.return_type) != "none":
            raise TypeError(f"{self.name} returns a value, so only other kernels may call it")
        return emit(self._dispatcher.inspect_llvm(signature) + form.assembly(compiled.fndesc.llvm_func_name))


class Call:
    """A kernel with its arguments laid out; for one thread at a time.

    Attributes
    ----------
    code, slots : int
        Addresses: of the machine code, and of the slots from which it takes its arguments.
    """

    __slots__ = ("_arguments", "_form", "_name", "_run", "_slots", "code", "slots")

    def __init__(self, name: str, loaded: Loaded, arguments: tuple[Any, ...], values: list[Any]) -> None:
        self._name, self._run, self.code, self._form = name, *loaded
        self._arguments = list(arguments)  # their memory must stay
        self._slots = loaded.form.slots(values)
        self.slots, _ = self._slots.buffer_info()

    def __call__(self) -> None:
        """Run."""
        if self._run(self.slots) not in RETURNED:
            raise self.failure()

    def replace(self, number: int, argument: int | NDArray[Any]) -> None:
        """Take another argument of this number, of the same kind; a new call would cost ten times that."""
        values: list[int] = []
        kind, expected = lay_out(argument, values), self._form.kinds[number]
        if kind != expected:
            raise TypeError(f"{self._name} takes {expected} here, not {kind}")
        self._arguments[number] = argument
        start = self._form.starts[number]
        self._slots[start : start + len(values)] = array("q", values)

    def failure(self) -> RuntimeError:
        """Return what is raised if the kernel did not return as it should."""
        return RuntimeError(f"{self._name} failed: out of memory, or arrays that do not fit")


def kernel(function: Callable[..., Any]) -> Kernel:
    """Compile a function of arrays and scalars, which makes no array, to machine code at its first call (decorator)."""
    return Kernel(function)


def combination(make: Callable[..., Kernel]) -> Callable[..., Kernel]:
    """Let the same kernels always make the same one, and name it after them (decorator)."""

    @functools.cache
    def made(*parts: Any) -> Kernel:
        result = make(*parts)
        result.name = f"{make.__module__}.{make.__qualname__}({','.join(map(_named, parts))})"
        return result

    return functools.update_wrapper(made, make)


def _named(part: Any) -> str:
    """Return what tells a part of a combination from others: a kernel, a tuple of them, or a number."""
    if isinstance(part, tuple):
        return f"({','.join(map(_named, part))})"
    return part.name if isinstance(part, Kernel) else repr(part)


def known(typed: Callable[..., Any]) -> Any:
    """Return the type by which kernels know a function that is written in LLVM's own terms: its `_numba_type_`.

    Parameters
    ----------
    typed : callable
        What `numba.extending.intrinsic` takes: of the types of the arguments, the signature and what writes the code.
    """
    from numba.core.registry import cpu_target
    from numba.extending import intrinsic

    function, typing = intrinsic(typed), cpu_target.typing_context
    typing.refresh()  # it takes note of what was defined last
    return typing.resolve_value_type(function)


def prepare() -> None:
    """Load what loads code, and find out where it is kept."""
    code_cache.usual_folder()


@functools.cache
def _announce() -> None:
    logger.info("compiling kernels for this machine, once; some seconds")
