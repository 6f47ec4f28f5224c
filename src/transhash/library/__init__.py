"""A library: pictures in folders, their codes in a catalogue, and search over them."""

from __future__ import annotations

from transhash.library.files.watching import watch
from transhash.library.library import Library, count_pictures
from transhash.library.live import LiveLibrary
from transhash.library.results import (
    AnnotationReport,
    Copy,
    Duplicates,
    DuplicatesReport,
    Facets,
    Hit,
    ImportReport,
    IndexReport,
    LibraryInfo,
    Picture,
    Problem,
    Skipped,
    Verification,
)

__all__ = [
    "AnnotationReport",
    "Copy",
    "Duplicates",
    "DuplicatesReport",
    "Facets",
    "Hit",
    "ImportReport",
    "IndexReport",
    "Library",
    "LibraryInfo",
    "LiveLibrary",
    "Picture",
    "Problem",
    "Skipped",
    "Verification",
    "count_pictures",
    "watch",
]
