"""Keeping a library current: look again and again, and outlast folders and drives that are away for a while."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from transhash.errors import LibraryError
from transhash.library.files.walk import Folders
from transhash.library.library import Library
from transhash.library.opening import file_of
from transhash.library.results import IndexReport, Skipped


def watch(
    library: Library,
    folders: Folders,
    *,
    interval: float = 5.0,
    known: IndexReport | None = None,
    trouble: Callable[[str], object] = lambda sentence: None,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[IndexReport]:
    """Bring a library up to date every `interval` seconds, for ever; gives the reports of runs that changed something.

    `known` is the report of the run before, whose skipped files are no news. While a folder or the library itself
    cannot be reached, nothing is lost: `trouble` is called with what is wrong, and again when it is over. A run that
    takes longer than the interval is followed by a pause as long as itself.
    """
    folders = [folders] if isinstance(folders, str | os.PathLike) else list(folders)
    skipped = set(known.skipped) if known else set[Skipped]()
    said = ""
    opened: tuple[int, int] | None = None  # the file of the catalogue
    pause = interval
    while True:
        wait(pause)
        began = time.monotonic()
        try:
            file = file_of(library.path)
            if file != opened:  # what it has open may be of a drive that is gone, or below one that has come
                library.reopen()
                opened = file
            report = library.index(folders)
        except LibraryError as error:
            if str(error) != said:
                trouble(f"{error}; waiting until that works again")
            said = str(error)
            opened = None
            continue
        if said:
            trouble("the library is kept current again")
            said = ""
        pause = max(interval, time.monotonic() - began)
        is_changed = report.added or report.updated or report.embedded or report.moved or report.removed
        if is_changed or report.fitted or set(report.skipped) - skipped:
            yield report
        skipped = set(report.skipped)
