"""A segment: codes and ids that never change, with the structures to search them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from transhash.search import hits, rerank, small
from transhash.search.hits import Hits
from transhash.search.store import ALL, Bitmap, Store, bitmap, flat, frozen, passing
from transhash.search.words import PADDING, Arrays, Words

Ids = npt.NDArray[np.int64]
Found = tuple[npt.NDArray[np.int64], Ids]

WORTH_TABLES = 1 << 17  # codes; fewer are scanned in the time that tables would take
DISCOURAGED, AGAIN = 4, 16  # searches in vain after which tables are tried again in one of so many only
RERANKED_AT_ONCE = 1 << 20  # hits that are held while they are re-ranked, or those of one query
FEW_QUERIES, FEW_CODES = 4, 1 << 16  # of which neither is shared out to threads
ALLOWED_TO_SCAN = 1 << 12  # entries; fewer are gathered and scanned without a thought


@dataclass(frozen=True)
class Segment:
    """Entries in the order of their ids. `alive` has a bit for each entry, unset when it is removed; or is empty."""

    ids: Ids
    store: Store
    alive: Bitmap
    removed: int
    misses: dict[int, int] = field(init=False, repr=False, compare=False, default_factory=dict)  # `_tries_tables`

    def __post_init__(self) -> None:
        self.ids.flags.writeable = False

    def __len__(self) -> int:
        return len(self.ids) - self.removed

    @classmethod
    def of(cls, ids: Ids, words: Words, bits: int) -> Segment:
        """Ids ascending [n] and their codes [n + PADDING, words]; with tables when there are enough."""
        if len(ids) < WORTH_TABLES:
            return cls(ids, flat(words), ALL, 0)
        from transhash.search import tables

        return cls(ids, tables.build(words, bits), ALL, 0)

    @classmethod
    def merged(cls, segments: list[Segment], bits: int) -> Segment:
        """One segment of what is alive in several."""
        kept = [np.flatnonzero(part.alive_ranks()) for part in segments]
        ids = np.concatenate([part.ids[ranks] for part, ranks in zip(segments, kept, strict=True)])
        order = np.argsort(ids, kind="stable")
        width = segments[0].store.codes.shape[1]
        words = np.zeros((len(ids) + PADDING, width), np.uint64)
        end = 0
        for part, ranks in zip(segments, kept, strict=True):
            words[end : end + len(ranks)] = part.words(ranks)
            end += len(ranks)
        if not (order[1:] > order[:-1]).all():
            words[:end] = words[:end][order]
        return cls.of(ids[order], words, bits)

    def alive_ranks(self) -> npt.NDArray[np.bool_]:
        """For each entry whether it is there."""
        return passing(self.alive, np.arange(len(self.ids)))

    def words(self, ranks: npt.NDArray[np.int64]) -> Words:
        """The codes of entries, [len(ranks), words]."""
        return self.store.codes[self.store.rows[ranks]]

    def find(self, ids: Ids) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Which of `ids` are here and not removed, and the ranks of those."""
        if len(self.ids) == 0:
            return np.zeros(len(ids), np.bool_), np.empty(0, np.int64)
        ranks = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        here = (self.ids[ranks] == ids) & passing(self.alive, ranks)
        return here, ranks[here]

    def without(self, ranks: npt.NDArray[np.int64]) -> Segment:
        """The same, with entries (that are there, each named once) marked as removed."""
        alive = self.alive.copy() if len(self.alive) else bitmap(len(self.ids), np.arange(len(self.ids))).copy()
        np.bitwise_and.at(alive, ranks >> 6, ~(np.uint64(1) << (ranks & 63).astype(np.uint64)))
        alive.flags.writeable = False
        return replace(self, alive=alive, removed=self.removed + len(ranks))

    def allowing(self, ids: Ids) -> Segment:
        """The same with only `ids` (ascending) alive; few are gathered into a segment of their own."""
        _, ranks = self.find(ids)
        if len(ranks) <= ALLOWED_TO_SCAN:
            return self.gathered(ranks)
        return replace(self, alive=bitmap(len(self.ids), ranks), removed=len(self.ids) - len(ranks))

    def gathered(self, ranks: npt.NDArray[np.int64]) -> Segment:
        """A segment without tables of some entries (ranks ascending)."""
        words = np.zeros((len(ranks) + PADDING, self.store.codes.shape[1]), np.uint64)
        words[: len(ranks)] = self.words(ranks)
        return Segment(self.ids[ranks], flat(words), ALL, 0)

    def nearest(self, queries: Words, k: int, bits: int, bounds: npt.NDArray[np.int64], strategy: str | None) -> Found:
        """The k nearest within `bounds` [Q]: (distances, ids), int64 [Q, k], padded with `small.NONE` and -1."""
        wanted = min(k, len(self))
        keys = np.full((len(queries), k), small.NONE)
        if wanted and strategy != "mih" and self._is_small(queries):
            keys[:, :wanted] = small.nearest(self.store.codes, len(self.ids), queries, wanted)
        elif wanted:
            keys[:, :wanted] = self._nearest(queries, wanted, bits, bounds, strategy)
        return self._results(keys)

    def takes_few(self, queries: Words) -> bool:
        """Whether `few` is the quickest way: few codes, all there and without tables, and few queries."""
        return (
            len(queries) <= FEW_QUERIES
            and len(self.ids) <= FEW_CODES
            and self.store.tables == 0
            and len(self.alive) == 0
            and not self._is_small(queries)
        )

    def few(self, queries: Words, k: int, bits: int) -> tuple[npt.NDArray[np.int32], Ids]:
        """The k nearest, (distances int32 [Q, k], ids int64 [Q, k]), padded with -1."""
        from transhash.search import few

        distances, found = np.empty((len(queries), k), np.int32), np.empty((len(queries), k), np.int64)
        useful = min(k, len(self.ids))
        few.nearest(self.store.codes, self.ids, queries, self.store.width, useful, bits, distances, found)
        return distances, found

    def within(
        self, queries: Words, bounds: npt.NDArray[np.int64], bits: int, strategy: str | None, *, ordered: bool
    ) -> Hits:
        """All within `bounds` [Q], each query's by (distance, id) or in any order."""
        if len(self) == 0 or len(queries) == 0:
            return hits.none(len(queries))
        if self._is_small(queries):
            return hits.resolved(*small.within(self.store.codes, len(self.ids), queries, bounds), self.ids)
        from transhash.search import mih, scan

        if self._reaches_by_tables(queries, bounds, strategy):
            return mih.within(self.store, self.alive, self.ids, queries, bounds, bits, ordered)
        return scan.within(self.store, self.alive, self.ids, queries, bounds, ordered)

    def count_within(
        self, queries: Words, bounds: npt.NDArray[np.int64], bits: int, strategy: str | None
    ) -> npt.NDArray[np.int64]:
        """How many are within `bounds` of each query, int64 [Q]."""
        if len(self) == 0 or len(queries) == 0:
            return np.zeros(len(queries), np.int64)
        if self._is_small(queries):
            return small.within(self.store.codes, len(self.ids), queries, bounds)[0]
        from transhash.search import mih, scan

        if self._reaches_by_tables(queries, bounds, strategy):
            return mih.count_within(self.store, self.alive, queries, bounds, bits)
        return scan.count_within(self.store, self.alive, queries, bounds)

    def reranked(
        self,
        queries: Words,
        tables: rerank.Floats,
        bounds: npt.NDArray[np.int64],
        bits: int,
        strategy: str | None,
        *,
        k: int,
    ) -> rerank.Best:
        """The k best within `bounds` [Q] by (distance, inner product, id), with `rerank.tables` of the queries."""
        best = rerank.of_none(len(queries), k)
        if len(self) == 0:
            return best
        if self._is_small(queries):
            counts, keys = small.within(self.store.codes, len(self.ids), queries, bounds)
            codes = self.words(keys & 0xFFFFFFFF).astype("<u8", copy=False).view(np.uint8)
            return rerank.of_hits(hits.resolved(counts, keys, self.ids), codes, tables, k)
        from transhash.search import mih, products, scan

        def take(first: int, last: int, keys: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> None:
            own = slice(first, last)
            products.best(self.store.codes, self.store.rows, keys, ends, tables[own], *(each[own] for each in best))

        if self._reaches_by_tables(queries, bounds, strategy):
            mih.each_within(self.store, self.alive, queries, bounds, (k, 1), bits, take)
        else:
            scan.each_within(self.store, self.alive, queries, bounds, k, True, lambda _: take, RERANKED_AT_ONCE)
        best.ids[:] = np.where(best.ids < 0, -1, self.ids[best.ids])
        return best

    def _reaches_by_tables(self, queries: Words, bounds: npt.NDArray[np.int64], strategy: str | None) -> bool:
        """Whether to look for all within `bounds` in the tables rather than in all codes."""
        from transhash.search import mih

        store = self.store
        if store.tables == 0 or strategy == "scan":
            return False
        cost = mih.scan_cost(store.unique, len(queries), len(store.width))
        return strategy == "mih" or mih.is_worth_it(store, queries, bounds, cost)

    def _nearest(
        self, queries: Words, k: int, bits: int, bounds: npt.NDArray[np.int64], strategy: str | None
    ) -> npt.NDArray[np.int64]:
        from transhash.search import mih, scan

        store = self.store
        if store.tables == 0 or strategy == "scan" or (strategy is None and not self._tries_tables(k)):
            return scan.nearest(store, self.alive, queries, k, bits, bounds)
        limit = np.inf if strategy == "mih" else mih.scan_cost(len(self), len(queries), len(store.width))
        bounds = bounds.copy()
        keys, done = mih.nearest(store, self.alive, queries, k, bits, bounds, limit)
        self.misses[k.bit_length()] = 0 if done.any() else self.misses.get(k.bit_length(), 0) + 1
        if done.all():
            return keys
        if len(self) * 8 < len(self.ids):  # a scan of what a filter left
            ranks = np.flatnonzero(self.alive_ranks())
            rest = scan.nearest(self.gathered(ranks).store, ALL, queries[~done], k, bits, bounds[~done])
            here = rest != small.NONE
            rest[here] = rest[here] >> 32 << 32 | ranks[rest[here] & 0xFFFFFFFF]
            keys[~done] = rest
        else:
            keys[~done] = scan.nearest(store, self.alive, queries[~done], k, bits, bounds[~done])
        return keys

    def _tries_tables(self, k: int) -> bool:
        """Whether to look into the tables first, which costs as much as a scan again if they turn out too dear.

        After some searches for about as many results in which they were, only now and then.
        """
        if 64 * k > len(self):
            return False
        misses = self.misses.get(k.bit_length(), 0)
        if misses < DISCOURAGED or misses % AGAIN == 0:
            return True
        self.misses[k.bit_length()] = misses + 1
        return False

    def _is_small(self, queries: Words) -> bool:
        return (
            self.store.tables == 0 and len(self.alive) == 0 and small.is_small(self.store.codes, len(self.ids), queries)
        )

    def _results(self, keys: npt.NDArray[np.int64]) -> Found:
        here = keys != small.NONE
        ids = np.full(keys.shape, -1, np.int64)
        ids[here] = self.ids[keys[here] & 0xFFFFFFFF]
        return np.where(here, keys >> 32, small.NONE), ids


def arrays_of(segment: Segment, name: str) -> Arrays:
    """What of a segment goes into a file, each array's name beginning with `name`."""
    parts = {"ids": segment.ids, "alive": segment.alive, "codes": segment.store.codes}
    if segment.store.tables:
        parts.update(segment.store._asdict())
    return {f"{name}.{part}": array for part, array in parts.items()}


def from_arrays(arrays: Arrays, name: str) -> Segment:
    """The inverse of `arrays_of`."""
    parts = {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
    ids, alive = parts.pop("ids"), parts.pop("alive")
    store = frozen(Store(**parts)) if "cuts" in parts else flat(parts["codes"])
    alive.flags.writeable = False
    removed = len(ids) - int(np.bitwise_count(alive).sum()) if len(alive) else 0
    return Segment(ids, store, alive, removed)
