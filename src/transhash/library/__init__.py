"""A library: pictures in folders, their codes in a catalogue, and search over them."""

from __future__ import annotations

from transhash.library.files.walk import count_pictures
from transhash.library.files.watching import watch
from transhash.library.library import Library
from transhash.library.live import LiveLibrary
from transhash.library.results import (
    AnnotationReport,
    Copy,
    Duplicates,
    DuplicatesReport,
    Facets,
    ImportReport,
    IndexReport,
    LibraryInfo,
    Problem,
    Skipped,
    Verification,
)
from transhash.library.searchable import Hit, Mixture, Options, Picture, Queries, Searchable, Words

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
    "Mixture",
    "Options",
    "Picture",
    "Problem",
    "Queries",
    "Searchable",
    "Skipped",
    "Verification",
    "Words",
    "count_pictures",
    "watch",
]
