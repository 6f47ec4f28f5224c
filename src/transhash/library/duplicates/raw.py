"""RAW files and the pictures that a camera wrote with them: told by their names, since RAW files are not read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from transhash.images.kinds import RAW_SUFFIXES
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.metadata import Folders
from transhash.library.duplicates.reading import STILL
from transhash.library.results import Copy, Duplicates

NO_ID = -1  # of a RAW file: it is no picture of the library, so that no plan names it


def raw_groups(pictures: Iterable[Copy]) -> list[Duplicates]:
    """A group for each RAW file with the pictures of its name in its folder, by the paths of the RAW files."""
    folders = Folders()
    found: dict[Path, list[Copy]] = {}
    for picture in pictures:
        if picture.path.suffix.lower() in STILL:
            for name in folders.beside(picture.path):
                if os.path.splitext(name)[1].lower() in RAW_SUFFIXES:
                    found.setdefault(picture.path.parent / name, []).append(picture)
    kind = str(Kind.RAW_JPEG)
    groups = []
    for path in sorted(found, key=os.fsencode):
        same = [replace(each, kind=kind, identical=False, why=f"has the name of {path.name}") for each in found[path]]
        try:
            size = path.lstat().st_size
        except OSError:  # it has gone meanwhile
            continue
        groups.append(Duplicates(Copy(path, NO_ID, 0, 0, size, 0, identical=False, kind=kind), same, "it is RAW"))
    return groups
