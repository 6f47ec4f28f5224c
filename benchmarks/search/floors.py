"""What an exact search has to do at least, measured on this machine: bytes to be read, results to be written."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common import seconds
from transhash.kernels import inlined, kernel
from transhash.search import mih, scan, tables
from transhash.search.bitops import prefetch
from transhash.search.rings import AHEAD, LINES, following, ring_cost, table_starts
from transhash.search.segment import WORTH_TABLES
from transhash.search.store import ALL, Store, flat
from transhash.search.words import PADDING, Words, to_words
from transhash.threads import cuts, spread, workers

Codes = npt.NDArray[np.uint8]
ROUNDS = 5
LINE = 8  # words of a cache line


def of_scan(stored: Codes, queries: Codes) -> dict[str, float]:
    """What no scan of these codes can undercut here, in seconds.

    `single_s`: reading all codes from memory once, on all threads. `batch_s`: comparing all codes with the queries on
    all threads when nothing is near, so that nothing is ever selected.
    """
    words = np.ones((1 << 22, 8), np.uint64)  # 256 MB; zeros would be one page of the system

    def read(piece: tuple[int, int]) -> None:
        np.bitwise_or.reduce(words[slice(*piece)], axis=None)

    pieces = cuts(len(words), workers())
    reading = min(seconds(spread, read, pieces) for _ in range(ROUNDS)) / words.nbytes

    few, bits = 1 << 19, stored.shape[1] * 8
    store = flat(to_words(np.resize(stored, (few, stored.shape[1])), bits, PADDING))
    given = store, ALL, to_words(queries, bits), 1, bits, np.full(len(queries), -1)
    comparing = min(seconds(scan.nearest, *given) for _ in range(4 * ROUNDS)) / few
    return {"single_s": reading * len(stored) * 8 * len(store.width), "batch_s": comparing * len(stored)}


def of_tables(stored: Codes, queries: Codes, nearest: npt.NDArray[np.int64]) -> dict[str, float] | None:
    """Seconds to read the codes that a search in tables has to read for all queries, with nothing compared.

    A query has to read all buckets that may hold one of its results: `nearest` [Q] are the distances of its last ones.
    `codes` is how many codes these have, the mean of the queries. None where a search does not use tables.
    """
    if len(stored) < WORTH_TABLES:
        return None
    bits = stored.shape[1] * 8
    store, words = tables.build(to_words(stored, bits, PADDING), bits), to_words(queries, bits)
    if not store.tables or len(store.reach):
        return None
    if not mih.is_worth_it(store, words, nearest, mih.scan_cost(store, len(stored), len(queries))):
        return None
    order = words[:, 0].argsort()
    counts = np.zeros((len(queries), 2), np.int64)

    def read(piece: tuple[int, int]) -> None:
        own = order[slice(*piece)]
        counts[own] = _read(store, words[own], store.width, nearest[own])

    pieces = cuts(len(queries), 4 * workers(), 4)
    batch_s = min(seconds(spread, read, pieces) for _ in range(1 + ROUNDS))
    return {"batch_s": batch_s, "codes": float(counts[:, 0].mean())}


@kernel
def _read(store: Store, queries: Words, width: Any, nearest: Any) -> Any:
    """(codes, a sum that makes the reading needed) of each query, int64 [Q, 2]."""
    offsets, ends, codes = store.offsets, store.cuts, store.codes.reshape(-1)
    bases = table_starts(ends)
    depth, cost = np.zeros(len(bases), np.int64), np.empty(len(bases), np.float64)
    spans = np.empty((np.int64(1) << (ends[1:] - ends[:-1]).max(), 2), np.int64)  # no ring has more buckets
    found = np.zeros((len(queries), 2), np.int64)
    for q in range(len(queries)):
        depth[:] = 0
        cost[:] = 0.0
        for _ in range(nearest[q] + len(bases) + 1):  # the cheapest ring of all tables, as a search does
            t = np.argmin(cost)
            sought, bits = tables.substring(queries, q, ends[t], ends[t + 1]), ends[t + 1] - ends[t]
            if cost[t] == 0.0:  # not known yet
                cost[t] = ring_cost(offsets, bases[t], bits, sought, depth[t], len(width))
                continue
            held = _ring(offsets, bases[t], t * (len(store.codes) // len(bases)), bits, sought, depth[t], spans)
            depth[t] += 1
            cost[t] = ring_cost(offsets, bases[t], bits, sought, depth[t], len(width))
            for i in range(-AHEAD, held):
                if i + AHEAD < held:
                    begin, step = spans[i + AHEAD, 0], max(1, LINE // len(width))
                    for row in range(begin, min(spans[i + AHEAD, 1], begin + LINES * step), step):
                        prefetch(store.codes, row)
                if i >= 0:
                    found[q, 0] += spans[i, 1] - spans[i, 0]
                    found[q, 1] ^= _of_all(codes, spans[i, 0] * len(width), spans[i, 1] * len(width))
    return found


@inlined
def _of_all(words, begin, end):  # type: ignore[no-untyped-def]
    """A sum of words, for which all of them are read."""
    total = np.uint64(0)
    for i in range(begin, end):
        total ^= words[i]
    return np.int64(total)


@inlined
def _ring(offsets, base, first_row, width, sought, depth, spans):  # type: ignore[no-untyped-def]
    """Where the rows of a table's buckets at `depth` bits from what is sought begin and end; how many have any."""
    held = 0
    change = (np.int64(1) << depth) - 1
    while change >> width == 0:
        bucket = base + (sought ^ change)
        spans[held, 0], spans[held, 1] = first_row + offsets[bucket], first_row + offsets[bucket + 1]
        held += spans[held, 1] > spans[held, 0]
        change = following(change, width)
    return held


def of_writing(hits: int) -> float:
    """Seconds to write so many ids and distances once, on all threads: no search within a radius undercuts it."""

    def write() -> None:
        ids, distances = np.empty(hits, np.int64), np.empty(hits, np.int32)

        def fill(piece: tuple[int, int]) -> None:
            ids[slice(*piece)] = distances[slice(*piece)] = 1

        spread(fill, cuts(hits, workers()))

    return min(seconds(write) for _ in range(3))
