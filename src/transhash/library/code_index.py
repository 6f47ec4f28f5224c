"""The codes of a catalogue in memory, kept in step with it, and in a file between runs.

The catalogue numbers its transactions, and knows which pictures each has touched: to bring the index up to date costs
what has changed. The file is derived, and written again when enough has changed to make reading it worth that.
"""

from __future__ import annotations

import copy
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import HammingIndexError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.records import Revision

if TYPE_CHECKING:
    from transhash.search import HammingIndex

SHARE = 256  # the file is written when more than one in so many of its codes has changed since

Codes = tuple[NDArray[np.int64], NDArray[np.uint8]]


class Moment(NamedTuple):
    """The codes as they were at one revision of a catalogue; this index does not change any more."""

    codes: HammingIndex
    revision: Revision


class CodeIndex:
    """The present codes, for all threads that search a library.

    index = CodeIndex(bits, path / "codes.hamming")
    index.refresh(catalogue).codes.search(packed, k=10)
    """

    def __init__(self, bits: int, file: Path) -> None:
        self.bits = bits
        self.file = file
        self._lock = threading.Lock()
        self._index: HammingIndex | None = None
        self._revision: Revision | None = None  # of the catalogue, that the index is in step with
        self._unsaved = 0  # codes changed since the file was written
        self._last: Moment | None = None

    def refresh(self, catalogue: Catalogue) -> Moment:
        """The codes as the catalogue has them now.

        Not to be called inside `catalogue.reading()`. Raises `LibraryError` when the catalogue cannot be read.
        """
        with self._lock, catalogue.reading():  # one after the other, so that each sees a later moment
            revision = catalogue.revision()
            if self._index is None:
                with suppress(HammingIndexError):  # missing or damaged
                    self._index, self._revision = self._read()
            if self._index is None or self._revision is None or not _can_follow(self._index, self._revision, catalogue):
                self._index = self._built(catalogue)
                self._unsaved = len(self._index) + 1
            elif self._revision != revision:
                index = copy.copy(self._index)  # others are searching in that one
                self._unsaved += self._catch_up(index, catalogue, self._revision.number)
                self._index = index
            self._revision = revision
            if self._unsaved * SHARE > len(self._index):
                self._save(self._index, revision)
            self._last = Moment(self._index, revision)
            return self._last

    def count(self, revision: Revision) -> int | None:
        """How many codes there are at a revision, if that is the last one that was asked for."""
        last = self._last
        return len(last.codes) if last is not None and last.revision == revision else None

    def misfit(self, catalogue: Catalogue) -> str | None:
        """Why the file is not that of a catalogue, or of one of its last revisions; None when it is."""
        with self._lock, catalogue.reading():
            try:
                index, revision = self._read()
            except HammingIndexError as error:
                return error.reason
            if revision is None or not catalogue.has_had(revision):
                return "older than the catalogue"
            self._catch_up(index, catalogue, revision.number)
            ids, codes = self._codes(catalogue)
            if not np.array_equal(index.ids, np.sort(ids)) or not np.array_equal(index.reconstruct(ids), codes):
                return "its codes are not those of the catalogue"
            return None

    def rebuild(self, catalogue: Catalogue) -> None:
        """Throw away the file and what is in memory, and make both from the catalogue."""
        with self._lock:
            self.file.unlink(missing_ok=True)
            self._index = self._revision = None
        self.refresh(catalogue)

    def _read(self) -> tuple[HammingIndex, Revision | None]:
        """The index in the file; raises `HammingIndexError` when there is none, or it is damaged."""
        from transhash.search import HammingIndex

        index = HammingIndex.open(self.file)
        number, _, name = index.meta.get("revision", "").partition(" ")
        revision = Revision(int(number), name) if number.isdecimal() and index.bits == self.bits else None
        return index, revision

    def _save(self, index: HammingIndex, revision: Revision) -> None:
        index.meta["revision"] = f"{revision.number} {revision.name}"
        with suppress(HammingIndexError):  # a library that may only be read: this process has it in memory
            index.save(self.file)
        self._unsaved = 0

    def _built(self, catalogue: Catalogue) -> HammingIndex:
        from transhash.search import HammingIndex

        index = HammingIndex(self.bits)
        ids, codes = self._codes(catalogue)
        index.add(codes, ids)
        return index

    def _codes(self, catalogue: Catalogue) -> Codes:
        """Ids int64 [N] and codes uint8 [N, bits/8] of all pictures that search can find."""
        ids, codes = bytearray(), bytearray()
        for page in catalogue.pictures.codes(self.bits // 8):
            ids += np.array([id_ for id_, _ in page], np.int64).tobytes()
            codes += b"".join(code for _, code in page)
        return np.frombuffer(ids, np.int64), np.frombuffer(codes, np.uint8).reshape(-1, self.bits // 8)

    def _catch_up(self, index: HammingIndex, catalogue: Catalogue, number: int) -> int:
        """Bring an index up to date from the revision of a number; returns how many codes have changed."""
        changed = 0
        for page in catalogue.pictures.changes(self.bits // 8, number):
            now = {id_: code for id_, code in page if code is not None}
            ids = np.fromiter(now, np.int64, len(now))
            codes = np.frombuffer(b"".join(now.values()), np.uint8).reshape(-1, self.bits // 8)
            known = index.contains(ids)
            same = np.zeros(len(ids), np.bool_)
            same[known] = (index.reconstruct(ids[known]) == codes[known]).all(axis=1)
            gone = np.array([id_ for id_, code in page if code is None], np.int64)
            changed += index.remove(np.concatenate([gone, ids[known & ~same]])) + int((~same).sum())
            index.add(codes[~same], ids[~same])
        return changed


def _can_follow(index: HammingIndex, since: Revision, catalogue: Catalogue) -> bool:
    """Whether to catch up from a revision, rather than to build the index.

    Where most codes changed, as after a fit, that would be many parts, made one after the other and searched slowly.
    """
    return catalogue.has_had(since) and 2 * catalogue.pictures.changed(since.number) <= len(index)
