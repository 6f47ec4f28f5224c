"""What orders the pictures of a catalogue, as arrays that are kept in step with it: for a program that searches often.

It is their embeddings, or what hash layers of the library's own make of these (`Head.ordered`). A search compares
hundreds of them, or thousands where there are many; to read each out of the catalogue
takes longer than all the rest of the search. Here a search reads arrays that never change: what is new is a small part
beside the large one. Those of a large library are mapped from a file, which is derived: who changes a library writes it
again when enough has changed, a search only reads it. A program that searches often asks for them to be held in memory,
also those of a small library, which have no file.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.library import embedding_file
from transhash.library.catalogue.records import Revision
from transhash.library.ordering import Ordering
from transhash.system import aligned, free_memory

MAPPED = 1 << 14  # embeddings, from which on they are mapped from a file
MOST_BYTES = 4 << 30  # of embeddings that are held in memory; more are mapped, or read from the catalogue
MEMORY_SHARE = 4  # nor are they held when they take more than one in so many bytes of what is free
SHARE = 16  # the small part is merged into the large one when it is one in so many of it
SAVED_SHARE = 256  # the file is written when more than one in so many of its embeddings may have changed since
ROOM = 64 << 20  # bytes that a disk shall have left after the file was written


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
    """What orders pictures as it was at one revision of a catalogue."""

    parts: tuple[Part, Part]  # the large one, and what is newer

    @property
    def values(self) -> int:
        """V, the length of an embedding."""
        return int(self.parts[0].rows.shape[1])

    @classmethod
    def of_one(cls, large: Part) -> Held:
        """One part, and nothing newer."""
        return cls((large, Part.of({}, set(), large.rows.shape[1])))

    @property
    def is_grown(self) -> bool:
        """Whether the small part is to be merged into the large one."""
        large, small = self.parts
        return SHARE * len(small.ids) > len(large.ids)

    def likeness(self, queries: NDArray[np.int8], ids: NDArray[np.int64], few: int = 0) -> NDArray[np.float32]:
        """Cosines of queries [Q, V] with the pictures of ids [Q, C], float32; NaN where there is no embedding.

        `few`: how many are needed, with the rest below all cosines where that saves work; 0 for all (`compare`).
        """
        from transhash.search import cosines  # which compiles kernels

        found = np.full(ids.shape, np.nan, np.float32)
        queries = np.ascontiguousarray(queries, np.int8)  # a kernel takes them for that
        for part in self.parts:
            cosines.compare(queries, ids, *part, found, few)
        return found


class EmbeddingIndex:
    """The present embeddings, for all threads that search a library; of few none are held before `load`."""

    def __init__(self, bits: int, file: Path) -> None:
        """`bits`: the length of the codes."""
        self.file = file
        self._width = bits // 8
        self._lock = threading.Lock()
        self._revision: Revision | None = None  # that what is held is of
        self._held: Held | None = None
        self._mapped: Revision | None = None  # that the file was of which what is held was mapped from
        self._of = ""  # hash layers that what is held is of
        self._is_loaded = False

    def load(self, source: Ordering) -> None:
        """Hold the embeddings from now on; raises `LibraryError` when the catalogue cannot be read."""
        self.save(source)
        with source.catalogue.reading():  # for seconds, in which others go on without
            revision, mapped = source.catalogue.revision(), self._opened(source, None, in_memory=True)
            held = mapped[0] if mapped else self._read(source)
        with self._lock:
            self._revision, self._held, self._mapped = revision, held, mapped[1] if mapped else None
            self._is_loaded, self._of = True, source.name

    def save(self, source: Ordering) -> None:
        """Write the file when there are many embeddings, and it is missing or too old; remove it when there are few.

        Not where nothing may be written, or there is no room. Raises `LibraryError` when the catalogue cannot be read.
        """
        catalogue = source.catalogue
        with catalogue.reading():
            if not catalogue.embeddings.are_at_least(MAPPED):
                with suppress(OSError):
                    self.file.unlink(missing_ok=True)
                return
            head = embedding_file.head_of(self.file)
            if head and _can_follow(head, source, SAVED_SHARE):
                return
            row = (catalogue.embeddings.values() or 0) + embedding_file.ID_BYTES
            with suppress(OSError):
                if shutil.disk_usage(self.file.parent).free > catalogue.embeddings.count() * row + ROOM:
                    embedding_file.write(self.file, catalogue.revision(), source.name, source.all())

    def refresh(self, source: Ordering, codes: int) -> Held | None:
        """What orders pictures as the catalogue has them now; None where nothing is held.

        `codes`: how many codes there are; of many there may be a file. Not to be called inside `catalogue.reading()`.
        Raises `LibraryError` when the catalogue cannot be read.
        """
        if codes < MAPPED and not self._is_loaded:
            return None
        with self._lock, source.catalogue.reading():
            revision = source.catalogue.revision()
            if self._of != source.name:  # fitted since: all rows are others
                self._held = self._revision = self._mapped = None
                self._of = source.name
            if self._revision != revision:
                self._follow(source)
                waits = self._held is None and (self._mapped is not None or not self._is_loaded)
                self._revision = None if waits else revision  # for a file that another process writes
            return self._held

    def misfit(self, source: Ordering) -> str | None:
        """Why the file is not of a catalogue, or of one of its last revisions; None when it is, or there is none."""
        catalogue = source.catalogue
        if not self.file.exists():
            return None
        kept = embedding_file.read(self.file)
        if kept is None or not embedding_file.is_whole(kept):
            return "damaged"
        with catalogue.reading():
            if kept.head.layers != source.name or not catalogue.has_had(kept.head.revision):
                return "older than the catalogue"
            held = self._followed(kept, source)
            return "its embeddings are of another length" if held is None else _difference(held, source)

    def rebuild(self, source: Ordering) -> None:
        """Throw away the file and what is held, and make both from the catalogue; raises `OSError`."""
        self.file.unlink(missing_ok=True)
        with self._lock:
            self._held = self._revision = self._mapped = None
        self.save(source)
        if self._is_loaded:
            self.load(source)

    def _follow(self, source: Ordering) -> None:
        """Bring what is held up to date, or begin again; hold nothing where neither can be done soon."""
        held, catalogue = None, source.catalogue
        if self._held is not None and self._revision is not None and catalogue.has_had(self._revision):
            changed = catalogue.pictures.changed(self._revision.number)
            if self._mapped is None or SHARE * changed <= len(self._held.parts[0].ids):
                held = self._caught_up(self._held, source, self._revision.number)
        if held is None or held.is_grown:
            if held is not None and self._mapped is None:
                large, small = held.parts
                held = Held.of_one(large.under(small))
            elif mapped := self._opened(source, self._mapped if held else None, in_memory=self._is_loaded):
                held, self._mapped = mapped
        if held is None and self._is_loaded and self._mapped is None:
            held = self._read(source)
        self._held = held

    def _opened(self, source: Ordering, known: Revision | None, *, in_memory: bool) -> tuple[Held, Revision] | None:
        """From the file, and of which revision it is; None where there is none that can be followed from soon.

        Nor from one of a revision that is `known`. `in_memory`: where there is room.
        """
        head = embedding_file.head_of(self.file)
        if head is None or head.revision == known or not _can_follow(head, source, SHARE):
            return None
        kept = embedding_file.read(self.file, in_memory=in_memory and _fits(head.count * head.values))
        if kept is None or not _can_follow(kept.head, source, SHARE):  # another one meanwhile
            return None
        held = self._followed(kept, source)
        return (held, kept.head.revision) if held else None

    def _followed(self, kept: embedding_file.Kept, source: Ordering) -> Held | None:
        """What a file has, with what has changed since."""
        part = Part(kept.ids, kept.rows, np.ones(len(kept.ids), np.bool_))
        return self._caught_up(Held.of_one(part), source, kept.head.revision.number)

    def _read(self, source: Ordering) -> Held | None:
        """Into memory; None where there are none, too many, or of several lengths."""
        values, count = source.catalogue.embeddings.values(), source.catalogue.embeddings.count()
        if values is None or not _fits(count * values):
            return None
        ids, rows, first = np.empty(count, np.int64), aligned((count, values), np.int8), 0
        for some, kept in source.all():
            if set(map(len, kept)) != {values}:
                return None
            page = slice(first, first := first + len(some))
            ids[page] = np.fromiter(some, np.int64, len(some))
            rows[page] = np.frombuffer(b"".join(kept), np.int8).reshape(-1, values)
        return Held.of_one(Part(ids, rows, np.ones(count, np.bool_)))

    def _caught_up(self, held: Held, source: Ordering, number: int) -> Held | None:
        """With what has changed since the revision of a number; None where that is of another length.

        A fit changes all codes and no embedding.
        """
        new = []
        for page in source.catalogue.pictures.changes(self._width, number):
            ids = {id_ for id_, _ in page}
            kept = source.of(ids)
            if not all(len(each) == held.values for each in kept.values()):
                return None
            new.append(Part.of(kept, ids - kept.keys(), held.values).unlike(held.parts))
        newer = Part.joined(new, held.values)
        return Held((held.parts[0], held.parts[1].under(newer))) if len(newer.ids) else held


def _difference(held: Held, source: Ordering) -> str | None:
    """Why embeddings are not those of a catalogue."""
    for ids, some in source.all():
        if set(map(len, some)) != {held.values}:
            return "its embeddings are of another length"
        page = Part.of(dict(zip(ids, some, strict=True)), set(), held.values)
        if len(page.unlike(held.parts).ids):
            return "its embeddings are not those of the catalogue"
    return None


def _fits(size: int) -> bool:
    """Whether so many bytes of embeddings are to be held in memory."""
    free = free_memory()
    return size <= MOST_BYTES and (free is None or MEMORY_SHARE * size <= free)


def _can_follow(head: embedding_file.Head, source: Ordering, share: int) -> bool:
    """Whether at most one in so many may have changed since a file was written."""
    if head.layers != source.name:
        return False
    catalogue = source.catalogue
    return catalogue.has_had(head.revision) and catalogue.pictures.changed(head.revision.number) * share <= head.count


def prepare() -> None:
    """Compile what compares embeddings: once on a machine, for those in memory and for those that are mapped."""
    from transhash.search import cosines

    part = Part.of({}, set(), 8).under(Part.of({1: bytes(8)}, set(), 8))
    mapped = part._replace(rows=part.rows.copy())
    mapped.rows.flags.writeable = False
    ids = np.ones((2, 4), np.int64)
    found = Held((part, mapped)).likeness(np.zeros((2, 8), np.int8), ids)
    cosines.first(found, np.zeros(ids.shape, np.int32), ids, 2)
