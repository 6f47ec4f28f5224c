"""The embeddings of a catalogue as arrays, kept in step with it: for a program that orders many hits by them.

A search compares hundreds of embeddings, or thousands where there are many; to read each of them out of the catalogue
takes longer than all the rest of the search. Here a search reads arrays that never change: what is new is a small part
beside the large one. Those of a large library are mapped from a file, which is derived, and written again when enough
has changed; those of a small one are held in memory, when a program asks for that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.library import embedding_file
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.records import Revision

MAPPED = 1 << 14  # embeddings, from which on they are mapped from a file
MOST_BYTES = 1 << 30  # of embeddings that are held in memory, where no file can be written
SHARE = 16  # the small part is merged into the large one when it is one in so many of it


class Part(NamedTuple):
    """Some pictures' embeddings."""

    ids: NDArray[np.int64]  # [n], ascending
    rows: NDArray[np.int8]  # [n, V]
    has: NDArray[np.bool_]  # [n]; a picture that has none has zeros

    @classmethod
    def of(cls, kept: dict[int, bytes], none: set[int], values: int) -> Part:
        """Embeddings by id, and the ids of pictures without one."""
        ids = np.array(sorted(kept.keys() | none), np.int64)
        rows = b"".join(kept.get(id_, bytes(values)) for id_ in ids.tolist())
        has = np.fromiter((id_ in kept for id_ in ids.tolist()), np.bool_, len(ids))
        return cls(ids, np.frombuffer(rows, np.int8).reshape(len(ids), values), has)

    @classmethod
    def joined(cls, parts: list[Part], values: int) -> Part:
        """Parts that share no picture as one."""
        ids = np.concatenate([np.empty(0, np.int64), *(each.ids for each in parts)])
        rows = np.concatenate([np.empty((0, values), np.int8), *(each.rows for each in parts)])
        has = np.concatenate([np.empty(0, np.bool_), *(each.has for each in parts)])
        if (ids[1:] > ids[:-1]).all():
            return cls(ids, rows, has)
        order = np.argsort(ids)
        return cls(ids[order], rows[order], has[order])

    def under(self, newer: Part) -> Part:
        """The same with what is newer."""
        stays = ~np.isin(self.ids, newer.ids)
        old = Part(self.ids[stays], self.rows[stays], self.has[stays])
        return Part.joined([old, newer], self.rows.shape[1])

    def places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where ids are, -1 for those that are not here."""
        places = self.ids.searchsorted(ids)
        places[places == len(self.ids)] = -1
        return np.where(self.ids[places] == ids, places, -1) if len(self.ids) else np.full(len(ids), -1)

    def unlike(self, others: tuple[Part, Part]) -> Part:
        """What is not the same in others, of which the second is newer than the first."""
        known = np.zeros(len(self.ids), np.bool_)
        for other in others:
            places = other.places(self.ids)
            here = places >= 0
            own, theirs = self.rows[here], places[here]
            known[here] = (own == other.rows[theirs]).all(axis=1) & (self.has[here] == other.has[theirs])
        return Part(self.ids[~known], self.rows[~known], self.has[~known])


@dataclass(frozen=True)
class Held:
    """The embeddings as they were at one revision of a catalogue."""

    parts: tuple[Part, Part]  # the large one, and what is newer

    @property
    def values(self) -> int:
        """V, the length of an embedding."""
        return int(self.parts[0].rows.shape[1])

    def of(self, ids: Iterable[int]) -> dict[int, NDArray[np.int8]]:
        """Embeddings of pictures, int8 [V], by id; those that have none are left out."""
        wanted = np.fromiter(ids, np.int64)
        found: dict[int, NDArray[np.int8]] = {}
        for part in self.parts:  # the newer one last
            for id_, place in zip(wanted.tolist(), part.places(wanted).tolist(), strict=True):
                if place >= 0 and part.has[place]:
                    found[id_] = part.rows[place]
                elif place >= 0:
                    found.pop(id_, None)
        return found

    def likeness(self, queries: NDArray[np.int8], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines of queries [Q, V] with the pictures of ids [Q, C], float32; NaN where there is no embedding."""
        from transhash.search import cosines  # which compiles kernels

        found = np.full(ids.shape, np.nan, np.float32)
        for part in self.parts:
            cosines.compare(queries, ids, *part, found)
        return found


