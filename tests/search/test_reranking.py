"""Re-ranking where very many codes are equally far: exact, and in bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import oracle
from transhash.search import HammingIndex, segment


def equally_far(count: int) -> np.ndarray:
    """Different codes with one bit set in each byte: all are 8 bits from zero."""
    places = np.random.default_rng(0).choice(8**8, count, replace=False)
    return (1 << (places[:, None] >> (3 * np.arange(8)) & 7)).astype(np.uint8)


@pytest.mark.parametrize("tables", [False, True])
@pytest.mark.parametrize("strategy", [None, "scan", "mih"])
def test_the_best_of_many_ties_are_those_of_brute_force(
    tables: bool, strategy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "WORTH_TABLES", 1000 if tables else 10**9)
    monkeypatch.setattr(segment, "RERANKED_AT_ONCE", 5000)
    codes = np.concatenate([equally_far(70_000), np.zeros((3, 8), np.uint8), equally_far(900)])
    ids = np.random.default_rng(1).permutation(len(codes))
    index = HammingIndex(64)
    index.add(codes[:70_000], ids[:70_000])
    index.add(codes[70_000:], ids[70_000:])
    values = -np.random.default_rng(2).integers(1, 9, (3, 64)).astype(float)
    D, I = index.search(np.zeros((3, 8), np.uint8), 300, values=values, strategy=strategy)  # noqa: E741
    expected_D, expected_I = oracle.reranked(np.zeros((3, 8), np.uint8), values, codes, ids, 300)

    np.testing.assert_array_equal(D, expected_D)
    np.testing.assert_array_equal(I, expected_I)


def test_memory_does_not_grow_with_the_ties_of_all_queries() -> None:
    index = HammingIndex(64)
    index.add(equally_far(100_000))
    queries = np.zeros((60, 8), np.uint8)
    values = -np.random.default_rng(2).uniform(0.1, 1, (60, 64))
    index.search(queries[:1], values=values[:1])  # compiled, before it is measured
    tracemalloc.start()
    try:
        index.search(queries, values=values)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 60e6  # six million ties of 8 bytes alone would be 48 MB on either of two threads
