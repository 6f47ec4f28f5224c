"""A search for duplicates in a library, from what is asked to what is found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transhash.errors import LibraryError
from transhash.library.duplicates.contents import Contents
from transhash.library.duplicates.groups import Search, Wishes
from transhash.library.duplicates.kinds import kinds_of
from transhash.library.duplicates.neighbours import MOST
from transhash.library.duplicates.verdicts import Verdicts
from transhash.library.files.paths import Places
from transhash.library.files.thumbnails import Thumbnails
from transhash.library.files.walk import Folders, roots
from transhash.library.fitting import are_fitted
from transhash.library.results import DuplicatesReport
from transhash.progress import Progress

if TYPE_CHECKING:
    from transhash.library.catalogue.catalogue import Catalogue
    from transhash.library.library import Library


def wishes_of(kinds: Sequence[str], keep: Sequence[str], reference: Folders, within: bool, library: Path) -> Wishes:
    """The wishes that `Library.duplicates` describes, and the verdicts that a library keeps."""
    return Wishes(
        kinds=kinds_of(kinds),
        keep=tuple(keep),
        reference=tuple(map(os.fsdecode, roots(reference))),
        within=within,
        not_duplicates=Verdicts(library).pairs(),
    )


def search_for(
    library: Library,
    max_distance: int,
    folders: Folders | None,
    wishes: Wishes,
    progress: Progress,
) -> DuplicatesReport:
    """The groups that `Library.duplicates` describes."""
    catalogue, places = library.catalogue, library.places
    named = [] if folders is None else [roots(folders)]
    references = [[os.fsencode(each)] for each in wishes.reference]
    with catalogue.reading():
        for some in (*named, *references):
            if not any(catalogue.pictures.contents(_ranges(places, some))):
                shown = ", ".join(map(os.fsdecode, some))
                reason = f"no picture of the library {library.path} lies below it"
                raise LibraryError(shown, reason, "run `transhash index` on the folder")
        every = roots(os.fsdecode(each) for some in (*named, *references) for each in some)
        contents = _contents(catalogue, _ranges(places, every) if named else None)

    def paths(ids: list[int]) -> dict[int, str]:
        with catalogue.reading():
            placed = catalogue.pictures.placed(ids)
        return {id_: os.fsdecode(os.path.join(places.on_disk(one.folder), one.name)) for id_, one in placed.items()}

    join = library.codes().join(max_distance, ids=contents.ids)
    contents = contents.of_some(join.ids)  # without what has gone in between
    embeddings = _embeddings(library, contents) if are_fitted(library.searching.own) else None
    thumbnails = Thumbnails(library.path)
    return Search(contents, join, paths, progress, wishes=wishes, thumbnails=thumbnails, embeddings=embeddings).run()


def contents_now(library: Library) -> Contents:
    """What a catalogue knows of all pictures that search can find; raises `LibraryError` for a damaged one."""
    with library.catalogue.reading():
        return _contents(library.catalogue, None)


def _contents(catalogue: Catalogue, ranges: list[tuple[bytes, bytes]] | None) -> Contents:
    try:
        return Contents.of(catalogue.pictures.contents(ranges))
    except ValueError as error:
        raise catalogue.damaged() from error


def _ranges(places: Places, folders: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    return [each for folder in folders for each in places.ranges(folder)]


def _embeddings(library: Library, contents: Contents) -> NDArray[np.int8] | None:
    """The embeddings of these pictures; None where some have none."""
    if not 0 < len(contents.ids) <= MOST:
        return None
    found: NDArray[np.int8] | None = None
    known = np.zeros(len(contents.ids), np.bool_)
    with library.catalogue.reading():
        for ids, page in library.catalogue.embeddings.pages():
            places = np.searchsorted(contents.ids, ids)
            mine = (places < len(contents.ids)) & (contents.ids[np.minimum(places, len(contents.ids) - 1)] == ids)
            if found is None:
                found = np.zeros((len(contents.ids), page.shape[1]), np.int8)
            found[places[mine]] = page[mine]
            known[places[mine]] = True
    return found if known.all() else None