class EmbeddingIndex:
    """The present embeddings, for all threads that search a library; of few none are held before `load`."""

    def __init__(self, bits: int, file: Path) -> None:
        """`bits`: the length of the codes."""
        self.file = file
        self._width = bits // 8
        self._lock = threading.Lock()
        self._revision: Revision | None = None
        self._held: Held | None = None
        self._fits = True  # they are not too many, and of one length
        self._is_mapped = False

    def load(self, catalogue: Catalogue) -> None:
        """Hold the embeddings from now on; raises `LibraryError` when the catalogue cannot be read."""
        with catalogue.reading():  # for seconds, in which others go on without
            revision = catalogue.revision()
            held = self._mapped(catalogue) or self._read(catalogue)
        with self._lock:
            self._revision, self._held = revision, held

    def refresh(self, catalogue: Catalogue, codes: int) -> Held | None:
        """The embeddings as the catalogue has them now; None where there are none, too many, or of several lengths.

        `codes`: how many codes there are. Not to be called inside `catalogue.reading()`. Raises `LibraryError` when the
        catalogue cannot be read.
        """
        if self._revision is None and codes < MAPPED:
            return None
        with self._lock, catalogue.reading():
            revision = catalogue.revision()
            if self._revision is None:
                self._held = self._mapped(catalogue)
            elif self._revision != revision and self._fits:
                if self._held is None or not catalogue.has_had(self._revision):
                    self._held = self._mapped(catalogue) or self._read(catalogue)
                else:
                    self._held = self._caught_up(self._held, catalogue, self._revision.number)
            self._revision = revision
            return self._held

    def misfit(self, catalogue: Catalogue) -> str | None:
        """Why the file is not of a catalogue, or of one of its last revisions; None when it is, or there is none."""
        if not self.file.exists():
            return None
        kept = embedding_file.read(self.file)
        if kept is None or not embedding_file.is_whole(kept):
            return "damaged"
        with catalogue.reading():
            return None if catalogue.has_had(kept.revision) else "older than the catalogue"

    def rebuild(self, catalogue: Catalogue) -> None:
        """Throw away the file and what is held, and make both from the catalogue."""
        with self._lock:
            self.file.unlink(missing_ok=True)
            self._revision = self._held = None
        self.refresh(catalogue, MAPPED)

    def _mapped(self, catalogue: Catalogue) -> Held | None:
        """From the file, which is written when it is missing or old; None where there are few, or it cannot be."""
        kept = embedding_file.read(self.file)
        if kept is None or not _can_follow(kept, catalogue):
            if catalogue.embeddings.count() < MAPPED:
                return None
            try:
                embedding_file.write(self.file, catalogue.revision(), catalogue.embeddings.all())
            except OSError:  # a library that may only be read, or a full disk
                return None
            kept = embedding_file.read(self.file)
        self._is_mapped = kept is not None
        if kept is None:
            return None
        held = Held((Part(kept.ids, kept.rows, np.ones(len(kept.ids), np.bool_)), Part.of({}, set(), kept.values)))
        return self._caught_up(held, catalogue, kept.revision.number)

    def _read(self, catalogue: Catalogue) -> Held | None:
        """Into memory."""
        self._is_mapped = False
        values = catalogue.embeddings.values()
        if values is None:
            return None
        count = catalogue.embeddings.count()
        self._fits = count * values <= MOST_BYTES
        if not self._fits:
            return None
        ids, rows, first = np.empty(count, np.int64), np.empty((count, values), np.int8), 0
        for some, kept in catalogue.embeddings.all():
            self._fits = set(map(len, kept)) == {values}
            if not self._fits:
                return None
            page = slice(first, first := first + len(some))
            ids[page] = np.fromiter(some, np.int64, len(some))
            rows[page] = np.frombuffer(b"".join(kept), np.int8).reshape(-1, values)
        return Held((Part(ids, rows, np.ones(count, np.bool_)), Part.of({}, set(), values)))

    def _caught_up(self, held: Held, catalogue: Catalogue, number: int) -> Held | None:
        """With what has changed since the revision of a number; a fit changes all codes and no embedding."""
        new = []
        for page in catalogue.pictures.changes(self._width, number):
            ids = {id_ for id_, _ in page}
            kept = catalogue.embeddings.of(ids)
            self._fits = all(len(each) == held.values for each in kept.values())
            if not self._fits:
                return None
            new.append(Part.of(kept, ids - kept.keys(), held.values).unlike(held.parts))
        newer = Part.joined(new, held.values)
        if not len(newer.ids):
            return held
        large, small = held.parts
        small = small.under(newer)
        if len(small.ids) * SHARE > len(large.ids):
            if self._is_mapped:
                return self._mapped(catalogue)
            large, small = large.under(small), Part.of({}, set(), held.values)
        return Held((large, small))


def _can_follow(kept: embedding_file.Kept, catalogue: Catalogue) -> bool:
    """Whether to catch up from what is in a file, rather than to write it again."""
    return catalogue.has_had(kept.revision) and catalogue.pictures.changed(kept.revision.number) * SHARE <= len(
        kept.ids
    )


def prepare() -> None:
    """Compile what compares embeddings: once on a machine."""
    part = Part.of({}, set(), 8).under(Part.of({1: bytes(8)}, set(), 8))
    Held((part, part)).likeness(np.zeros((2, 8), np.int8), np.ones((2, 4), np.int64))
