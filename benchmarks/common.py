"""What all benchmarks share: where results lie, and errors of a user's making as one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from transhash.errors import TransHashError

ROOT = Path(__file__).resolve().parents[1]  # of the repository
RESULTS = ROOT / "benchmarks" / "results"


def program(main: Callable[[], object]) -> None:
    """Run a program; an error that a user can remedy ends it with that sentence and exit code 2."""
    try:
        main()
    except TransHashError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
