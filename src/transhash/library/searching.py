"""Search in a library that is a folder: its model, its codes in memory, and filters over its catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transhash.errors import LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.records import Revision
from transhash.library.code_index import CodeIndex
from transhash.library.embedding_index import EmbeddingIndex, Held
from transhash.library.files.paths import Places
from transhash.library.models import LibraryModel
from transhash.library.opening import CODES, EMBEDDINGS
from transhash.library.ordering import Ordering
from transhash.library.pictures import Written, described, written
from transhash.library.ranking import (
    FEW,
    Near,
    Ranked,
    by_likeness,
    candidates,
    likeness_of,
    most_alike,
    nearest,
    ranked,
    read_whole,
)
from transhash.library.searchable import Hit, Options, Picture, Queries
from transhash.model.embedder import Embedder
from transhash.model.encoder import is_hash_model, made_by_fit

if TYPE_CHECKING:
    from transhash.library.catalogue.embeddings import HashLayers
    from transhash.model import Encoder
    from transhash.model.likeness import Likeness
    from transhash.search import HammingIndex


TRIES = 8  # searches, where what was found has changed meanwhile
COMPARED, READ = 1 << 20, 1 << 16  # embeddings that are compared at once, or read out of the catalogue for that


class ChangedError(Exception):
    """A picture that was found has changed, or is gone, since its code was compared."""


@dataclass(frozen=True)
class Snapshot:
    """A library at one moment, to be searched (`ranked`): its codes, and the hash layers that they come from."""

    searching: LocalSearch
    index: HammingIndex
    revision: Revision
    layers: HashLayers | None
    held: Held | None = None  # its embeddings, where they are in memory or mapped
    curve: Likeness | None = None  # its own, of cosines
    allowed: NDArray[np.int64] | None = None  # ids that pass a filter
    in_json: bool = False  # pictures are found `written`
    is_last: bool = False  # what has changed meanwhile is left out

    @property
    def bits(self) -> int:
        """Length of the codes."""
        return self.index.bits

    @property
    def address(self) -> str:
        """The library's folder."""
        return self.searching.address

    @property
    def model(self) -> Encoder:
        """The model that the codes come from; raises `LibraryError` when it cannot be found."""
        return self.searching.model

    def nearest(self, queries: Queries, options: Options) -> Near:
        """The distances int32 [Q, k] and ids int64 [Q, k] of the k nearest pictures, as many as are `ranked`.

        Nearest by code. Where embeddings order (`by_embeddings`), they do so for the first `candidates` within the
        distance that is allowed.
        """
        k = options.ranked
        allowed = self.allowed if options.where is None else self.searching.filtered(options.where)
        kept = queries.embeddings
        if kept is None or not self.searching.by_embeddings:
            return nearest(self.index, queries, k, allowed)
        head, of_words = self.layers.head if self.layers else None, queries.of_words
        curve = None if of_words else self.curve  # which is of pictures
        if head:  # those of this moment: another process may have fitted since
            queries = Queries(head.codes(kept), None, kept)
        ordered = kept if head is None else head.ordered(kept)
        compared = candidates(len(self.index) if allowed is None else len(allowed))
        held = self.held if self.held is not None and self.held.values == ordered.shape[1] else None
        is_mapped = head is not None and head.order is not None
        few = read_whole(k) if is_mapped else 0
        picked = held is not None and queries.values is None and k <= FEW
        parts, step = [], max(1, (COMPARED if held else READ) // max(k, compared))
        for first in range(0, max(1, len(kept)), step):
            some = queries.some(slice(first, first + step))
            near = nearest(self.index, some, max(k, compared), allowed, sort=not picked)
            if options.max_distance is not None:
                near = near.within(options.max_distance)
            rows = ordered[first : first + step], near.ids
            likeness = held.likeness(*rows, few) if held else likeness_of(*rows, self._ordered)
            parts.append(most_alike(near, likeness, k) if picked else by_likeness(near, likeness, k, compared))
        distances, ids, likeness = map(np.concatenate, zip(*(part[:3] for part in parts), strict=True))
        return Near(distances, ids, likeness, fitted=is_mapped, curve=curve, of_words=of_words)

    def _ordered(self, ids: list[int]) -> Mapping[int, bytes]:
        return self.searching.ordering(self.layers).kept(ids, self.revision)

    def embeddings(self, ids: list[int]) -> dict[int, NDArray[np.int8]]:
        """Embeddings of pictures, int8 [V], by id; those that have none are left out."""
        return {id_: np.frombuffer(kept, np.int8) for id_, kept in self.searching.embeddings(ids).items()}

    def rows(self, ids: list[int]) -> Mapping[int, Picture | Written]:
        """What is known of the pictures that `nearest` found.

        Raises `ChangedError` when one has changed since, and `LibraryError` for ids of another library.
        """
        return self.searching.rows(ids, None if self.is_last else self.revision, in_json=self.in_json)


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
        self.embedding_index = EmbeddingIndex(self.own.facts.bits, path / EMBEDDINGS)
        self._ordering = Ordering(catalogue, None)
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
        return self.snapshot().index

    def settle(self) -> None:
        """Bring the files that searches read up to date: for whoever has changed the library."""
        self.codes()
        self.embedding_index.save(self.ordering(self.own.layers))

    def snapshot(self) -> Snapshot:
        """The library as it is now."""
        while True:
            layers = self.own.layers
            index, revision = self.index.refresh(self._catalogue)
            held = self.embedding_index.refresh(self.ordering(layers), len(index))
            if not self.own.refresh() and self.own.layers is layers:  # nothing was fitted while the codes were read
                return Snapshot(self, index, revision, layers, held, self._own_curve())

    def _own_curve(self) -> Likeness | None:
        """What the library tells probabilities by, where it was calibrated with the hash layers that it has."""
        own = self._catalogue.calibrations.of(self.own.facts.fingerprint)
        return own.curve if own else None

    def hold_embeddings(self) -> None:
        """Hold the embeddings in memory from now on, where there is room: for a program that searches often.

        Raises `LibraryError` when the catalogue cannot be read.
        """
        self.embedding_index.load(self.ordering(self.own.layers))

    def ordering(self, layers: HashLayers | None) -> Ordering:
        """What orders hits where codes come from these hash layers."""
        own = layers if layers and layers.head.order else None
        found = self._ordering  # kept, for to compute its name takes longer than a search may
        if found.layers is not own:
            found = self._ordering = Ordering(self._catalogue, own)
        return found

    def ranked(
        self,
        queries: Queries,
        options: Options,
        snapshot: Snapshot | None = None,
        allowed: NDArray[np.int64] | None = None,
        later: Callable[[Snapshot], Snapshot | None] | None = None,
        *,
        in_json: bool = False,
    ) -> Ranked:
        """The hits of each query at one moment: that of a snapshot, or a later one when hits have changed since.

        `allowed`: only pictures with these ids. `later`: gives a later moment than another; by default that is read
        now. When there is none to be had, or hits have changed in each of `TRIES` searches, those that are gone are
        left out. `in_json`: pictures are found `written`. Raises what `ranked` raises.
        """
        now = replace(snapshot or self.snapshot(), allowed=allowed, in_json=in_json)
        for _ in range(TRIES - 1):
            with suppress(ChangedError):
                return ranked(now, queries, options)
            newer = later(now) if later else self.snapshot()
            if newer is None:
                break
            now = replace(newer, allowed=allowed, in_json=in_json)
        return ranked(replace(now, is_last=True), queries, options)

    def hits(self, queries: Queries, options: Options) -> list[list[Hit]]:
        """The hits of each query, nearest first; raises what `ranked` raises."""
        if options.collapse:
            from transhash.library.duplicates.collapsing import different  # which compiles kernels

            return different(self, queries, options)
        return self.ranked(queries, options).hits

    @property
    def by_embeddings(self) -> bool:
        """Whether embeddings order the nearest pictures: vectors, fitted codes, a model with a likeness.

        Other models' own codes keep the order of their distances, which the calibration of these speaks of.
        """
        if self.own.layers is not None:
            return True
        model = self.model
        return isinstance(model, Embedder) or (
            is_hash_model(model) and (model.likeness is not None or made_by_fit(model))
        )

    def embeddings(self, ids: Iterable[int]) -> dict[int, bytes]:
        """Embeddings of pictures, int8, by id; those that have none are left out."""
        with self._catalogue.reading():
            return self._catalogue.embeddings.of(ids)

    def rows(self, ids: list[int], since: Revision | None, *, in_json: bool) -> Mapping[int, Picture | Written]:
        """What is known of pictures that were found in the codes of a revision.

        Raises `ChangedError` when one has changed since, and `LibraryError` for ids of another library. Without a
        revision those that are gone are left out.
        """
        with self._catalogue.reading():
            found = (written if in_json else described)(self._catalogue, self._places, ids)
            if since is None:
                return found
            are_gone = len(found) < len(ids)
            if since == self._catalogue.revision():
                if are_gone:
                    reason = "the file of its codes is not of its catalogue"
                    raise LibraryError(self.address, reason, "delete that file")
            elif are_gone or self._catalogue.pictures.have_changed(ids, since.number):
                raise ChangedError
        return found

    def passing(self, where: str | None, stop: Callable[[], bool] | None) -> NDArray[np.int64]:
        """As `Library.passing`."""
        index = self.codes()
        if where is None:
            return index.ids
        with self._catalogue.database.stoppable(stop or (lambda: False)):
            found = self.filtered(where)
        return found[index.contains(found)]

    def filtered(self, where: str) -> NDArray[np.int64]:
        """The ids of all rows that pass a filter; the last filter's are kept, for many queries in several batches."""
        with self._catalogue.reading():
            key = (where, self._catalogue.revision())
            last = self._last
            if last is None or last[0] != key:
                last = self._last = key, self._catalogue.columns.matching(where, self._places.base)
        return last[1]
