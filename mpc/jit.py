"""Plain functions compiled by numba, lazily: nothing imports numba until a kernel is wanted.

A kernel is a plain function of numbers and arrays that runs as it stands. ``compiled(kernel)``
returns it compiled, with every plain function that it calls by a name of its module, so that one
definition serves the planner, the kernels and the tests:

    fast = compiled(battery_step)     # the first call compiles, or loads what an earlier run did

Compiled code is kept in a folder whose name hashes the sources of the kernel and of everything it
calls: numba alone would not notice a callee that changed. No fastmath: a kernel gives the bits
that Python gives. A kernel that loops over ``prange`` (plain ``range`` until compiled) runs on all
cores.
"""

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any, TypeVar

from mpc.errors import KernelError

__all__ = ["compiled", "keep_compiled_in", "prange"]

prange = range
"""What a kernel loops over where its turns are independent; compiled it runs on all cores."""

_F = TypeVar("_F", bound=Callable[..., Any])
_FOLDER: list[Path] = []
_LOCK = Lock()


def keep_compiled_in(folder: Path) -> None:
    """Keep compiled kernels in ``folder`` from now on; kernels already compiled stay.

    Without it they are kept beside this module, else in ``~/.cache/darkstar``; where none can be
    written, every process compiles anew.
    """
    _FOLDER[:] = [folder.absolute()]


@cache
def compiled(kernel: _F) -> _F:
    """Return ``kernel`` compiled, of the same call; the same object for the same kernel.

    Raises:
        KernelError: numba is not installed, or ``kernel`` is no plain function.
    """
    numba = _numba()
    if not isinstance(kernel, FunctionType):
        raise KernelError(f"kernel {kernel!r} is no plain function, want one made with def")
    names = dict(kernel.__globals__)
    for name, callee in _callees(kernel):
        names[name] = compiled(callee)
    parallel = names.get("prange") is prange and "prange" in kernel.__code__.co_names
    if parallel:
        names["prange"] = numba.prange
    copy = FunctionType(kernel.__code__, names, kernel.__name__, kernel.__defaults__)
    copy.__module__, copy.__qualname__ = kernel.__module__, kernel.__qualname__
    base = _base()
    folder = numba.config.CACHE_DIR if base is None else base / f"kernels-{_fingerprint(kernel)}"
    with _LOCK:  # the folder is one for all threads, and of others' kernels too
        others, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
        try:
            result: Any = numba.njit(cache=base is not None, nogil=True, parallel=parallel)(copy)
        finally:
            numba.config.CACHE_DIR = others
    return result  # type: ignore[no-any-return]  # numba has no types


def _numba() -> ModuleType:
    """Import numba."""
    try:
        import numba  # noqa: PLC0415 - heavy: half a second and 60 MB, and planning needs none
    except ModuleNotFoundError as err:
        raise KernelError(
            "numba is not installed, which the storage engine and replay need; "
            "install the extra `replay` (pip install '.[replay]'), or plan with engine='highs'"
        ) from err
    module: ModuleType = numba
    return module


def _callees(kernel: FunctionType) -> Iterator[tuple[str, FunctionType]]:
    """Yield the plain functions of this house that ``kernel`` calls by name."""
    home = Path(__file__).parent.parent
    for name in kernel.__code__.co_names:
        value = kernel.__globals__.get(name)
        if isinstance(value, FunctionType) and home in Path(value.__code__.co_filename).parents:
            yield name, value


def _fingerprint(kernel: FunctionType) -> str:
    """Return a hash of the sources of a kernel and all it calls, and of constants they read."""
    found: set[FunctionType] = set()
    wanted = [kernel]
    while wanted:
        function = wanted.pop()
        if function not in found:
            found.add(function)
            wanted += [callee for _, callee in _callees(function)]
    modules = {function.__module__ for function in found}
    facts = [inspect.getsource(sys.modules[name]) for name in sorted(modules)]
    facts += sorted({constant for function in found for constant in _constants(function)})
    return hashlib.sha256("".join(facts).encode()).hexdigest()[:12]


def _constants(kernel: FunctionType) -> Iterator[str]:
    """Yield the numbers, tuples and fields of named tuples that ``kernel`` reads by name."""
    for name in kernel.__code__.co_names:
        value = kernel.__globals__.get(name)
        value = getattr(value, "_fields", value)
        if isinstance(value, int | float | tuple):
            yield f"{name}={value!r}"


def _base() -> Path | None:
    """Return the folder that holds the caches; None where nothing can be written."""
    beside = Path(__file__).parent / "__pycache__"
    for folder in _FOLDER or (beside, Path(os.path.expanduser("~/.cache/darkstar"))):  # noqa: PTH111 - Path's raises without a home
        if folder.is_absolute() and _writable(folder):
            return folder
    return None


def _writable(folder: Path) -> bool:
    """Return whether ``folder`` is there, or can be made, and takes files.

    Where it does not, numba would keep code in a place of its own, which no hash guards.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
