"""Neighbours: which pictures of a library are near one another by their embeddings, found exactly, by products of
matrices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

MOST = 200_000  # pictures of which all pairs are multiplied
PARTNERS = 8  # nearest pictures of one that it is compared with: copies come first
LEAST = 0.65  # cosine of pictures that are compared
ROOM = 1 << 25  # products at once


def neighbours(
    embeddings: npt.NDArray[np.int8], partners: int = PARTNERS, least: float = LEAST
) -> tuple[Numbers, Numbers]:
    """The pairs of rows of embeddings [N, V] of which one is among the nearest of the other, and which of them.

    Pairs are int64 [P, 2], each once, in order, the lesser row first; ranks int64 [P], 0 for the nearest of either.
    """
    count = len(embeddings)
    unit = embeddings.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    keys, ranks = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    step = max(1, ROOM // max(count, 1))
    for begin in range(0, count, step):
        products = unit[begin : begin + step] @ unit.T
        mine = np.arange(len(products))
        products[mine, mine + begin] = -1
        rows, columns = np.nonzero(products >= least)
        order = np.lexsort((-products[rows, columns], rows))
        rows, columns = rows[order], columns[order]
        sizes = np.bincount(rows, minlength=len(products))
        places = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        near = places < partners
        ones, others = rows[near] + begin, columns[near]
        keys.append(np.minimum(ones, others) * count + np.maximum(ones, others))
        ranks.append(places[near])
    every, rank = np.concatenate(keys), np.concatenate(ranks)
    order = np.lexsort((rank, every))
    found, first = np.unique(every[order], return_index=True)
    return np.stack((found // max(count, 1), found % max(count, 1)), axis=1), rank[order][first]
