"""Re-ranking compiled: of many entries at one distance only the best by inner product are held."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search.bitops import borrow


@kernel
def best(codes, rows, keys, ends, tables, distances, products, ranks):  # type: ignore[no-untyped-def]
    """Write each query's best by (distance, product, rank) into rows of `distances`, `products` and `ranks` [Q, k].

    Of query i the sorted keys end at `ends[i]`; `tables` [Q, bytes, 256] are its own. What is not written stays.
    """
    codes, rows, keys, tables = borrow(codes), borrow(rows), borrow(keys), borrow(tables)
    k = distances.shape[1]
    pool = np.empty(2 * k + 256)
    pooled_ranks = np.empty(len(pool), np.int64)
    at = np.int64(0)
    for q in range(len(ends)):
        done = 0
        while at < ends[q] and done < k:
            distance = keys[at] >> 32
            wanted = k - done
            worst = -np.inf  # the product that is no longer of use
            held = 0
            while at < ends[q] and keys[at] >> 32 == distance:
                rank = keys[at] & 0xFFFFFFFF
                at += 1
                product = _product(codes, np.int64(rows[rank]), tables, q)
                if product <= worst:  # and its rank is greater
                    continue
                if held == len(pool):
                    _order(pool, pooled_ranks)
                    held = wanted
                    worst = pool[wanted - 1]
                    if product <= worst:
                        continue
                pool[held] = product
                pooled_ranks[held] = rank
                held += 1
            _order(pool[:held], pooled_ranks[:held])
            for i in range(min(held, wanted)):
                distances[q, done] = distance
                products[q, done] = pool[i]
                ranks[q, done] = pooled_ranks[i]
                done += 1
        at = ends[q]


@inlined
def _product(codes, row, tables, q):  # type: ignore[no-untyped-def]
    total = 0.0
    for byte in range(tables.shape[1]):
        value = (codes[row, byte >> 3] >> np.uint64(8 * (byte & 7))) & np.uint64(255)
        total += tables[q, byte, np.int64(value)]
    return total


@kernel
def _order(products, ranks):  # type: ignore[no-untyped-def]
    """Sort by product, the greatest first, equal ones by rank: in that order they came."""
    order = np.argsort(-products, kind="mergesort")
    products[:] = products[order]
    ranks[:] = ranks[order]
