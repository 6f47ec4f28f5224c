"""What is skipped below a folder that is encoded: what `transhash index` skips, on a disk or in an object store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

from transhash.bulk.files import GO_ON, Place, reason
from transhash.errors import DataError
from transhash.images.ignore import DEFAULTS, IGNORE_FILE, Ignore, around, listed

LIBRARY = "catalogue.sqlite"  # in a folder that is a library, with small copies of its pictures
_OURS = b"THlb"  # in its header


def left(root: Place, paths: Iterable[str]) -> Iterator[str]:
    """The paths below a root without what patterns name, and without those in hidden folders and in libraries.

    Raises `DataError` for a `.transhashignore` that cannot be read.
    """
    top = root.path.rstrip("/")
    place = os.path.realpath(top) if root.is_local else top
    found = {path: path[len(top) :].lstrip("/") for path in paths}
    known: dict[str, Ignore | None] = {}

    def with_a(name: str) -> set[str]:
        """The folders that have a file of this name."""
        return {folder_of(below) for below in found.values() if below.rpartition("/")[2] == name}

    lists = with_a(os.fsdecode(IGNORE_FILE))
    libraries = {folder for folder in with_a(LIBRARY) if _is_library(root, folder)}

    def whole(below: str) -> bytes:
        return os.fsencode(f"{place}/{below}" if place and below else place or below)

    def inside(folder: str) -> Ignore | None:
        """The patterns that hold in a folder; None where it is skipped itself."""
        if folder not in known:
            above = inside(folder_of(folder)) if folder else _above(root, place)
            if folder and (folder.rpartition("/")[2].startswith(".") or folder in libraries):
                above = None
            if folder and above is not None and (whole(folder), True) in above:
                above = None
            if above is not None and folder in lists:
                above = _read(root, folder, whole(folder), above)
            known[folder] = above
        return known[folder]

    for path, below in found.items():
        patterns = inside(folder_of(below))
        if patterns is not None and not (patterns.concerns_files and (whole(below), False) in patterns):
            yield path


def folder_of(below: str) -> str:
    """The folder of something below a root, itself below it; empty for the root."""
    return below.rpartition("/")[0]


def _above(root: Place, place: str) -> Ignore:
    try:
        return around(os.fsencode(place)) if root.is_local else Ignore(b"", DEFAULTS, None)
    except OSError as error:
        raise DataError(root.url, f"what to skip cannot be read ({reason(error)})", GO_ON) from error


def _is_library(root: Place, folder: str) -> bool:
    at = root.below(f"{folder}/{LIBRARY}".lstrip("/"))
    with suppress(OSError), at.files.open(at.path, "rb") as file:
        return bool(file.read(72)[68:] == _OURS)
    return False


def _read(root: Place, folder: str, whole: bytes, above: Ignore) -> Ignore:
    at = root.below(f"{folder}/{os.fsdecode(IGNORE_FILE)}".lstrip("/"))
    try:
        with at.files.open(at.path, "rb") as file:
            return listed(whole, file, above)
    except Exception as error:  # of a network, perhaps, and each file system has errors of its own
        raise DataError(at.url, f"cannot be read ({reason(error)})", GO_ON) from error
