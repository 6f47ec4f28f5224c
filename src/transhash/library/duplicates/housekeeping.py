"""Plans that a library applies itself: written beside its catalogue, applied with a log, noted in the catalogue, and
undone.

The files are those of `transhash duplicates --plan` and `transhash apply`, so that `transhash undo` reads them too.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from transhash.errors import LibraryError
from transhash.library.duplicates.applying import WAYS, Applied, apply_plan
from transhash.library.duplicates.plan import Plan, read_plan, write_plan
from transhash.library.duplicates.undoing import Undone, undo_log
from transhash.progress import Progress, silent
from transhash.system import make_folders

if TYPE_CHECKING:
    from transhash.library.library import Library

FOLDER = "applied"  # beside the catalogue
_NAME = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")


def checked_target(to: str) -> str:
    """Where a library may put removed files: "trash", or a folder by its whole path.

    Raises `LibraryError` for ways that cannot be undone or replace files by links.
    """
    if to in WAYS and to != "trash":
        raise LibraryError(to, "not a place from which files come back", "name trash or a folder")
    return to if to == "trash" else os.path.abspath(to)


def new_name() -> str:
    """A name for a plan, by which `undo_here` brings back what it removed."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


def apply_here(library: Library, plan: Plan, to: str, name: str, progress: Progress = silent) -> Applied:
    """Apply a plan to files of a library; pictures that have gone are no longer found by search.

    `name` is a `new_name`. Raises `LibraryError` as `apply_plan`.
    """
    file = _file(library, name)
    make_folders(file.parent)
    write_plan(file, plan)
    progress("removing", 0, len(plan.removals), "")
    try:
        return apply_plan(plan, to, _log(file), progress=progress)
    finally:
        _note(library, plan)


def undo_here(library: Library, name: str, progress: Progress = silent) -> Undone:
    """Bring back what a plan removed; raises `LibraryError` for a name of no plan that was applied here."""
    file = _file(library, name)
    if not _NAME.fullmatch(name) or not _log(file).is_file():
        raise LibraryError("", "no plan of this name was applied here", "name one that was")
    plan = read_plan(file)
    try:
        return undo_log(_log(file), progress)
    finally:
        _note(library, plan)


def _file(library: Library, name: str) -> Path:
    return library.path / FOLDER / f"{name}.jsonl"


def _log(plan: Path) -> Path:
    return plan.with_name(f"{plan.name}.log")


def _note(library: Library, plan: Plan) -> None:
    """Tell the catalogue which files of a plan are there."""
    pictures = library.catalogue.pictures
    now = time.time_ns()
    with library.catalogue.writing():
        for action in plan.removals:
            folder, name = os.path.split(os.fsencode(action.path))
            stored = library.places.stored(folder)
            id_ = pictures.at(stored, name)
            if not os.path.lexists(action.path):
                pictures.vanish(stored, name, now)
            elif id_ is not None:
                pictures.restore(id_)
