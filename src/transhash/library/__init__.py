"""A library: pictures in folders, their codes in a catalogue, and search over them."""

from __future__ import annotations

from transhash.library.library import Library, count_pictures
from transhash.library.results import AnnotationReport, Hit, IndexReport, LibraryInfo, Skipped

__all__ = ["AnnotationReport", "Hit", "IndexReport", "Library", "LibraryInfo", "Skipped", "count_pictures"]
