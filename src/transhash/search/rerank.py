"""Asymmetric re-ranking: the query's relaxed code orders what its bits leave at the same distance.

Of two codes at the same Hamming distance the one that differs in bits of which the query is less sure is nearer: the
one with the greater inner product of the query's values and the code's ±1. Nothing more is stored.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transhash.codes import to_signs
from transhash.search.hits import Hits, Numbers


def best(hits: Hits, codes: npt.NDArray[np.uint8], values: npt.NDArray[np.float64], k: int) -> tuple[Numbers, Numbers]:
    """The first k of each query's hits, at least k, by (distance, inner product, id): (distances, ids) int64 [Q, k].

    `codes` uint8 [hits, bits/8] are those of the hits.
    """
    owners = np.repeat(np.arange(len(values)), hits.counts)
    products = np.zeros(len(owners))
    for byte, column in enumerate(codes.T):
        of_byte = values[:, 8 * byte : 8 * byte + 8] @ _SIGNS.T  # [Q, 256]
        products += of_byte[owners, column]
    order = np.lexsort((hits.ids, -products, hits.distances, owners))
    firsts = np.cumsum(hits.counts) - hits.counts
    chosen = order[firsts[:, None] + np.arange(k)]
    return hits.distances[chosen].astype(np.int64), hits.ids[chosen]


_SIGNS = to_signs(np.arange(256, dtype=np.uint8)[:, None]).astype(np.float64)  # [256, 8], of every byte
