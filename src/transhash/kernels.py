"""Kernels: functions that Numba compiles once on a machine and keeps, telling the user while it does."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import event


def kernel(function: Callable[..., Any]) -> Any:
    """A function to call: compiled for each kind of arguments, without the interpreter's lock, and kept on disk."""
    compiled = numba.njit(nogil=True, cache=True)(function)
    try:
        compiled._cache._cache_file._source_stamp = _SOURCES
    except AttributeError:  # a Numba that keeps its cache otherwise: better slow than wrong
        return numba.njit(nogil=True)(function)
    return compiled


def inlined(function: Callable[..., Any]) -> Any:
    """A function that becomes a part of the kernels that call it."""
    return numba.njit(nogil=True, inline="always")(function)


def _checksum() -> int:
    """Of all code that can be a part of a kernel.

    Numba takes what it has kept for a file by that file's date and size. But a kernel contains functions of other
    files too, and installed packages may give every version's files the same date: an update would go on with old
    kernels, or a mixture.
    """
    folder = Path(__file__).parent
    total = 0
    rooms = ("search", "evaluation", "shallow")
    for path in sorted([Path(__file__), *(path for room in rooms for path in folder.glob(f"{room}/*.py"))]):
        total = zlib.crc32(path.read_bytes(), total)
    return total


class _Announcer(event.Listener):  # type: ignore[misc]
    """Tells, once in a process, that a kernel is being compiled."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        if not self.said and function.__module__.startswith("transhash."):
            self.said = True
            logging.getLogger("transhash").warning("compiling for this machine: once, some ten seconds")

    def on_end(self, event: Any) -> None:
        pass


_SOURCES = ("transhash", _checksum())
event.register("numba:compile", _Announcer())
