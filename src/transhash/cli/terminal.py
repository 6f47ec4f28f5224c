"""What is shown in a terminal: progress bars, and pictures (kitty's graphics protocol, iTerm2's inline images)."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from transhash.cli.output import say

if TYPE_CHECKING:
    from PIL import Image

CHUNK = 4096  # of base64, as kitty has it
KITTY = ("kitty", "ghostty")
ITERM = ("iTerm.app", "WezTerm", "mintty", "rio", "WarpTerminal")


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


def protocol(environment: Mapping[str, str]) -> str | None:
    """What the terminal understands: "kitty", "iterm", or None."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if environment.get("TMUX") or term.startswith(("screen", "tmux", "dumb")):
        return None  # what stands between does not pass pictures on
    if environment.get("KITTY_WINDOW_ID") or any(name in term or name == program for name in KITTY):
        return "kitty"
    if program in ITERM or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    return None


def show(image: Image.Image) -> None:
    """Show a picture in the terminal, or say that it cannot."""
    language = protocol(os.environ) if sys.stdout.isatty() else None
    if language is None:
        say(
            "--show: this is no terminal that is known to show pictures (kitty, Ghostty, iTerm2, WezTerm …); use "
            "--sheet FILE to have them in a file"
        )
        return
    data = BytesIO()
    image.save(data, "PNG")
    for part in escapes(data.getvalue(), language):
        sys.stdout.write(part)
    sys.stdout.write("\n")


def escapes(png: bytes, language: str) -> Iterator[str]:
    """What to write for a PNG file to appear."""
    text = base64.standard_b64encode(png).decode()
    if language == "iterm":
        yield f"\x1b]1337;File=inline=1;size={len(png)}:{text}\x07"
        return
    for begin in range(0, len(text), CHUNK):
        head = "a=T,f=100,q=2," if begin == 0 else ""
        more = int(begin + CHUNK < len(text))
        yield f"\x1b_G{head}m={more};{text[begin : begin + CHUNK]}\x1b\\"
