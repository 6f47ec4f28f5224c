"""What is shown in a terminal: progress bars, and pictures (kitty's graphics protocol, iTerm2's inline images)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from transhash.cli.output import say
from transhash.progress import Progress

if TYPE_CHECKING:
    from PIL import Image

CHUNK = 4096  # of base64, as kitty has it
SECONDS = 60.0  # from one line of progress in a log to the next
KITTY = ("kitty", "ghostty")
ITERM = ("iTerm.app", "WezTerm", "mintty", "rio", "WarpTerminal")


def on_terminal() -> bool:
    """Whether someone watches."""
    return sys.stderr.isatty()


@contextmanager
def stages(steps: int = 0) -> Iterator[Progress]:
    """Bars on standard error, one a stage; `steps`: of how many, where the work does not know that.

    Where nobody watches, in a log, a line now and then.
    """
    if not on_terminal():
        yield _lines(steps)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:

        def advance(stage: str, done: int, total: int, note: str, /) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or steps or None, rate="", note="")
            speed = bars.tasks[tasks[stage]].speed
            bars.update(tasks[stage], completed=done, note=note, rate=f"{speed:.0f}/s" if speed else "")

        yield advance


def _lines(steps: int) -> Progress:
    """How far the work is, in a sentence for a log; none in the first minute, so that short work says nothing."""
    said = time.monotonic()

    def advance(stage: str, done: int, total: int, note: str, /) -> None:
        nonlocal said
        if time.monotonic() - said >= SECONDS:
            said = time.monotonic()
            whole = total or steps
            of = f" of {whole:,}" if whole else ""
            say(f"{stage}: {done:,}{of}" + (f", {note}" if note else ""))

    return advance


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
    import base64

    text = base64.standard_b64encode(png).decode()
    if language == "iterm":
        yield f"\x1b]1337;File=inline=1;size={len(png)}:{text}\x07"
        return
    for begin in range(0, len(text), CHUNK):
        head = "a=T,f=100,q=2," if begin == 0 else ""
        more = int(begin + CHUNK < len(text))
        yield f"\x1b_G{head}m={more};{text[begin : begin + CHUNK]}\x1b\\"
