"""What an index asks of all its segments together; from old to new, the last one is the tail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.search import hits, packed, rerank, small
from transhash.search.segment import WORTH_PACKING, Found, Ids, Segment
from transhash.search.words import PADDING, Words, word_count
from transhash.system import free_memory

COUNTED_AT_ONCE = 1 << 16  # codes
LARGE = 10_000_000  # codes, from which on memory is looked at before it is taken
RERANKED_AT_ONCE = 256  # queries whose tables are in memory at a time


class Budgeted(NamedTuple):
    """What a search with a budget found."""

    distances: npt.NDArray[np.int32]  # [Q, k], -1 where nothing was found
    ids: Ids  # [Q, k]
    exact: npt.NDArray[np.bool_]  # [Q]: whether these are the nearest for certain


def empty(bits: int) -> Segment:
    """A segment without codes."""
    return Segment.of(np.empty(0, np.int64), np.zeros((PADDING, word_count(bits)), np.uint64), bits)


def settled(parts: list[Segment], waiting: list[Segment], bits: int, compact: bool | None) -> list[Segment]:
    """Segments with what waited merged in, and with it those older ones that are not larger than what merges."""
    size = sum(len(part) for part in waiting)
    while parts and len(parts[-1]) <= size:
        size += len(parts[-1])
        waiting = [parts[-1], *waiting]
        parts = parts[:-1]
    return [*parts, Segment.merged(waiting, bits, compact)]


def check_memory(parts: Sequence[Segment], count: int, bits: int, compact: bool | None) -> None:
    """Raises `HammingIndexError` when memory cannot hold so many new codes with the segments that they merge with."""
    if count < LARGE:
        return
    count += sum(len(part) for part in parts if len(part) <= count)
    wanted, free = needed(count, bits, compact), free_memory()
    if free is not None and wanted > free:
        raise HammingIndexError(
            "",
            f"tables of {count:,} codes need {wanted / 1e9:.1f} GB of memory while they are made, and"
            f" {free / 1e9:.1f} GB are free",
            "use compact=True, or transhash.search.building.build_index, which works on disk"
            if packed.fits(bits)
            else "use more machines, or shorter codes",
        )


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


def nearest(parts: Sequence[Segment], queries: Words, k: int, bits: int, strategy: str | None) -> Found:
    """The k nearest over all segments; each starts from the bounds that the ones before it have set."""
    bounds = np.full(len(queries), bits)
    distances, ids = parts[0].nearest(queries, k, bits, bounds, strategy)
    for part in parts[1:]:
        bounds = np.minimum(distances[:, -1], bits)
        more = part.nearest(queries, k, bits, bounds, strategy)
        distances, ids = hits.merged_best((distances, ids), more)
    return distances, ids


def nearest_by(effort: float, parts: Sequence[Segment], queries: Words, k: int, bits: int) -> Budgeted:
    """The k nearest that `effort` finds for each query, shared out to the segments by their size."""
    total = sum(len(part) for part in parts)
    useful = min(k, total)
    D, I = np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), -1, np.int64)  # noqa: E741
    exact = np.ones(len(queries), np.bool_)
    if useful and len(queries):
        distances, ids = np.full((len(queries), useful), small.NONE), I[:, :useful]
        for part in parts:
            bounds = np.minimum(distances[:, -1], bits)
            more, certain = part.nearest_by(effort * len(part) / total, queries, useful, bits, bounds)
            distances, ids = hits.merged_best((distances, ids), more)
            exact &= certain
        D[:, :useful], I[:, :useful] = np.where(ids < 0, -1, distances), ids
    return Budgeted(D, I, exact)


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
    counts = np.zeros((len(queries), bits + 1), np.int64)
    for part in parts:
        for some in part.each_words(None if wanted is None else part.find(wanted)[1], COUNTED_AT_ONCE):
            for row, query in zip(counts, queries, strict=True):
                distances = np.bitwise_count(some ^ query).sum(axis=1, dtype=np.int64)
                row += np.bincount(distances, minlength=bits + 1)
    return counts
