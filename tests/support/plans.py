"""Plans for a folder with copyN.jpg and keptN.jpg, what is in it afterwards, and plans that wait."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from transhash.library.digests import file_digest
from transhash.library.duplicates import housekeeping
from transhash.library.duplicates.applying import Applied, apply_plan
from transhash.library.duplicates.plan import Action, Plan
from transhash.progress import Progress, silent

WAYS = ("trash", "elsewhere", "hardlink", "symlink", "delete")


def action(path: Path, keep: Path) -> Action:
    size, kept = path.stat().st_size, keep.stat().st_size
    return Action(
        "remove",
        1,
        str(path),
        size,
        file_digest(path).hex(),
        "same-file",
        "",
        str(keep),
        kept,
        file_digest(keep).hex(),
        size,
    )


def plan_for(folder: Path, *pairs: tuple[str, str], reference: tuple[str, ...] = ()) -> Plan:
    """The plan of some pairs (removed, kept), or of all the pairs there are."""
    pairs = pairs or tuple((f"copy{number}.jpg", f"kept{number}.jpg") for number in range(4))
    return Plan((str(folder),), reference, tuple(action(folder / one, folder / other) for one, other in pairs))


def contents(*folders: Path) -> set[bytes]:
    """The digests of all plain files."""
    paths = (path for folder in folders for path in folder.rglob("*"))
    return {file_digest(path) for path in paths if path.is_file() and not path.is_symlink()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class Held:
    """Plans that a library applies: they wait after each file until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moved, self.let = threading.Event(), threading.Event()
        monkeypatch.setattr(housekeeping, "apply_plan", self.apply)

    def apply(self, *given: Any, progress: Progress = silent) -> Applied:
        def wait(stage: str, done: int, total: int, note: str, /) -> None:
            progress(stage, done, total, note)
            self.moved.set()
            assert self.let.wait(20)

        return apply_plan(*given, progress=wait)
