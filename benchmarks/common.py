"""What all benchmarks share: where results lie and how they are written, time, and errors of a user's making."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from transhash.errors import TransHashError

ROOT = Path(__file__).resolve().parents[1]  # of the repository
RESULTS = ROOT / "benchmarks" / "results"

A = TypeVar("A")


def write(file: Path, results: object) -> None:
    """Write results as JSON."""
    file.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def a_folder(text: str) -> Path:
    """An argument of a program that names a folder."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path


def seconds(action: Callable[..., object], *arguments: object) -> float:
    """How long it takes."""
    return timed(lambda: action(*arguments))[0]


def timed(action: Callable[[], A]) -> tuple[float, A]:
    """Seconds that an action took, and what it gave."""
    began = time.perf_counter()
    given = action()
    return time.perf_counter() - began, given


def program(main: Callable[[], object]) -> None:
    """Run a program; an error that a user can remedy ends it with that sentence and exit code 2."""
    try:
        main()
    except TransHashError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
