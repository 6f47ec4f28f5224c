"""Results of several places brought together: nearest ones and hits within a radius, by (distance, id)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.search.runs import Ids, Numbers, by_rank
from transhash.search.small import NONE
from transhash.system import free_memory
from transhash.threads import cuts, spread, workers

FEW = 1 << 12  # results that NumPy sorts in less time than the compiler needs to be imported
LARGE = 1 << 24  # hits, from which on memory is looked at before it is taken
BYTES = 12  # of a hit: distance and id
FEWER = "ask for fewer queries at a time (HammingIndex.range_blocks does), or for a smaller radius"


class Hits(NamedTuple):
    """All hits of some queries, those of one query after another, each query's by (distance, id)."""

    counts: Numbers  # [Q]
    distances: npt.NDArray[np.int32]
    ids: Numbers


def none(queries: int) -> Hits:
    """No hits of so many queries."""
    return Hits(np.zeros(queries, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))


def check_memory(total: int, found: str, remedy: str = FEWER) -> None:
    """Raises `HammingIndexError` where memory has no room for so many hits; `found` says how many they are."""
    if total < LARGE:
        return
    free = free_memory()
    if free is not None and total * BYTES > free:
        raise HammingIndexError(
            "",
            f"{found} need {total * BYTES / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free",
            remedy,
        )


def unwritten(counts: Numbers) -> Hits:
    """Room for so many hits of each query; raises `HammingIndexError` where memory has none."""
    total = int(counts.sum())
    check_memory(total, f"{total:,} hits")
    return Hits(counts, np.empty(total, np.int32), np.empty(total, np.int64))


def blocks(counts: Numbers, at_once: int) -> Iterator[slice]:
    """Queries that follow each other, and together have at most so many hits; or one that has more."""
    ends = np.cumsum(counts)
    first = before = 0
    while first < len(ends):
        last = max(first + 1, int(np.searchsorted(ends, before + at_once, side="right")))
        yield slice(first, last)
        first, before = last, int(ends[last - 1])


def resolved(counts: Numbers, keys: Numbers, ids: Ids) -> Hits:
    """Hits from sorted keys `distance << 32 | rank`, where `ids` has the id of each rank."""
    return Hits(counts, (keys >> 32).astype(np.int32), ids[keys & 0xFFFFFFFF])


def told(keys: Numbers, ids: Ids) -> tuple[Numbers, Numbers]:
    """Keys `distance << 32 | rank`, where `ids` has the id of each rank, as distances and ids; NONE has the id -1."""
    if keys.size > FEW:
        from transhash.search import merging

        distances, found = np.empty_like(keys), np.empty_like(keys)
        merging.tell(keys.ravel(), *by_rank(ids), distances.ravel(), found.ravel())
        return distances, found
    here = keys != NONE
    found = np.full(keys.shape, -1, np.int64)
    found[here] = ids[keys[here] & 0xFFFFFFFF]
    return np.where(here, keys >> 32, NONE), found


def merged(a: Hits, b: Hits, *, ordered: bool = True) -> Hits:
    """The hits of the same queries in two places, by (distance, id) if they are, or one place's behind the other's."""
    if len(a.ids) == 0 or len(b.ids) == 0:
        return a if len(b.ids) == 0 else b
    counts = a.counts + b.counts
    if len(a.ids) + len(b.ids) <= FEW:
        distances, ids = np.concatenate((a.distances, b.distances)), np.concatenate((a.ids, b.ids))
        owners = np.concatenate([np.repeat(np.arange(len(counts)), each.counts) for each in (a, b)])
        order = np.lexsort((ids, distances, owners)) if ordered else np.argsort(owners, kind="stable")
        return Hits(counts, distances[order], ids[order])
    from transhash.search import merging

    _, distances, ids = result = unwritten(counts)
    begins = [np.concatenate((np.zeros(1, np.int64), np.cumsum(each))) for each in (a.counts, b.counts, counts)]

    merge = merging.hits if ordered else merging.chained

    def run(piece: tuple[int, int]) -> None:
        merge(*piece, begins[0], *a[1:], begins[1], *b[1:], begins[2], distances, ids)

    spread(run, cuts(len(counts), workers()))
    return result


def merged_best(a: tuple[Numbers, Numbers], b: tuple[Numbers, Numbers]) -> tuple[Numbers, Numbers]:
    """The k nearest of each query, from its k nearest in two places: (distances, ids) int64 [Q, k], padded."""
    if a[0].size <= FEW:
        distances, ids = (np.concatenate(pair, axis=1) for pair in zip(a, b, strict=True))
        order = np.lexsort((ids, distances), axis=1)[:, : a[0].shape[1]]
        return np.take_along_axis(distances, order, 1), np.take_along_axis(ids, order, 1)
    from transhash.search import merging

    distances, ids = np.empty_like(a[0]), np.empty_like(a[1])

    def run(piece: tuple[int, int]) -> None:
        own = slice(*piece)
        merging.best(a[0][own], a[1][own], b[0][own], b[1][own], distances[own], ids[own])

    spread(run, cuts(len(distances), workers()))
    return distances, ids
