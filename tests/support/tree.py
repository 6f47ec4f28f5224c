"""Trees of empty files, and what a walk finds in one."""

from __future__ import annotations

import os
from pathlib import Path

from transhash.library.files.walk import walk


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root: Path) -> list[str]:
    root_bytes = os.fsencode(root)
    return [
        os.fsdecode(os.path.relpath(os.path.join(folder.path, name), root_bytes))
        for folder in walk(root_bytes)
        for name in folder.names
    ]
