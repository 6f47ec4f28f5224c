"""Within a radius: unsorted, counted, filtered, on every path."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
from transhash.errors import HammingIndexError
from transhash.search import HammingIndex, scan, segment, small


@pytest.fixture
def codes() -> np.ndarray:
    """Codes of which many are equal and many near one another."""
    return np.random.default_rng(0).integers(0, 4, (67_000, 8), dtype=np.uint8) * 17


@pytest.fixture(params=["tables", "flat"])
def index(request: pytest.FixtureRequest, codes: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> HammingIndex:
    """A large segment, a tail, and entries removed from both."""
    monkeypatch.setattr(segment, "WORTH_TABLES", 1000 if request.param == "tables" else 10**9)
    monkeypatch.setattr(small, "is_small", lambda *_: False)
    monkeypatch.setattr(scan, "HITS_AT_ONCE", 500)
    made = HammingIndex(64)
    made.add(codes[:66_000])
    made.add(codes[66_000:])
    made.remove(np.arange(0, 67_000, 7))
    return made


@pytest.mark.parametrize("strategy", [None, "scan", "mih"])
@pytest.mark.parametrize("radius", [0, 4, 9])
def test_unsorted_hits_and_counts_are_those_of_brute_force(
    index: HammingIndex, codes: np.ndarray, strategy: str | None, radius: int
) -> None:
    queries = codes[:9]
    for allowed in (None, np.arange(0, 67_000, 3)):
        ids = index.ids if allowed is None else np.intersect1d(index.ids, allowed)
        expected = oracle.within(queries, codes[ids], ids, radius)
        lims, D, I = index.range_search(queries, radius, ids=allowed, sort=False, strategy=strategy)  # noqa: E741
        for q, (distances, its) in enumerate(expected):
            own = slice(lims[q], lims[q + 1])
            order = np.lexsort((I[own], D[own]))
            np.testing.assert_array_equal(D[own][order], distances)
            np.testing.assert_array_equal(I[own][order], its)
        counts = index.count_within(queries, radius, ids=allowed, strategy=strategy)
        np.testing.assert_array_equal(counts, [len(its) for _, its in expected])
        assert counts.dtype == np.int64
        ordered = index.range_search(queries, radius, ids=allowed, strategy=strategy)
        np.testing.assert_array_equal(ordered[2], np.concatenate([its for _, its in expected]))


def test_a_small_index_counts_too() -> None:
    index = HammingIndex(16)
    assert index.count_within(np.zeros((2, 2), np.uint8), 3).tolist() == [0, 0]
    index.add(np.array([[0, 0], [0, 1], [255, 255]], np.uint8))
    assert index.count_within(np.zeros((2, 2), np.uint8), 1).tolist() == [2, 2]
    assert index.count_within(np.zeros((0, 2), np.uint8), 1).tolist() == []
    with pytest.raises(HammingIndexError, match="radius is"):
        index.count_within(np.zeros((2, 2), np.uint8), -1)
