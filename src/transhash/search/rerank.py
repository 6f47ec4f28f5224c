"""Asymmetric re-ranking: the query's relaxed code orders what its bits leave at the same distance.

Of two codes at the same Hamming distance the one that differs in bits of which the query is less sure is nearer: the
one with the greater inner product of the query's values and the code's ±1. Nothing more is stored.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.codes import to_signs
from transhash.search.hits import Hits
from transhash.search.runs import Numbers
from transhash.search.small import NONE

Floats = npt.NDArray[np.float64]


class Best(NamedTuple):
    """The k best of each query by (distance, inner product, id), [Q, k], padded with NONE, 0 and -1."""

    distances: Numbers
    products: Floats
    ids: Numbers


def tables(values: Floats) -> Floats:
    """What each value of each byte of a code adds to the inner product with values [Q, bits]: [Q, bytes, 256]."""
    Q, bits = values.shape
    return np.asarray(values.reshape(Q, bits // 8, 8) @ _SIGNS.T)


def of_none(queries: int, k: int) -> Best:
    """The best of nothing."""
    return Best(np.full((queries, k), NONE), np.zeros((queries, k)), np.full((queries, k), -1, np.int64))


def best(hits: Hits, codes: npt.NDArray[np.uint8], values: Floats, k: int) -> tuple[Numbers, Numbers]:
    """The first k of each query's hits, at least k, by (distance, inner product, id): (distances, ids) int64 [Q, k].

    `codes` uint8 [hits, bits/8] are those of the hits.
    """
    found = of_hits(hits, codes, tables(values), k)
    return found.distances, found.ids


def of_hits(hits: Hits, codes: npt.NDArray[np.uint8], tables: Floats, k: int) -> Best:
    """The k best of each query's hits; of `codes` uint8 [hits, bytes] those bytes count that `tables` have."""
    owners = np.repeat(np.arange(len(tables)), hits.counts)
    products = np.zeros(len(owners))
    for byte in range(tables.shape[1]):
        products += tables[owners, byte, codes[:, byte]]
    order = np.lexsort((hits.ids, -products, hits.distances, owners))
    column = np.arange(len(order)) - np.repeat(np.cumsum(hits.counts) - hits.counts, hits.counts)
    kept = column < k
    rows, columns, chosen = owners[kept], column[kept], order[kept]
    found = of_none(len(tables), k)
    found.distances[rows, columns] = hits.distances[chosen]
    found.products[rows, columns] = products[chosen]
    found.ids[rows, columns] = hits.ids[chosen]
    return found


def merged(parts: list[Best], k: int) -> Best:
    """The k best of each query over several places."""
    distances, products, ids = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
    order = np.lexsort((ids, -products, distances), axis=1)[:, :k]
    return Best(*(np.take_along_axis(each, order, 1) for each in (distances, products, ids)))


_SIGNS = to_signs(np.arange(256, dtype=np.uint8)[:, None]).astype(np.float64)  # [256, 8], of every byte
