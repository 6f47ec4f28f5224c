"""Search in a library that is a folder: its model, its codes in memory, and filters over its catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transhash.errors import LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.records import Revision
from transhash.library.code_index import CodeIndex
from transhash.library.files.paths import Places
from transhash.library.models import LibraryModel
from transhash.library.opening import CODES
from transhash.library.pictures import described
from transhash.library.ranking import CANDIDATES, Near, by_likeness, nearest, ranked
from transhash.library.searchable import Hit, Options, Picture, Queries
from transhash.model.embedder import Embedder
from transhash.model.encoder import is_hash_model

if TYPE_CHECKING:
    from transhash.model import Encoder
    from transhash.search import HammingIndex


class LocalSearch:
    """What finds the nearest codes of a library in a folder. Safe to use from any thread."""

    def __init__(self, path: Path, catalogue: Catalogue, places: Places, model: Encoder | None) -> None:
        """`model`: the library's, if it is open already.

        Raises `LibraryError` when the codes do not come from it; the catalogue is closed then.
        """
        self.path = path
        self.address = str(path)
        self._catalogue = catalogue
        self._places = places
        try:
            self.own = LibraryModel(catalogue, self.address, model)
        except BaseException:
            catalogue.close()
            raise
        self.index = CodeIndex(self.own.facts.bits, path / CODES)
        self._last: tuple[tuple[str, Revision], NDArray[np.int64]] | None = None  # filter, and what passed it

    @property
    def bits(self) -> int:
        """Length of the codes."""
        return self.own.facts.bits

    @property
    def model(self) -> Encoder:
        """The model that the codes come from; raises `LibraryError` when it cannot be found."""
        return self.own.open()

    def codes(self) -> HammingIndex:
        """The codes of all pictures that search can find, brought up to date."""
        index = self.index.refresh(self._catalogue)
        return self.index.refresh(self._catalogue) if self.own.refresh() else index

    def hits(self, queries: Queries, options: Options) -> list[list[Hit]]:
        """The hits of each query, nearest first; raises what `ranked` raises."""
        if options.collapse:
            from transhash.library.duplicates.collapsing import different  # which compiles kernels

            return different(self, queries, options)
        return ranked(self, queries, options).hits

    def nearest(self, queries: Queries, k: int, where: str | None) -> Near:
        """The distances int32 [Q, k] and ids int64 [Q, k] of the k nearest pictures; some may be gone meanwhile.

        Nearest by code. Where embeddings order (`by_embeddings`), they do so for the first `CANDIDATES`.
        """
        index = self.codes()
        return self.nearest_of(index, queries, k, None if where is None else self._passing(where))

    def nearest_of(self, index: HammingIndex, queries: Queries, k: int, allowed: NDArray[np.int64] | None) -> Near:
        """The same in codes that the library had at some moment, of those with `allowed` ids if given."""
        kept, layers = queries.embeddings, self.own.layers
        if kept is None or not self.by_embeddings:
            return nearest(index, queries, k, allowed)
        if layers:  # those of this moment: another process may have fitted since
            queries = Queries(layers.head.codes(kept), None, kept)
        return by_likeness(nearest(index, queries, max(k, CANDIDATES), allowed), kept, self.embeddings, k)

    @property
    def by_embeddings(self) -> bool:
        """Whether embeddings order the nearest pictures: vectors, fitted codes, a calibrated model.

        Other models' own codes keep the order of their distances, which the calibration of these speaks of.
        """
        if self.own.layers is not None:
            return True
        model = self.model
        return isinstance(model, Embedder) or (is_hash_model(model) and model.likeness is not None)

    def embeddings(self, ids: Iterable[int]) -> dict[int, bytes]:
        """Embeddings of pictures, int8, by id; those that have none are left out."""
        with self._catalogue.reading():
            return self._catalogue.embeddings.of(ids)

    def rows(self, ids: list[int]) -> dict[int, Picture]:
        """What is known of the pictures that `nearest` found; raises `LibraryError` for ids of another library."""
        with self._catalogue.reading():
            found = described(self._catalogue, self._places, ids)
            if len(found) < len(ids) and self.index.revision == self._catalogue.revision():
                raise LibraryError(self.address, "the file of its codes is not of its catalogue", "delete that file")
        return found

    def passing(self, where: str | None, stop: Callable[[], bool] | None) -> NDArray[np.int64]:
        """As `Library.passing`."""
        ids = self.codes().ids
        if where is None:
            return ids
        with self._catalogue.database.stoppable(stop or (lambda: False)):
            return np.intersect1d(ids, self._passing(where), assume_unique=True)

    def _passing(self, where: str) -> NDArray[np.int64]:
        """The ids that pass a filter; the last filter's are kept, for many queries in several batches."""
        with self._catalogue.reading():
            key = (where, self._catalogue.revision())
            last = self._last
            if last is None or last[0] != key:
                last = self._last = key, self._catalogue.columns.matching(where, self._places.base)
        return last[1]
