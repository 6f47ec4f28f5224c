"""Kernels: functions that Numba compiles once on a machine and keeps, telling the user while it does."""

from __future__ import annotations

import logging
import os
import pickle
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core import event
from numba.core.caching import FunctionCache
from numba.core.compiler_lock import global_compiler_lock

from transhash.errors import TransHashError

_DAMAGE = (OSError, EOFError, pickle.UnpicklingError, ValueError, LookupError, TypeError, AttributeError, ImportError)


def kernel(function: Callable[..., Any]) -> Any:
    """A function to call: compiled for each kind of arguments, without the interpreter's lock, and kept on disk.

    Kept in the first of these folders that can be written, or that has it already (an image of a container, an
    installation by somebody else): `NUMBA_CACHE_DIR`, the package's own, the user's cache. Where there is none, each
    process compiles for itself.
    """
    return _keeping(function, numba.njit(nogil=True)(function))


def summing(function: Callable[..., Any]) -> Any:
    """As `kernel`, but sums are taken in any order, which the last digits show: many numbers are added at once."""
    return _keeping(function, numba.njit(nogil=True, fastmath={"reassoc", "contract", "nsz"})(function))


def _keeping(function: Callable[..., Any], compiled: Any) -> Any:
    with suppress(RuntimeError, OSError, AttributeError):  # no folder to keep it in, or a Numba that keeps it otherwise
        compiled._cache = _Kept(function)
    return compiled


def inlined(function: Callable[..., Any]) -> Any:
    """A function that becomes a part of the kernels that call it."""
    return numba.njit(nogil=True, inline="always")(function)


def _or_read(locator: type[Any]) -> type[Any]:
    """A locator of Numba's that takes a folder, although it cannot be written, when this function is kept in it."""

    class Locator(locator):  # type: ignore[misc]
        def __init__(self, function: Callable[..., Any], file: str) -> None:
            super().__init__(function, file)
            self._name = function.__name__
            self.keeps = True  # what is compiled from now on

        def ensure_cache_path(self) -> None:
            try:
                super().ensure_cache_path()
            except OSError:
                self.keeps = False
                kept = f"*.{self._name}-{self.get_disambiguator()}.*.nbi"
                if not any(Path(self.get_cache_path()).glob(kept)):
                    raise

    return Locator


class _Places(FunctionCache._impl_class):  # type: ignore[misc]
    _locator_classes = tuple(map(_or_read, FunctionCache._impl_class._locator_classes))


class _Kept(FunctionCache):  # type: ignore[misc]
    """Compiled code on disk: used where it can be read, written where it can be written, and else no trouble."""

    _impl_class = _Places

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = _SOURCES

    @property
    def keeps(self) -> bool:
        """Whether the folder can be written."""
        return bool(self._impl.locator.keeps)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was kept for these arguments; None when there is nothing whole."""
        try:
            return super().load_overload(sig, target_context)
        except _DAMAGE:
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it, if the disk allows it."""
        with suppress(*_DAMAGE):
            super().save_overload(sig, data)


def _checksum() -> int:
    """Of all code that can be a part of a kernel.

    Numba takes what it has kept for a file by that file's date and size. But a kernel contains functions of other
    files too, and installed packages may give every version's files the same date: an update would go on with old
    kernels, or a mixture.
    """
    folder = Path(__file__).parent
    total = 0
    rooms = ("search", "evaluation", "shallow", "library/duplicates")
    for path in sorted([Path(__file__), *(path for room in rooms for path in folder.glob(f"{room}/*.py"))]):
        total = zlib.crc32(path.read_bytes(), total)
    return total


class _Announcer(event.Listener):  # type: ignore[misc]
    """Tells, once in a process, that a kernel is being compiled."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        if not self.said and dispatcher.py_func.__module__.startswith("transhash."):
            self.said = True
            logging.getLogger("transhash").warning(
                "compiling for this machine: once, up to a minute"
                if isinstance(dispatcher._cache, _Kept) and dispatcher._cache.keeps
                else "compiling for this machine, up to a minute in each process: no folder can be written to keep "
                "the result in; set NUMBA_CACHE_DIR to one"
            )

    def on_end(self, event: Any) -> None:
        pass


if numba.config.DISABLE_JIT:
    raise TransHashError(
        "", "NUMBA_DISABLE_JIT is set, but the kernels cannot run without Numba's compiler", "unset it"
    )
_SOURCES = ("transhash", _checksum())
event.register("numba:compile", _Announcer())
if hasattr(os, "register_at_fork"):  # a child must not inherit the compiler's lock from a thread that it does not have
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
