"""What an index asks of all its segments together; from old to new, the last one is the tail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial, reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.search import hits, packed, rerank, small
from transhash.search.hits import Hits
from transhash.search.segment import WORTH_PACKING, Found, Ids, Segment
from transhash.search.store import MOST
from transhash.search.words import PADDING, Words, word_count
from transhash.system import free_memory

COUNTED_AT_ONCE = 1 << 16  # codes
LARGE = 10_000_000  # codes, from which on memory is looked at before it is taken
RERANKED_AT_ONCE = 256  # queries whose tables are in memory at a time
RESULTS_AT_ONCE = 1 << 21  # results that are found before they are written to the answer
FEWEST_AT_ONCE = 1 << 10  # queries that are searched together, however many results they have
SOUGHT = 2  # times the memory of a result: what it takes, at least, while it is searched for


class Budgeted(NamedTuple):
    """What a search with a budget found."""

    distances: npt.NDArray[np.int32]  # [Q, k], -1 where nothing was found
    ids: Ids  # [Q, k]
    exact: npt.NDArray[np.bool_]  # [Q]: whether these are the nearest for certain


class Block(NamedTuple):
    """All hits of some queries that follow each other."""

    first: int  # the first of the queries
    lims: Ids  # [queries + 1]: those of query first + i are at lims[i]:lims[i + 1]
    distances: npt.NDArray[np.int32]
    ids: Ids


def empty(bits: int) -> Segment:
    """A segment without codes."""
    return Segment.of(np.empty(0, np.int64), np.zeros((PADDING, word_count(bits)), np.uint64), bits)


def settled(parts: list[Segment], waiting: list[Segment], bits: int, compact: bool | None) -> list[Segment]:
    """Segments with what waited merged in, and with it those older ones that are not larger than what merges."""
    count, _ = _merging(parts, sum(len(part) for part in waiting))
    kept = len(parts) - count
    return [*parts[:kept], Segment.merged([*parts[kept:], *waiting], bits, compact)]


def check_memory(parts: Sequence[Segment], waiting: int, bits: int, compact: bool | None) -> None:
    """Raises `HammingIndexError` when memory cannot hold so many new codes with the segments that they merge with."""
    _, count = _merging(parts, waiting)
    wanted, free = needed(count, bits, compact), _free_for(count)
    if free is not None and wanted > free:
        raise HammingIndexError(
            "",
            f"tables of {count:,} codes need {wanted / 1e9:.1f} GB of memory while they are made, and"
            f" {free / 1e9:.1f} GB are free",
            "use compact=True, or transhash.search.building.build_index, which works on disk"
            if packed.fits(bits)
            else "use more machines, or shorter codes",
        )


def shrunk(part: Segment, bits: int, compact: bool | None) -> Segment:
    """A segment without its removed codes; the same where memory cannot hold another of what is left."""
    free = _free_for(len(part))
    if free is not None and needed(len(part), bits, compact) > free:
        return part
    return Segment.merged([part], bits, compact)


def _merging(parts: Sequence[Segment], waiting: int) -> tuple[int, int]:
    """How many segments, the last ones, merge with so many codes that wait, and how many codes that makes."""
    count = 0
    for part in reversed(parts):
        if len(part) > waiting or len(part) + waiting > MOST:
            break
        count, waiting = count + 1, waiting + len(part)
    return count, waiting


def _free_for(count: int) -> int | None:
    """Bytes of memory that are free; None for a segment of so few codes that nobody needs to look."""
    return None if count < LARGE else free_memory()


def needed(count: int, bits: int, compact: bool | None) -> int:
    """Bytes of memory that it takes to make a segment of so many codes, itself included."""
    from transhash.search import tables

    width = 8 * word_count(bits)
    is_small = packed.fits(bits) and (compact or (compact is None and count >= WORTH_PACKING))
    return count * (width + 34 + (80 if is_small else (len(tables.substrings(bits, count)) - 1) * (width + 4)))


def words(parts: Sequence[Segment], ids: Ids, bits: int) -> Words:
    """The codes of ids, as words; raises `HammingIndexError` for an unknown id."""
    found = np.zeros((len(ids), word_count(bits)), np.uint64)
    known = np.zeros(len(ids), np.bool_)
    for part in parts:
        here, ranks = part.find(ids)
        found[here] = part.words(ranks)
        known |= here
    if not known.all():
        raise HammingIndexError("", f"id {ids[~known][0]} is not in the index", "give ids that were added")
    return found


def nearest(
    parts: Sequence[Segment], queries: Words, k: int, bits: int, strategy: str | None, *, ordered: bool = True
) -> Found:
    """The k nearest over all segments; each starts from the bounds that the ones before it have set."""
    bounds = np.full(len(queries), bits)
    distances, ids = parts[0].nearest(queries, k, bits, bounds, strategy, ordered=ordered or len(parts) > 1)
    for part in parts[1:]:
        bounds = np.minimum(distances[:, -1], bits)
        more = part.nearest(queries, k, bits, bounds, strategy)
        distances, ids = hits.merged_best((distances, ids), more)
    return distances, ids


def search(
    parts: Sequence[Segment],
    queries: Words,
    values: npt.NDArray[np.float64] | None,
    k: int,
    bits: int,
    *,
    ordered: bool,
    strategy: str | None,
) -> tuple[npt.NDArray[np.int32], Ids]:
    """The k nearest over all segments, by `values` where they are given: int32 and int64 [Q, k], -1 pads."""
    D, I, useful = _answer(parts, len(queries), k)  # noqa: E741
    for own in _at_once(len(queries), useful):
        best = nearest(parts, queries[own], useful, bits, strategy, ordered=ordered or values is not None)
        if values is not None:
            best = reranked(parts, queries[own], values[own], best[0], bits, strategy=strategy)
        D[own, :useful], I[own, :useful] = best
    return D, I


def within(
    parts: Sequence[Segment], queries: Words, bounds: Ids, bits: int, strategy: str | None, *, ordered: bool
) -> tuple[Ids, npt.NDArray[np.int32], Ids]:
    """All within `bounds` [Q] over all segments: (lims [Q + 1], distances, ids)."""
    each = (part.within(queries, bounds, bits, strategy, ordered=ordered) for part in parts)
    found: Hits = reduce(partial(hits.merged, ordered=ordered), each, hits.none(len(queries)))
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(found.counts))), found.distances, found.ids


def count_within(parts: Sequence[Segment], queries: Words, bounds: Ids, bits: int, strategy: str | None) -> Ids:
    """How many are within `bounds` of each query over all segments, int64 [Q]."""
    counts = np.zeros(len(queries), np.int64)
    for part in parts:
        counts += part.count_within(queries, bounds, bits, strategy)
    return counts


def blocks_within(
    parts: Sequence[Segment], queries: Words, bounds: Ids, bits: int, at_once: int, *, ordered: bool
) -> Iterator[Block]:
    """As `within`, for as many queries at a time as have `at_once` hits together; those are counted at once."""
    queries = queries.copy()  # whoever gave them may write to them between the blocks
    queries.flags.writeable = False
    return (
        Block(own.start, *within(parts, queries[own], bounds[own], bits, None, ordered=ordered))
        for own in hits.blocks(count_within(parts, queries, bounds, bits, None), at_once)
    )


def nearest_by(effort: float, parts: Sequence[Segment], queries: Words, k: int, bits: int) -> Budgeted:
    """The k nearest that `effort` finds for each query, shared out to the segments by their size."""
    total = sum(len(part) for part in parts)
    D, I, useful = _answer(parts, len(queries), k)  # noqa: E741
    exact = np.ones(len(queries), np.bool_)
    for own in _at_once(len(queries), useful):
        some, found = queries[own], I[own, :useful].copy()
        distances = np.full(found.shape, small.NONE)
        for part in parts:
            bounds = np.minimum(distances[:, -1], bits)
            more, certain = part.nearest_by(effort * len(part) / total, some, useful, bits, bounds)
            distances, found = hits.merged_best((distances, found), more)
            exact[own] &= certain
        D[own, :useful], I[own, :useful] = np.where(found < 0, -1, distances), found
    return Budgeted(D, I, exact)


def check_answer(queries: int, k: int, useful: int) -> None:
    """Raises `HammingIndexError` where memory cannot hold k results of each query, of which `useful` are found."""
    useful = min(k, useful)
    sought = min(queries, _queries_at_once(useful)) * useful
    hits.check_memory(
        queries * k + SOUGHT * sought,
        f"{k:,} results of each of {queries:,} queries",
        "ask for fewer queries at a time, or for a smaller k",
    )


def _answer(parts: Sequence[Segment], queries: int, k: int) -> tuple[npt.NDArray[np.int32], Ids, int]:
    """Room for distances and ids [Q, k], padded with -1; and how many of k are found."""
    useful = min(k, sum(len(part) for part in parts))
    return np.full((queries, k), -1, np.int32), np.full((queries, k), -1, np.int64), useful


def _at_once(queries: int, useful: int) -> Iterator[slice]:
    """The queries, some at a time: what a search holds of each result takes several times what the answer takes."""
    size = _queries_at_once(useful)
    for first in range(0, queries if useful else 0, size):
        yield slice(first, first + size)


def _queries_at_once(useful: int) -> int:
    return max(FEWEST_AT_ONCE, RESULTS_AT_ONCE // max(1, useful))


def entries(parts: Sequence[Segment], wanted: Ids | None, bits: int) -> tuple[Words, Ids]:
    """All entries, or those of `wanted` ids: codes [n + PADDING, words] and ids [n]."""
    parts = [part for part in parts if len(part)]
    kept = [part.alive_ranks() if wanted is None else part.find(wanted)[1] for part in parts]
    ids = [part.ids[ranks] for part, ranks in zip(parts, kept, strict=True)]
    words = [part.words(ranks) for part, ranks in zip(parts, kept, strict=True)]
    padding = np.zeros((PADDING, word_count(bits)), np.uint64)
    return np.concatenate([*words, padding]), np.concatenate([np.empty(0, np.int64), *ids])


def reranked(
    parts: Sequence[Segment],
    queries: Words,
    values: npt.NDArray[np.float64],
    near: Ids,
    bits: int,
    *,
    strategy: str | None,
) -> Found:
    """The k best by (distance, inner product, id), from the distances [Q, k] of the k nearest."""
    k = near.shape[1]
    done = []
    for first in range(0, len(queries), RERANKED_AT_ONCE):
        own = slice(first, first + RERANKED_AT_ONCE)
        tables, bounds = rerank.tables(values[own]), np.ascontiguousarray(near[own, -1])
        found = [part.reranked(queries[own], tables, bounds, bits, strategy, k=k) for part in parts]
        done.append(rerank.merged(found, k))
    return np.concatenate([each.distances for each in done]), np.concatenate([each.ids for each in done])


def histogram(parts: Sequence[Segment], queries: Words, wanted: Ids | None, bits: int) -> Ids:
    """How many entries there are at each distance from each query, int64 [Q, bits + 1]; of `wanted` ids if given."""
    hits.check_memory(
        len(queries) * (bits + 1) * 8 // hits.BYTES,
        f"{bits + 1:,} numbers for each of {len(queries):,} queries",
        "ask for fewer queries at a time",
    )
    counts = np.zeros((len(queries), bits + 1), np.int64)
    for part in parts:
        for some in part.each_words(None if wanted is None else part.find(wanted)[1], COUNTED_AT_ONCE):
            for row, query in zip(counts, queries, strict=True):
                distances = np.bitwise_count(some ^ query).sum(axis=1, dtype=np.int64)
                row += np.bincount(distances, minlength=bits + 1)
    return counts
