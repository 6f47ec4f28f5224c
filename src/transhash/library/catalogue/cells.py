"""What may stand in a cell of a catalogue: a library may come from anyone, and SQLite keeps any type in any column."""

from __future__ import annotations

import os
import re
from functools import lru_cache

_NAME = re.compile(b"(?!\\.{1,2}\\Z)[^\\0%b]+" % re.escape(f"{os.sep}{os.altsep or ''}".encode()), re.DOTALL)


def is_name(value: object) -> bool:
    """Whether it is the name of a file in a folder, one that leads nowhere else."""
    return isinstance(value, bytes) and _NAME.fullmatch(value) is not None


@lru_cache(1 << 12)  # many pictures are in few folders
def is_folder(value: object) -> bool:
    """Whether it is a stored folder (`transhash.library.files.paths`): absolute, or one that stays below the base."""
    return isinstance(value, bytes) and b"\0" not in value and b".." not in value.replace(b"\\", b"/").split(b"/")


def is_count(value: object) -> bool:
    """Whether it is a whole number of something."""
    return isinstance(value, int) and value >= 0


def is_coded(width: object, height: object, code: object, reason: object, remedy: object, taken: object) -> bool:  # noqa: PLR0917
    """Whether it is what became of a file: pixels and a code, or a reason and its remedy."""
    if not (is_count(width) and is_count(height) and isinstance(taken, int | None)):
        return False
    if code is None:
        return reason is not None and is_fault(reason, remedy)
    return isinstance(code, bytes) and reason is None


def is_fault(reason: object, remedy: object) -> bool:
    """Whether it is a reason with its remedy, or neither."""
    return (isinstance(reason, str) and isinstance(remedy, str)) or (reason is None and remedy is None)


def is_kept(value: object) -> bool:
    """Whether it is an embedding, or nothing."""
    return isinstance(value, bytes | None)
