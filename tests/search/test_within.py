"""Within a radius: unsorted, counted, filtered, on every path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import oracle
from transhash.errors import HammingIndexError
from transhash.search import HammingIndex, clusters, mih, scan, segment, small


@pytest.fixture
def codes() -> np.ndarray:
    """Codes of which many are equal and many near one another."""
    return np.random.default_rng(0).integers(0, 4, (67_000, 8), dtype=np.uint8) * 17


@pytest.fixture(params=["tables", "flat", "clusters", "compact"])
def index(request: pytest.FixtureRequest, codes: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> HammingIndex:
    """A large segment, a tail, and entries removed from both; each query's hits come in several pieces."""
    monkeypatch.setattr(segment, "WORTH_TABLES", 10**9 if request.param == "flat" else 1000)
    monkeypatch.setattr(clusters, "WORTH", 1000 if request.param == "clusters" else 10**9)
    monkeypatch.setattr(clusters, "cost_of_tables", lambda *_: np.inf)
    monkeypatch.setattr(small, "is_small", lambda *_: False)
    monkeypatch.setattr(scan, "FOUND_AT_ONCE", 500)
    monkeypatch.setattr(mih, "FOUND_AT_ONCE", 100)
    made = HammingIndex(64, compact=request.param == "compact")
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


@pytest.mark.parametrize("ids", [np.arange(70_000) + 5, np.arange(70_000) * 3], ids=["following", "with gaps"])
def test_hits_have_the_ids_that_were_given(codes: np.ndarray, ids: np.ndarray, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "WORTH_TABLES", 1000)
        made = HammingIndex(64)
        made.add(codes, ids[: len(codes)])
    made.save(tmp_path / "i.hamming")
    expected = oracle.within(codes[:3], codes, ids[: len(codes)], 6)
    for each in (made, HammingIndex.open(tmp_path / "i.hamming")):
        lims, D, I = each.range_search(codes[:3], 6, strategy="mih")  # noqa: E741
        unsorted = each.range_search(codes[:3], 6, strategy="mih", sort=False)[2]
        for q, (distances, its) in enumerate(expected):
            np.testing.assert_array_equal(D[lims[q] : lims[q + 1]], distances)
            np.testing.assert_array_equal(I[lims[q] : lims[q + 1]], its)
            np.testing.assert_array_equal(np.sort(unsorted[lims[q] : lims[q + 1]]), np.sort(its))


def test_a_small_index_counts_too() -> None:
    index = HammingIndex(16)
    assert index.count_within(np.zeros((2, 2), np.uint8), 3).tolist() == [0, 0]
    index.add(np.array([[0, 0], [0, 1], [255, 255]], np.uint8))
    assert index.count_within(np.zeros((2, 2), np.uint8), 1).tolist() == [2, 2]
    assert index.count_within(np.zeros((0, 2), np.uint8), 1).tolist() == []
    with pytest.raises(HammingIndexError, match="radius is"):
        index.count_within(np.zeros((2, 2), np.uint8), -1)
