"""What is skipped below a folder that is encoded: what `transhash index` skips, on a disk or in an object store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from transhash.bulk.files import GO_ON, Place, reason
from transhash.errors import DataError
from transhash.images.ignore import DEFAULTS, IGNORE_FILE, MAX_BYTES, Ignore, around

LIBRARY = "catalogue.sqlite"  # in a folder that is a library, with small copies of its pictures


def left(root: Place, paths: Iterable[str]) -> Iterator[str]:
    """The paths below a folder, of all that there are, that are neither hidden nor below a library nor to be ignored.

    Raises `DataError` for a `.transhashignore` that cannot be read.
    """
    top = root.path.rstrip("/")
    place = os.path.realpath(top) if root.is_local else top
    found = {path: path[len(top) :].lstrip("/") for path in paths}
    known: dict[str, Ignore | None] = {}
    lists, libraries = (
        {folder_of(below) for below in found.values() if below.rpartition("/")[2] == name}
        for name in (os.fsdecode(IGNORE_FILE), LIBRARY)
    )

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
                above = Ignore(whole(folder), _read(root, folder), above)
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


def _read(root: Place, folder: str) -> bytes:
    at = root.below(f"{folder}/{os.fsdecode(IGNORE_FILE)}".lstrip("/"))
    try:
        with at.files.open(at.path, "rb") as file:
            found: bytes = file.read(MAX_BYTES + 1)
    except Exception as error:  # of a network, perhaps, and each file system has errors of its own
        raise DataError(at.url, f"cannot be read ({reason(error)})", GO_ON) from error
    if len(found) > MAX_BYTES:
        raise DataError(at.url, "longer than 1 MB", "shorten it")
    return found
