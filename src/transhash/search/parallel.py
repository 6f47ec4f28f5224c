"""Threads for the kernels. They release the GIL, so Python's own threads do, from any thread, on any platform."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from transhash.system import processors

A = TypeVar("A")
B = TypeVar("B")

_pool: ThreadPoolExecutor | None = None


def workers() -> int:
    """Threads to use: TRANSHASH_THREADS, or the processors that this process may run on."""
    wanted = os.environ.get("TRANSHASH_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return processors()


def spread(task: Callable[[A], B], pieces: Iterable[A]) -> list[B]:
    """`[task(piece) for piece in pieces]`, side by side when there is more than one."""
    pieces = list(pieces)
    if len(pieces) < 2 or workers() == 1:
        return [task(piece) for piece in pieces]
    global _pool  # noqa: PLW0603
    if _pool is None:
        _pool = ThreadPoolExecutor(workers(), thread_name_prefix="transhash-search")
    return list(_pool.map(task, pieces))


def cuts(total: int, parts: int, step: int = 1) -> list[tuple[int, int]]:
    """Cut `range(total)` into at most `parts` runs of nearly equal length, each but the last a multiple of `step`."""
    length = max(step, -(-total // max(1, parts) // step) * step)
    return [(begin, min(begin + length, total)) for begin in range(0, total, length)]


def _forget_pool() -> None:
    global _pool  # noqa: PLW0603
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # threads do not survive a fork
