"""A million codes against another engine: distances equal Faiss's."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from benchmarks.search.peers import make_codes
from transhash.search import HammingIndex


@pytest.mark.parametrize("kind", ["uniform", "clustered"])
def test_distances_equal_those_of_faiss_at_a_million(kind: str) -> None:
    codes = make_codes(kind, 1_000_040, 64)
    queries, stored = codes[:40], codes[40:]
    index = HammingIndex(64)
    index.add(stored)
    peer = faiss.IndexBinaryFlat(64)
    peer.add(stored)
    expected = peer.search(queries, 100)[0]
    for strategy in (None, "scan", "mih"):
        D, I = index.search(queries, 100, strategy=strategy)  # noqa: E741
        np.testing.assert_array_equal(D, expected)
        found = index.reconstruct(I.ravel()).reshape(40, 100, 8)
        np.testing.assert_array_equal(np.bitwise_count(found ^ queries[:, None]).sum(2), D)
    lims, D, I = index.range_search(queries, 8)  # noqa: E741
    their_lims, their_D, their_I = peer.range_search(queries, 9)
    np.testing.assert_array_equal(lims, their_lims)
    for q in range(40):
        own = slice(lims[q], lims[q + 1])
        order = np.lexsort((their_I[own], their_D[own]))
        np.testing.assert_array_equal(D[own], their_D[own][order])
        np.testing.assert_array_equal(I[own], their_I[own][order])
