"""A job that is cut short, and what jobs have in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import typer
from PIL import Image

from transhash import cli

State = dict[str, str]
Mark = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """Something that is cut short, in a folder of its own."""

    name: str
    prepare: Callable[[Path], object]
    run: Callable[[Path, Mark], object]  # calls the mark with an entry of the state, or a step, that it acknowledges
    state: Callable[[Path], State]
    again: Callable[[Path], object] | None = None  # to go on after a cut; by default it is run again
    sound: Callable[[Path], list[str]] = lambda home: []  # problems that are found


@cache
def _program() -> Callable[..., None]:
    """The command line, built once."""
    return typer.main.get_command(cli.app)


def transhash(*words: object) -> None:
    """Run the program in this process; raises `SystemExit`."""
    _program()(list(map(str, words)), prog_name="transhash")


def done(*words: object) -> None:
    """Run the program to its end; raises `RuntimeError` when it does not succeed."""
    try:
        transhash(*words)
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"transhash {words[0]} ended with {ended.code}") from None


def draw(path: Path, seed: int) -> None:
    """A picture of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    os.utime(path, (1.6e9 + seed, 1.6e9 + seed))
