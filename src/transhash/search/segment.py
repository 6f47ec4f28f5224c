"""A segment: codes and ids that never change, with the structures to search them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.search import hits, packed, rerank, runs, small
from transhash.search.hits import Hits
from transhash.search.packed import Packed
from transhash.search.runs import Run
from transhash.search.store import ALL, MOST, Bitmap, Store, bitmap, flat, full, passing, set_ranks
from transhash.search.words import PADDING, Words

Ids = npt.NDArray[np.int64]
Found = tuple[npt.NDArray[np.int64], Ids]

WORTH_TABLES = 1 << 17  # codes; fewer are scanned in the time that tables would take
DISCOURAGED, AGAIN = 4, 16  # searches in vain after which tables are tried again in one of so many only
RERANKED_AT_ONCE = 1 << 20  # hits that are held while they are re-ranked, or those of one query
FEW_QUERIES, FEW_CODES = 4, 1 << 16  # of which neither is shared out to threads
WORTH_PACKING = 1 << 27  # codes whose tables are compact if nobody says otherwise: others would take 7 GB and more
ALLOWED_TO_SCAN = 1 << 12  # entries; fewer are gathered and scanned without a thought
COMPACT_TO_SCAN = 1 << 15  # entries of a large compact segment, whose tables find them late


@dataclass(frozen=True)
class Segment:
    """Entries in the order of their ids. `alive` has a bit for each entry, unset when it is removed; or is empty."""

    ids: runs.Ids
    store: Store | Packed
    alive: Bitmap
    removed: int
    misses: dict[int, int] = field(init=False, repr=False, compare=False, default_factory=dict)  # `_tries_tables`

    def __post_init__(self) -> None:
        if not isinstance(self.ids, Run):
            self.ids.flags.writeable = False

    def __len__(self) -> int:
        return len(self.ids) - self.removed

    @classmethod
    def of(cls, ids: Ids, words: Words, bits: int, compact: bool | None = None) -> Segment:
        """Ids ascending [n] and their codes [n + PADDING, words]; with tables when there are enough.

        Tables are compact when that is asked for, or not refused and there are very many codes. Raises
        `HammingIndexError` for more codes than a segment can have.
        """
        if len(ids) > MOST:
            raise HammingIndexError("", f"{len(ids):,} codes came at once", f"add at most {MOST:,} at a time")
        if len(ids) < WORTH_TABLES:
            return cls(ids, flat(words), ALL, 0)
        if packed.fits(bits) and (compact or (compact is None and len(ids) >= WORTH_PACKING)):
            from transhash.search import packing

            return cls(runs.held(ids), packing.build(words, len(ids), bits), ALL, 0)
        from transhash.search import tables

        store = tables.build(words, bits)
        return cls(runs.held(ids) if store.tables else ids, store, ALL, 0)

    @classmethod
    def merged(cls, segments: list[Segment], bits: int, compact: bool | None = None) -> Segment:
        """One segment of what is alive in several."""
        [first, *others] = segments
        if not others and not first.removed and isinstance(first.store, Store) and isinstance(first.ids, np.ndarray):
            return cls.of(first.ids, first.store.codes, bits, compact) if first.store.tables == 0 else first
        kept = [part.alive_ranks() for part in segments]
        ids = np.concatenate([part.ids[ranks] for part, ranks in zip(segments, kept, strict=True)])
        words = np.zeros((len(ids) + PADDING, len(first.store.width)), np.uint64)
        end = 0
        for part, ranks in zip(segments, kept, strict=True):
            words[end : end + len(ranks)] = part.words(ranks)
            end += len(ranks)
        del kept
        if (ids[1:] <= ids[:-1]).any():
            order = np.argsort(ids, kind="stable")
            ids, words[:end] = ids[order], words[:end][order]
        return cls.of(ids, words, bits, compact)

    def alive_ranks(self) -> npt.NDArray[np.int64]:
        """The ranks of the entries that are there, ascending."""
        return set_ranks(self.alive, len(self.ids))

    def words(self, ranks: npt.NDArray[np.int64]) -> Words:
        """The codes of entries, [len(ranks), words]."""
        if len(ranks) == 0:  # a compact store would look at all it has
            return np.zeros((0, len(self.store.width)), np.uint64)
        if isinstance(self.store, Packed):
            from transhash.search import packing

            return packing.codes_of(self.store, ranks)
        return self.store.codes[self.store.rows[ranks]]

    def each_words(self, ranks: npt.NDArray[np.int64] | None, at_once: int) -> Iterator[Words]:
        """The codes of entries, or of all that are there, some at a time, in some order."""
        if ranks is None and isinstance(self.store, Packed):
            from transhash.search import packed_scan

            for store in packed_scan.parts(self.store):
                count = len(store.codes) - PADDING
                yield store.codes[:count][passing(self.alive, store.labels[:count].astype(np.int64))]
            return
        if ranks is None:
            ranks = self.alive_ranks()
        words = self.words(ranks) if isinstance(self.store, Packed) else None  # which it finds in one go
        for first in range(0, len(ranks), at_once):
            own = slice(first, first + at_once)
            yield self.words(ranks[own]) if words is None else words[own]

    def find(self, ids: Ids) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Which of `ids` are here and not removed, and the ranks of those."""
        if len(self.ids) == 0:
            return np.zeros(len(ids), np.bool_), np.empty(0, np.int64)
        here, ranks = runs.ranks_of(self.ids, ids)
        here &= passing(self.alive, ranks)
        return here, ranks[here]

    def without(self, ranks: npt.NDArray[np.int64]) -> Segment:
        """The same, with entries (that are there, each named once) marked as removed."""
        alive = self.alive.copy() if len(self.alive) else full(len(self.ids))
        np.bitwise_and.at(alive, ranks >> 6, ~(np.uint64(1) << (ranks & 63).astype(np.uint64)))
        alive.flags.writeable = False
        return replace(self, alive=alive, removed=self.removed + len(ranks))

    def allowing(self, ids: Ids) -> Segment:
        """The same with only `ids` (ascending) alive; few are gathered into a segment of their own."""
        _, ranks = self.find(ids)
        few = ALLOWED_TO_SCAN
        if isinstance(self.store, Packed):
            few = max(few, min(len(self.ids) // 64, COMPACT_TO_SCAN))
        if len(ranks) <= few:
            return self.gathered(ranks)
        return replace(self, alive=bitmap(len(self.ids), ranks), removed=len(self.ids) - len(ranks))

    def gathered(self, ranks: npt.NDArray[np.int64]) -> Segment:
        """A segment without tables of some entries (ranks ascending)."""
        words = np.zeros((len(ranks) + PADDING, len(self.store.width)), np.uint64)
        words[: len(ranks)] = self.words(ranks)
        return Segment(self.ids[ranks], flat(words), ALL, 0)

    def nearest(
        self,
        queries: Words,
        k: int,
        bits: int,
        bounds: npt.NDArray[np.int64],
        strategy: str | None,
        *,
        ordered: bool = True,
    ) -> Found:
        """The k nearest within `bounds` [Q]: (distances, ids), int64 [Q, k], padded with `small.NONE` and -1."""
        wanted = min(k, len(self))
        keys = np.full((len(queries), k), small.NONE)
        few = self._small(queries)
        if wanted and strategy != "mih" and few is not None:
            keys[:, :wanted] = small.nearest(few.codes, len(self.ids), queries, wanted)
        elif wanted:
            keys[:, :wanted] = self._nearest(queries, wanted, bits, bounds, strategy, ordered=ordered)
        return hits.told(keys, self.ids)

    def nearest_by(
        self, effort: float, queries: Words, k: int, bits: int, bounds: npt.NDArray[np.int64]
    ) -> tuple[Found, npt.NDArray[np.bool_]]:
        """As `nearest`, for at most `effort` a query where there are tables; and whose results are certain [Q]."""
        from transhash.search import mih

        if len(self) == 0 or self.store.tables == 0 or effort >= mih.scan_cost(self.store, len(self), len(queries)):
            return self.nearest(queries, k, bits, bounds, None), np.ones(len(queries), np.bool_)
        keys = np.full((len(queries), k), small.NONE)
        wanted = min(k, len(self))
        given = self.store, self.alive, queries, wanted, bits, bounds.copy()
        keys[:, :wanted], exact = mih.nearest(*given, effort, partial=True)
        return hits.told(keys, self.ids), exact

    def takes_few(self, queries: Words) -> bool:
        """Whether `few` is the quickest way: few codes, all there and without tables, and few queries."""
        return (
            len(queries) <= FEW_QUERIES
            and len(self.ids) <= FEW_CODES
            and self.store.tables == 0
            and len(self.alive) == 0
            and self._small(queries) is None
        )

    def few(self, queries: Words, k: int, bits: int) -> tuple[npt.NDArray[np.int32], Ids]:
        """The k nearest, (distances int32 [Q, k], ids int64 [Q, k]), padded with -1."""
        from transhash.search import few

        distances, found = np.empty((len(queries), k), np.int32), np.empty((len(queries), k), np.int64)
        useful = min(k, len(self.ids))
        assert isinstance(self.store, Store)  # as it has no tables
        few.nearest(self.store.codes, self.ids, queries, self.store.width, useful, bits, distances, found)
        return distances, found

    def within(
        self, queries: Words, bounds: npt.NDArray[np.int64], bits: int, strategy: str | None, *, ordered: bool
    ) -> Hits:
        """All within `bounds` [Q], each query's by (distance, id) or in any order."""
        if len(self) == 0 or len(queries) == 0:
            return hits.none(len(queries))
        few = self._small(queries)
        if few is not None:
            return hits.resolved(*small.within(few.codes, len(self.ids), queries, bounds), self.ids)
        from transhash.search import mih, packed_scan, scan

        if self._reaches_by_tables(queries, bounds, strategy):
            return mih.within(self.store, self.alive, self.ids, queries, bounds, bits, ordered)
        if isinstance(self.store, Packed):
            return packed_scan.within(self.store, self.alive, self.ids, queries, bounds, ordered)
        return scan.within(self.store, self.alive, self.ids, queries, bounds, ordered)

    def count_within(
        self, queries: Words, bounds: npt.NDArray[np.int64], bits: int, strategy: str | None
    ) -> npt.NDArray[np.int64]:
        """How many are within `bounds` of each query, int64 [Q]."""
        if len(self) == 0 or len(queries) == 0:
            return np.zeros(len(queries), np.int64)
        few = self._small(queries)
        if few is not None:
            return small.within(few.codes, len(self.ids), queries, bounds)[0]
        from transhash.search import mih, packed_scan, scan

        if self._reaches_by_tables(queries, bounds, strategy):
            return mih.count_within(self.store, self.alive, queries, bounds, bits)
        if isinstance(self.store, Packed):
            return packed_scan.count_within(self.store, self.alive, queries, bounds)
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
        store = self.store
        if self._small(queries) is not None or isinstance(store, Packed):
            for own in self._few_hits(queries, bounds, bits, strategy):
                found = self.within(queries[own], bounds[own], bits, strategy, ordered=True)
                each, places = np.unique(found.ids, return_inverse=True)
                codes = self.words(self.find(each)[1])[places].astype("<u8", copy=False).view(np.uint8)
                for rows, some in zip(best, rerank.of_hits(found, codes, tables[own], k), strict=True):
                    rows[own] = some
            return best
        from transhash.search import mih, products, scan

        def take(first: int, last: int, keys: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> None:
            own = slice(first, last)
            products.best(store.codes, store.rows, keys, ends, tables[own], *(each[own] for each in best))

        if self._reaches_by_tables(queries, bounds, strategy):
            mih.each_within(store, self.alive, queries, bounds, k, bits, take)
        else:
            scan.each_within(store, self.alive, queries, bounds, k, RERANKED_AT_ONCE, take)
        best.ids[:] = np.where(best.ids < 0, -1, self.ids[best.ids])
        return best

    def _few_hits(
        self, queries: Words, bounds: npt.NDArray[np.int64], bits: int, strategy: str | None
    ) -> Iterator[slice]:
        """The queries some at a time, which together have few hits within `bounds`; or one that has many.

        Of a compact segment; of others those that are small enough for NumPy come here, all at once.
        """
        if isinstance(self.store, Store) or len(queries) * len(self) <= RERANKED_AT_ONCE:
            yield slice(0, len(queries))
            return
        yield from hits.blocks(self.count_within(queries, bounds, bits, strategy), RERANKED_AT_ONCE)

    def _reaches_by_tables(self, queries: Words, bounds: npt.NDArray[np.int64], strategy: str | None) -> bool:
        """Whether to look for all within `bounds` in the tables rather than in all codes."""
        from transhash.search import mih

        store = self.store
        if store.tables == 0 or strategy == "scan":
            return False
        cost = mih.scan_cost(store, store.unique, len(queries))
        return strategy == "mih" or mih.is_worth_it(store, queries, bounds, cost)

    def _nearest(
        self, queries: Words, k: int, bits: int, bounds: npt.NDArray[np.int64], strategy: str | None, *, ordered: bool
    ) -> npt.NDArray[np.int64]:
        from transhash.search import mih

        store = self.store
        if store.tables == 0 or strategy == "scan" or (strategy is None and not self._tries_tables(k)):
            scanned = self._scanned_left if isinstance(store, Packed) else self._scanned
            return scanned(queries, k, bits, bounds)
        limit = np.inf if strategy == "mih" else mih.scan_cost(store, len(self), len(queries))
        bounds = bounds.copy()
        keys, done = mih.nearest(store, self.alive, queries, k, bits, bounds, limit, ordered=ordered)
        if strategy is None:  # what is not done is paid for twice
            self.misses[k.bit_length()] = 0 if done.mean() >= 0.5 else self.misses.get(k.bit_length(), 0) + 1
        if done.all():
            return keys
        keys[~done] = self._scanned_left(queries[~done], k, bits, bounds[~done])
        return keys

    def _scanned_left(self, queries: Words, k: int, bits: int, bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """As `_scanned`; where a filter left few codes, these are gathered first."""
        if len(self) * 8 >= len(self.ids):
            return self._scanned(queries, k, bits, bounds)
        ranks = self.alive_ranks()
        keys = self.gathered(ranks)._scanned(queries, k, bits, bounds)
        here = keys != small.NONE
        keys[here] = keys[here] >> 32 << 32 | ranks[keys[here] & 0xFFFFFFFF]
        return keys

    def _scanned(self, queries: Words, k: int, bits: int, bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        from transhash.search import packed_scan, scan

        queries = queries.view()
        queries.flags.writeable = False  # a kernel is compiled again for what may be written
        if isinstance(self.store, Packed):
            return packed_scan.nearest(self.store, self.alive, queries, k, bits, bounds)
        return scan.nearest(self.store, self.alive, queries, k, bits, bounds)

    def _tries_tables(self, k: int) -> bool:
        """Whether to look into the tables first: queries that give up there are scanned for as well, at twice the cost.

        After some searches for about as many results in which most queries gave up, only now and then.
        """
        if 64 * k > len(self):
            return False
        misses = self.misses.get(k.bit_length(), 0)
        tries = misses < DISCOURAGED or misses % AGAIN == 0
        self.misses[k.bit_length()] = misses + (not tries)
        return tries

    def _small(self, queries: Words) -> Store | None:
        """The store, when plain NumPy is the quicker way through it."""
        store = self.store
        if isinstance(store, Packed) or store.tables or len(self.alive):
            return None
        return store if small.is_small(store.codes, len(self.ids), queries) else None
