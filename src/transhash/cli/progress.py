"""A progress bar on a terminal, and silence in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def on_terminal() -> bool:
    """Whether someone watches."""
    return sys.stderr.isatty()


@contextmanager
def stages() -> Iterator[Callable[[str, int, int | None, str], None]]:
    """Bars on standard error, one a stage; call what it gives with (stage, done so far, of how many, remark)."""
    if not on_terminal():
        yield lambda what, done, total, remark: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def advance(what: str, done: int, total: int | None, remark: str) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total, rate="", remark="")
            speed = progress.tasks[tasks[what]].speed
            progress.update(tasks[what], completed=done, remark=remark, rate=f"{speed:.0f}/s" if speed else "")

        yield advance


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Callable[[int, str], None]]:
    """One bar, for `total` steps (None: unknown); call what it gives with the steps done so far and a remark."""
    with stages() as advance:
        advance(what, 0, total, "")
        yield lambda done, remark: advance(what, done, total, remark)
