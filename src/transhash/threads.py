"""Threads for work that releases the interpreter's lock, kernels and NumPy: from any thread, at any moment."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from transhash.errors import TransHashError
from transhash.system import processors

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")

MOST = 1024  # threads that may be asked for

_pool: ThreadPoolExecutor | None = None


def workers() -> int:
    """Threads to use: TRANSHASH_THREADS, or as many as there are cores that this process may run on.

    Raises `TransHashError` when TRANSHASH_THREADS is not a whole number from 1 to 1,024.
    """
    setting = os.environ.get("TRANSHASH_THREADS", "").strip()
    if not setting:
        return processors()
    if not (setting.isascii() and setting.isdigit() and len(setting) <= len(str(MOST)) and 1 <= int(setting) <= MOST):
        raise TransHashError(
            "TRANSHASH_THREADS",
            f"it is {setting!r:.40}",
            f"set a whole number from 1 to {MOST:,}, or unset it for all cores",
        )
    return int(setting)


def spread(task: Callable[[A], B], pieces: Iterable[A]) -> list[B]:
    """`[task(piece) for piece in pieces]`, side by side when there is more than one.

    The calling thread works too, and does all of it where no other thread can: inside a piece of another call, or when
    the main thread has ended.
    """
    pieces = list(pieces)
    if len(pieces) < 2 or workers() == 1:
        return [task(piece) for piece in pieces]
    from concurrent.futures import wait

    waiting = deque(range(len(pieces)))
    results: dict[int, B] = {}

    def work() -> None:
        while True:
            try:
                number = waiting.popleft()
            except IndexError:
                return
            try:
                results[number] = task(pieces[number])
            except BaseException:
                waiting.clear()  # the others stop
                raise

    helpers: list[Future[None]] = []
    with suppress(RuntimeError):  # no thread can be started, as at the end of the interpreter
        for _ in range(min(len(pieces), workers()) - 1):
            helpers.append(_shared_pool().submit(work))
    try:
        work()
    finally:
        helpers = [helper for helper in helpers if not helper.cancel()]
        wait(helpers)
    for helper in helpers:
        helper.result()
    return [results[number] for number in range(len(pieces))]


def submit(pool: ThreadPoolExecutor, task: Callable[P, B], *arguments: P.args, **options: P.kwargs) -> Future[B]:
    """As `pool.submit`; in the calling thread where no other can be started."""
    try:
        return pool.submit(task, *arguments, **options)
    except RuntimeError:
        from concurrent.futures import Future

        done: Future[B] = Future()
        try:
            done.set_result(task(*arguments, **options))
        except BaseException as error:
            done.set_exception(error)
        return done


def cuts(total: int, parts: int, step: int = 1) -> list[tuple[int, int]]:
    """Cut `range(total)` into at most `parts` runs of nearly equal length, each but the last a multiple of `step`."""
    length = max(step, -(-total // max(1, parts) // step) * step)
    return [(begin, min(begin + length, total)) for begin in range(0, total, length)]


def _shared_pool() -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603
    if _pool is None:
        from concurrent.futures import ThreadPoolExecutor  # a RuntimeError at the end of the interpreter

        _pool = ThreadPoolExecutor(workers(), thread_name_prefix="transhash")
    return _pool


def _forget_pool() -> None:
    global _pool  # noqa: PLW0603
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # threads do not survive a fork
