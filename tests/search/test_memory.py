"""Memory: what needs more than there is is refused before the work, and answers take little more than their results."""

from __future__ import annotations

import tracemalloc
from functools import partial

import numpy as np
import pytest

import oracle
from transhash.errors import HammingIndexError
from transhash.search import (
    HammingIndex,
    expanding,
    hits,
    index,
    mih,
    packed_scan,
    packing,
    rerank,
    scan,
    segment,
    segments,
)

RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 256, (3000, 8), dtype=np.uint8)
IDS = np.arange(len(CODES))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tails and segments, with tables where they have a thousand codes."""
    monkeypatch.setattr(index, "TAIL", 100)
    monkeypatch.setattr(segment, "WORTH_TABLES", 1000)


def values_of(codes: np.ndarray) -> np.ndarray:
    """Relaxed codes of which these are the signs."""
    return np.where(np.unpackbits(codes, axis=1), 1, -1) * RNG.uniform(0.1, 1, (len(codes), 64))


def filled(codes: np.ndarray = CODES, *, compact: bool | None = None) -> HammingIndex:
    made = HammingIndex(codes.shape[1] * 8, compact=compact)
    made.add(codes)
    return made


def test_small_chunks_are_refused_where_memory_cannot_merge_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = HammingIndex(64)
    for first, last in ((0, 800), (800, 1200), (1200, 1500)):
        made.add(CODES[first:last])
    monkeypatch.setattr(segments, "LARGE", 1000)
    monkeypatch.setattr(segments, "free_memory", lambda: 1000)
    made.add(CODES[1500:1550])  # which wait
    with pytest.raises(HammingIndexError, match=r"tables of 1,800 codes need .* of memory while they are made"):
        made.add(CODES[1550:1800])  # with those that wait as many as merge with 300, and these with 400 and 800
    assert made.ids.tolist() == list(range(1550))


@pytest.mark.parametrize("compact", [None, True])
def test_removed_codes_stay_marked_where_memory_cannot_hold_another_segment(
    compact: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(compact=compact)
    before = made.nbytes
    monkeypatch.setattr(segments, "LARGE", 1000)
    with monkeypatch.context() as patch:
        patch.setattr(segments, "free_memory", lambda: 1000)
        assert made.remove(np.arange(1700)) == 1700
        assert made.nbytes >= before
        for mine, expected in zip(
            made.search(CODES[:5], 7), oracle.nearest(CODES[:5], CODES[1700:], IDS[1700:], 7), strict=True
        ):
            np.testing.assert_array_equal(mine, expected)
    made.remove([1700])
    assert made.nbytes < before
    assert made.ids.tolist() == list(range(1701, 3000))


def test_a_segment_has_no_more_codes_than_there_are_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (segment, segments):
        monkeypatch.setattr(module, "MOST", 1000)
    made = HammingIndex(64)
    made.add(CODES[:600])
    with pytest.raises(HammingIndexError, match="1,001 codes came at once; add at most 1,000"):
        made.add(CODES[600:1601])
    made.add(CODES[600:1200])  # which would merge with those before
    for mine, expected in zip(
        made.search(CODES[:5], 9), oracle.nearest(CODES[:5], CODES[:1200], IDS[:1200], 9), strict=True
    ):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("fewest", [1, 7, 100])
def test_queries_that_are_searched_in_blocks_find_the_same(fewest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = filled()
    queries, values = CODES[::60], values_of(CODES[::60])
    whole = [*made.search(queries, 20), *made.search(queries, 20, values=values), *made.search_by(1e9, queries, 20)]
    monkeypatch.setattr(segments, "FEWEST_AT_ONCE", fewest)
    monkeypatch.setattr(segments, "RESULTS_AT_ONCE", 1)
    parts = [*made.search(queries, 20), *made.search(queries, 20, values=values), *made.search_by(1e9, queries, 20)]
    for mine, expected in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_an_answer_takes_little_more_memory_than_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "FEWEST_AT_ONCE", 64)
    monkeypatch.setattr(segments, "RESULTS_AT_ONCE", 1)
    made = filled(CODES[:1500])
    queries = RNG.integers(0, 256, (4096, 8), dtype=np.uint8)
    made.search(queries[:64], 100)  # compiled, before it is measured
    tracemalloc.start()
    try:
        made.search(queries, 100)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 20 * 4096 * 100  # 12 bytes are a result


def test_many_threads_take_no_more_memory_for_an_answer_than_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSHASH_THREADS", "16")
    monkeypatch.setattr(scan, "ROWS_WORTH_A_THREAD", 64)  # so that threads share the rows
    monkeypatch.setattr(scan, "BEST", 1 << 16)
    made, queries = filled(CODES[:900]), CODES[-30:]
    expected = made.search(queries, 800)  # compiled, before it is measured
    tracemalloc.start()
    try:
        found = made.search(queries, 800)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 100 * 30 * 800
    for mine, theirs, right in zip(found, expected, oracle.nearest(queries, CODES[:900], IDS[:900], 800), strict=True):
        np.testing.assert_array_equal(mine, right)
        np.testing.assert_array_equal(theirs, right)


@pytest.mark.parametrize("codes", [CODES[:2000], CODES[:90]], ids=["tables", "few"])
@pytest.mark.parametrize("at_once", [1, 1 << 10])
def test_an_answer_that_memory_cannot_hold_is_refused_before_the_search(
    codes: np.ndarray, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(codes)
    queries = CODES[:8]
    monkeypatch.setattr(hits, "LARGE", 1)
    monkeypatch.setattr(segments, "RESULTS_AT_ONCE", 1)
    monkeypatch.setattr(segments, "FEWEST_AT_ONCE", at_once)
    needed = (8 + 2 * min(8, at_once)) * 80 * 12  # an answer, and twice that for what is searched at a time
    said = r"80 results of each of 8 queries need .*; ask for fewer queries at a time, or for a smaller k"
    ways = (made.search, partial(made.search, values=values_of(queries)), partial(made.search_by, 9))
    monkeypatch.setattr(hits, "free_memory", lambda: needed - 1)
    for ask in ways:
        with pytest.raises(HammingIndexError, match=said):
            ask(queries, 80)
    monkeypatch.setattr(hits, "free_memory", lambda: needed)
    for ask in ways:
        assert ask(queries, 80)[1].shape == (8, 80)


def test_a_histogram_that_memory_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = filled()
    monkeypatch.setattr(hits, "LARGE", 1)
    monkeypatch.setattr(hits, "free_memory", lambda: 3 * 65 * 8)
    assert made.histogram(CODES[:3]).shape == (3, 65)
    with pytest.raises(HammingIndexError, match=r"65 numbers for each of 4 queries need .*; ask for fewer"):
        made.histogram(CODES[:4])


@pytest.mark.parametrize("compact", [None, True])
def test_hits_that_memory_cannot_hold_are_refused_before_they_are_written(
    compact: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(compact=compact)
    monkeypatch.setattr(hits, "LARGE", 6001)
    monkeypatch.setattr(hits, "free_memory", lambda: 8000 * hits.BYTES)
    assert len(made.range_search(CODES[:2], 64)[1]) == 6000
    with pytest.raises(HammingIndexError, match=r"9,000 hits need 0\.0 GB of memory, .*; ask for fewer queries"):
        made.range_search(CODES[:3], 64)
    assert made.count_within(CODES[:3], 64).tolist() == [3000] * 3


@pytest.mark.parametrize("strategy", ["scan", "mih"])
def test_hits_that_memory_cannot_hold_are_not_all_looked_for_first(
    strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled()
    monkeypatch.setattr(hits, "LARGE", 6001)
    monkeypatch.setattr(hits, "free_memory", lambda: 8000 * hits.BYTES)
    monkeypatch.setattr(scan, "COUNTED", 1)
    monkeypatch.setattr(mih, "FOUND_AT_ONCE", 3000)
    found, take = [], expanding.Gathered.take

    def noted(gathered: expanding.Gathered, some: expanding.Found) -> None:
        found.append(len(some.keys))
        take(gathered, some)

    monkeypatch.setattr(expanding.Gathered, "take", noted)
    with pytest.raises(HammingIndexError, match=r"more than .* hits need 0\.0 GB of memory"):
        made.range_search(CODES[:200], 64, strategy=strategy)
    assert sum(found) < 200 * 3000 / 4


def test_compact_ties_are_re_ranked_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = CODES[RNG.integers(0, 4, 3000)]
    made = filled(codes, compact=True)
    sizes, of_hits = [], rerank.of_hits

    def noted(found: hits.Hits, *others: object) -> rerank.Best:
        sizes.append(len(found.ids))
        return of_hits(found, *others)

    monkeypatch.setattr(segment, "RERANKED_AT_ONCE", 2500)
    monkeypatch.setattr(rerank, "of_hits", noted)
    queries, values = CODES[:12], values_of(CODES[:12])
    for mine, expected in zip(
        made.search(queries, 900, values=values), oracle.reranked(queries, values, codes, IDS, 900), strict=True
    ):
        np.testing.assert_array_equal(mine, expected)
    assert len(sizes) > 3
    assert max(sizes) <= 3000  # of one query


@pytest.mark.parametrize("share", [0, 0.9])
def test_the_few_that_a_filter_left_are_scanned_alone(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = CODES.copy()
    codes[RNG.random(3000) < share] = codes[0]
    made = filled(codes, compact=True)
    some = np.arange(0, 3000, 20)
    monkeypatch.setattr(segment, "ALLOWED_TO_SCAN", 10)
    monkeypatch.setattr(segment, "COMPACT_TO_SCAN", 10)

    def whole(*_: object) -> None:
        raise AssertionError("all codes were put together")

    monkeypatch.setattr(packed_scan, "decoded", whole)
    for k in (3, 100):
        for mine, expected in zip(
            made.search(~CODES[:5], k, ids=some), oracle.nearest(~CODES[:5], codes[some], some, k), strict=True
        ):
            np.testing.assert_array_equal(mine, expected)


def test_no_codes_are_looked_for_where_none_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = filled(compact=True)
    monkeypatch.setattr(packing, "spread", None)
    assert made.reconstruct([]).shape == (0, 8)


@pytest.mark.parametrize("at_once", [1, 500, 1 << 24])
@pytest.mark.parametrize("compact", [None, True])
def test_blocks_of_hits_are_what_one_answer_has(compact: bool | None, at_once: int) -> None:
    made = filled(CODES[:2900], compact=compact)
    made.add(CODES[2900:2950])
    queries, allowed = CODES[:40].copy(), np.arange(0, 2950, 3)
    blocks = made.range_blocks(queries, 26, at_once=at_once, ids=allowed)
    lims, *expected = made.range_search(queries, 26, ids=allowed)
    made.remove(allowed)  # a block is of the moment of the call
    queries[:] = 0
    seen = list(blocks)

    for place, each in enumerate(expected, 2):
        np.testing.assert_array_equal(np.concatenate([block[place] for block in seen]), each)
    assert [block.first for block in seen] == np.cumsum([0, *(len(block.lims) - 1 for block in seen)])[:-1].tolist()
    for first, own, distances, ids in seen:
        np.testing.assert_array_equal(own, lims[first : first + len(own)] - lims[first])
        assert len(distances) == len(ids) == own[-1]
        assert own[-1] <= at_once or len(own) == 2


def test_a_block_of_no_hits_is_refused_when_it_is_asked_for() -> None:
    with pytest.raises(HammingIndexError, match="at_once is 0; give 1 hit or more"):
        filled().range_blocks(CODES[:2], 3, at_once=0)


def test_a_k_that_no_array_can_have_is_refused_without_queries_too() -> None:
    with pytest.raises(HammingIndexError, match=r"k is .* ask for 3,000 or fewer"):
        filled().search(CODES[:0], 10**30)
