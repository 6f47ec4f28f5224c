"""HammingIndex: exact nearest neighbours among packed binary codes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from transhash.codes import check_values
from transhash.errors import HammingIndexError
from transhash.plain import JsonObject
from transhash.search import file, segments, structure
from transhash.search.checks import (
    allowed,
    as_ids,
    check_at_once,
    check_compact,
    check_effort,
    check_k,
    check_meta,
    check_radius,
    check_strategy,
    given_ids,
    new_ids,
    refuse_repeats,
)
from transhash.search.segment import Ids, Segment
from transhash.search.segment_file import arrays_of, segments_of
from transhash.search.store import ALL, flat
from transhash.search.words import PADDING, Arrays, Words, check_bits, to_codes, to_words

if TYPE_CHECKING:
    from transhash.search.join import Join

TAIL = 1 << 16  # codes that wait, sorted by id and scanned, until they become a segment of their own


_INDEXES: WeakSet[HammingIndex] = WeakSet()


class _State(NamedTuple):
    """What a search sees: never altered, replaced as a whole, so that searches need no lock."""

    segments: tuple[Segment, ...]  # from old to new; the last one is the tail, perhaps empty
    next_id: int


class HammingIndex:
    """An exact index of codes of `bits` bits (a multiple of 8 from 8 to 2,048) under int64 ids.

    Searches may run in any number of threads while one adds or removes: each sees the index as it was at one moment.
    `meta` holds texts of the user's that are saved with the index.

    New codes go to a tail that is scanned. A full tail becomes a segment, with tables for multi-index hashing when it
    is large, and segments are merged when the newer have grown as large as the older: each code is moved a logarithmic
    number of times. Removed codes are marks until their segment is merged, or half of it is gone and memory has room
    to make it again.

    `compact` tables take 20 to 30 bytes a code instead of 50 to 60 and some more time, for codes of 32 to 64 bits. None
    takes them for segments of 134 million codes and more.
    """

    def __init__(self, bits: int, meta: dict[str, str] | None = None, *, compact: bool | None = None) -> None:
        self.bits = check_bits(bits)
        self.compact = check_compact(compact, self.bits)
        self.meta = check_meta(meta)
        self._lock = threading.Lock()
        self._state = _State((segments.empty(self.bits),), 0)
        _INDEXES.add(self)

    def __len__(self) -> int:
        return sum(len(part) for part in self._state.segments)

    def __copy__(self) -> HammingIndex:
        """An index of the same codes that grows apart from this one; what both hold is in memory once."""
        new = HammingIndex(self.bits, self.meta, compact=self.compact)
        new._state = self._state
        return new

    def __deepcopy__(self, memo: dict[int, object]) -> HammingIndex:
        return self.__copy__()

    def __reduce__(self) -> tuple[Callable[..., HammingIndex], tuple[object, ...]]:
        return HammingIndex._of, self._parts()

    def __repr__(self) -> str:
        return f"HammingIndex(bits={self.bits}, len={len(self)})"

    @property
    def ids(self) -> Ids:
        """All ids, ascending, int64 [N]."""
        return np.sort(np.concatenate([part.ids[part.alive_ranks()] for part in self._state.segments]))

    @property
    def nbytes(self) -> int:
        """Bytes of all codes, ids and tables, in memory or mapped."""
        return sum(array.nbytes for array in arrays_of(self._state.segments).values())

    def add(self, codes: npt.NDArray[np.uint8], ids: npt.ArrayLike | None = None) -> Ids:
        """Add codes uint8 [N, bits/8] under ids int64 [N] (None: continuing numbers) and return their ids.

        Raises HammingIndexError for codes of another kind, for ids that are negative or already used, and where there
        is not enough memory for so many; the index is then as it was.
        """
        words = to_words(codes, self.bits)
        with self._lock:
            state = self._state
            new = new_ids(state.next_id, len(words)) if ids is None else given_ids(ids, len(words))
            if len(new) == 0:
                return new
            if new.min() < 0:
                raise HammingIndexError("", f"id {new.min()} is negative", "ids are 0 or greater")
            *parts, tail = state.segments
            is_full = len(tail) + len(new) > TAIL
            if is_full:
                segments.check_memory(parts, len(tail) + len(new), self.bits, self.compact)
            ascending = new
            if (new[1:] <= new[:-1]).any():
                order = np.argsort(new, kind="stable")
                ascending, words = new[order], words[order]
            refuse_repeats(ascending, state.segments)
            rows = np.concatenate((words, np.zeros((PADDING, words.shape[1]), np.uint64)))
            batch = Segment(ascending, flat(rows), ALL, 0)
            waiting = [tail, batch] if len(tail) else [batch]
            if is_full:
                parts = [*segments.settled(parts, waiting, self.bits, self.compact), segments.empty(self.bits)]
            else:
                parts.append(Segment.merged(waiting, self.bits, self.compact))
            self._state = _State(tuple(parts), max(state.next_id, int(new.max()) + 1))
        return new.copy()  # the index may hold the others

    def remove(self, ids: npt.ArrayLike) -> int:
        """Remove ids, int64 [n], and return how many of them there were; unknown ones are skipped."""
        gone = np.unique(as_ids(ids))
        removed = 0
        with self._lock:
            state = self._state
            parts = []
            for part in state.segments:
                _, ranks = part.find(gone)
                removed += len(ranks)
                kept = part.without(ranks) if len(ranks) else part
                is_tail = part is state.segments[-1]
                if kept.removed > len(kept) or (is_tail and kept.removed):
                    kept = segments.shrunk(kept, self.bits, self.compact)
                if is_tail or len(kept):
                    parts.append(kept)
            self._state = state._replace(segments=tuple(parts))
        return removed

    def contains(self, ids: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return which of these ids, int64 [n], are in the index: bool [n]."""
        wanted = as_ids(ids)
        known = np.zeros(len(wanted), np.bool_)
        for part in self._state.segments:
            known |= part.find(wanted)[0]
        return known

    def reconstruct(self, ids: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Return the codes of ids, int64 [n]: uint8 [n, bits/8]. Raises `HammingIndexError` for an unknown id."""
        return to_codes(segments.words(self._state.segments, as_ids(ids), self.bits), self.bits)

    def search(
        self,
        codes: npt.NDArray[np.uint8],
        k: int = 10,
        *,
        ids: npt.ArrayLike | set[int] | None = None,
        values: npt.ArrayLike | None = None,
        sort: bool = True,
        strategy: str | None = None,
    ) -> tuple[npt.NDArray[np.int32], Ids]:
        """The k nearest of each query, uint8 [Q, bits/8] -> (distances int32 [Q, k], ids int64 [Q, k]).

        Ordered by distance, equal distances by id; -1 pads when there are fewer than k. `ids` restricts the search: ids
        as an array or a set, or a boolean array in which entry i allows id i. `values`, the queries' relaxed codes
        float [Q, bits] (`HashModel.values`), order equal distances by their inner product with the ±1 codes, the
        greatest first, before ids do: a better ranking, for some more time. `sort=False` lets the same k come in any
        order, in less time. `strategy` "scan" or "mih" (multi-index hashing or clusters, in segments that have them) is
        for measurements: None takes what costs less. Raises HammingIndexError, and DataError for other values.
        """
        check_strategy(strategy)
        queries = to_words(codes, self.bits)
        parts = self._searched(ids)
        k = check_k(k, len(queries), sum(len(part) for part in parts))
        if len(parts) == 1 and values is None and strategy is None and parts[0].takes_few(queries):
            return parts[0].few(queries, k, self.bits)
        relaxed = None if values is None else check_values(values, codes)
        return segments.search(parts, queries, relaxed, k, self.bits, ordered=sort, strategy=strategy)

    def search_by(
        self,
        effort: float,
        codes: npt.NDArray[np.uint8],
        k: int = 10,
        *,
        ids: npt.ArrayLike | set[int] | None = None,
    ) -> segments.Budgeted:
        """As `search`, but each query stops when it has cost as much as comparing `effort` codes does.

        Looking into a bucket counts as 50. The first bucket is always looked into, and codes without tables are all
        compared. `exact` bool [Q] says of which queries the results are certain. Raises HammingIndexError.
        """
        queries = to_words(codes, self.bits)
        parts = self._searched(ids)
        k = check_k(k, len(queries), sum(len(part) for part in parts))
        return segments.nearest_by(check_effort(effort), parts, queries, k, self.bits)

    def range_search(
        self,
        codes: npt.NDArray[np.uint8],
        radius: int,
        *,
        ids: npt.ArrayLike | set[int] | None = None,
        sort: bool = True,
        strategy: str | None = None,
    ) -> tuple[Ids, npt.NDArray[np.int32], Ids]:
        """Everything within `radius` of each query: (lims int64 [Q + 1], distances int32, ids int64).

        The hits of query i are at lims[i]:lims[i + 1], ordered by distance, equal distances by id; or in any order, in
        less time, with `sort=False`. `ids` and `strategy` as in `search`. Raises HammingIndexError.
        """
        queries, bounds, parts = self._asked_within(codes, radius, ids, strategy)
        return segments.within(parts, queries, bounds, self.bits, strategy, ordered=sort)

    def range_blocks(
        self,
        codes: npt.NDArray[np.uint8],
        radius: int,
        *,
        at_once: int = 1 << 24,
        ids: npt.ArrayLike | set[int] | None = None,
        sort: bool = True,
    ) -> Iterator[segments.Block]:
        """As `range_search`, in blocks of queries that have at most `at_once` hits together, or one that has more.

            for first, lims, D, I in index.range_blocks(codes, radius=8):
                ...  # the hits of query first + i are at lims[i]:lims[i + 1]

        All blocks are of the moment of the call. Raises HammingIndexError.
        """
        queries, bounds, parts = self._asked_within(codes, radius, ids, None)
        return segments.blocks_within(parts, queries, bounds, self.bits, check_at_once(at_once), ordered=sort)

    def count_within(
        self,
        codes: npt.NDArray[np.uint8],
        radius: int,
        *,
        ids: npt.ArrayLike | set[int] | None = None,
        strategy: str | None = None,
    ) -> Ids:
        """How many hits `range_search` gives for each query, int64 [Q], without the memory for them."""
        queries, bounds, parts = self._asked_within(codes, radius, ids, strategy)
        return segments.count_within(parts, queries, bounds, self.bits, strategy)

    def histogram(self, codes: npt.NDArray[np.uint8], *, ids: npt.ArrayLike | set[int] | None = None) -> Ids:
        """How many entries there are at each distance from each query: int64 [Q, bits + 1].

        `ids` restricts it as in `search`. Raises HammingIndexError.
        """
        wanted = None if ids is None else allowed(ids)
        return segments.histogram(self._state.segments, to_words(codes, self.bits), wanted, self.bits)

    def join(self, radius: int, *, ids: npt.ArrayLike | set[int] | None = None) -> Join:
        """All pairs of entries within `radius`, through the different codes and what shares each.

            join = index.join(3)
            join.ids[join.starts[i] : join.starts[i + 1]]  # the entries with code number i
            for first, second, distances in join.pairs():  # numbers of different codes, some pairs at a time
                ...

        Memory does not grow with the number of pairs. `ids` restricts it as in `search`. Raises
        HammingIndexError.
        """
        bound = check_radius(radius, self.bits)
        from transhash.search import join

        wanted = None if ids is None else allowed(ids)
        return join.of(*segments.entries(self._state.segments, wanted, self.bits), self.bits, bound)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one file, atomically; raises HammingIndexError when it, or `meta`, cannot be written.

        A file that is there keeps its permissions, and a link stays a link: what it names is replaced.
        """
        head, arrays = self._parts()
        file.write(path, head, arrays)

    @classmethod
    def open(cls, path: str | os.PathLike[str], mmap: bool = True, verify: bool = True) -> HammingIndex:
        """Open a saved index: mapped into memory, or read as a whole with `mmap=False`.

        A truncated or altered file raises HammingIndexError. `verify=False` leaves out the checksums over all data (and
        the time to read them once): for a file that nobody else can have changed.
        """
        head, arrays = file.read(path, mmap, verify)
        try:
            structure.check(head, arrays, verify)
        except ValueError as error:
            raise HammingIndexError(
                os.fspath(path), f"this is not what save() writes ({error})", "build the index again"
            ) from error
        return cls._of(head, arrays)

    def _parts(self) -> tuple[JsonObject, Arrays]:
        """What the index is, as a header for JSON and arrays by name."""
        state = self._state
        head: JsonObject = {"bits": self.bits, "next_id": state.next_id, "meta": check_meta(self.meta)}
        head |= {"segments": len(state.segments)} | ({} if self.compact is None else {"compact": self.compact})
        return head, arrays_of(state.segments)

    @classmethod
    def _of(cls, head: JsonObject, arrays: Arrays) -> HammingIndex:
        """The inverse of `_parts`."""
        index = cls(head["bits"], head["meta"], compact=head.get("compact"))
        index._state = _State(segments_of(arrays, head["segments"]), head["next_id"])
        return index

    def _searched(self, ids: Any) -> list[Segment]:
        """What a search looks into: the segments as they are now, with only `ids` in them if given."""
        parts = [part for part in self._state.segments if len(part)]
        if ids is None:
            return parts
        wanted = allowed(ids)
        return [part for part in (each.allowing(wanted) for each in parts) if len(part)]

    def _asked_within(
        self, codes: npt.NDArray[np.uint8], radius: int, ids: Any, strategy: str | None
    ) -> tuple[Words, Ids, list[Segment]]:
        """Queries, bounds and segments of a search within a radius."""
        check_strategy(strategy)
        queries = to_words(codes, self.bits)
        return queries, np.full(len(queries), check_radius(radius, self.bits)), self._searched(ids)


def _own_locks() -> None:
    """Give every index of a forked child a lock of its own: the thread that held the old one is not there."""
    for index in list(_INDEXES):
        index._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_own_locks)
