"""A library: pictures in folders, their codes in a catalogue, and search over them."""

from __future__ import annotations

from transhash.library.library import Library, count_pictures
from transhash.library.results import Copy, Duplicates, DuplicatesReport, Hit, IndexReport, LibraryInfo, Skipped
from transhash.library.watch import watch

__all__ = [
    "Copy",
    "Duplicates",
    "DuplicatesReport",
    "Hit",
    "IndexReport",
    "Library",
    "LibraryInfo",
    "Skipped",
    "count_pictures",
    "watch",
]
