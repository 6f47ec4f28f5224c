"""Multi-index hashing, joined equal codes, growth and filters against brute force, on small collections."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from oracle import codes_of
from transhash.errors import HammingIndexError
from transhash.search import (
    HammingIndex,
    clusters,
    hits,
    index,
    mih,
    packed,
    packed_scan,
    scan,
    segment,
    small,
    tables,
)
from transhash.search.words import PADDING, to_words

STRATEGIES = [None, "scan", "mih"]
LAYOUTS = ["tables", "compact", "clusters"]


@pytest.fixture(autouse=True)
def small_numbers() -> object:
    """Tables for 50 codes, segments from 30 on: so that few codes go every way that many would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "WORTH_TABLES", 50)
        patch.setattr(segment, "ALLOWED_TO_SCAN", 5)
        patch.setattr(index, "TAIL", 30)
        patch.setattr(small, "is_small", lambda *_: False)
        patch.setattr(hits, "FEW", 60)
        patch.setattr(mih, "FOUND_AT_ONCE", 16)
        patch.setattr(scan, "FOUND_AT_ONCE", 32)
        patch.setattr(scan, "COUNTED", 4)
        patch.setattr(packed_scan, "AT_ONCE", 70)
        yield


@contextmanager
def laid_out(layout: str) -> Iterator[bool | None]:
    """What `compact` has to be for tables, compact ones, or clusters of any codes."""
    with pytest.MonkeyPatch.context() as patch:
        if layout == "clusters":
            patch.setattr(clusters, "WORTH", 50)
            patch.setattr(clusters, "cost_of_tables", lambda *_: np.inf)
        yield True if layout == "compact" else None


def values_of(codes: np.ndarray) -> np.ndarray:
    """Relaxed codes with these bits; small whole numbers, so that many inner products are equal and all are exact."""
    bits = np.unpackbits(codes, axis=1)
    sizes = np.random.default_rng(0).integers(1, 4, bits.shape)
    return np.where(bits, sizes, -sizes).astype(np.float32)


def assert_all(
    made: HammingIndex, queries: np.ndarray, held: dict[int, np.ndarray], allowed: np.ndarray | None
) -> None:
    ids = np.array([one for one in sorted(held) if allowed is None or one in allowed], np.int64)
    codes = np.array([held[one] for one in ids], np.uint8).reshape(len(ids), made.bits // 8)
    for strategy in STRATEGIES:
        for k in (1, 7, 60, 500):
            D, I = made.search(queries, k, ids=allowed, strategy=strategy)  # noqa: E741
            expected = oracle.nearest(queries, codes, ids, k)
            np.testing.assert_array_equal(D, expected[0])
            np.testing.assert_array_equal(I, expected[1])
            D, I = oracle.in_order(made.search(queries, k, ids=allowed, sort=False, strategy=strategy))  # noqa: E741
            np.testing.assert_array_equal(D, expected[0])
            np.testing.assert_array_equal(I, expected[1])
            values = values_of(queries)
            D, I = made.search(queries, k, ids=allowed, values=values, strategy=strategy)  # noqa: E741
            expected = oracle.reranked(queries, values, codes, ids, k)
            np.testing.assert_array_equal(D, expected[0])
            np.testing.assert_array_equal(I, expected[1])
        for radius in (0, 2, made.bits // 5) if allowed is None else ():
            lims, D, I = made.range_search(queries, radius, strategy=strategy)  # noqa: E741
            for q, (one, other) in enumerate(oracle.within(queries, codes, ids, radius)):
                np.testing.assert_array_equal(D[lims[q] : lims[q + 1]], one)
                np.testing.assert_array_equal(I[lims[q] : lims[q + 1]], other)
            assert lims[-1] == len(D)


@settings(max_examples=45, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.sampled_from([8, 16, 24, 32, 48, 64, 96, 128, 512]),
    kind=st.sampled_from(["near", "equal", "uniform"]),
    batches=st.lists(st.sampled_from([1, 20, 49, 50, 300]), min_size=1, max_size=4),
    removed=st.sampled_from([0.0, 0.1, 0.7]),
    own_ids=st.booleans(),
    layout=st.sampled_from(LAYOUTS),
)
def test_every_strategy_equals_brute_force(
    seed: int, bits: int, kind: str, batches: list[int], removed: float, own_ids: bool, layout: str
) -> None:
    with pytest.MonkeyPatch.context() as patch, laid_out(layout) as compact:
        # Whoever insists on tables has all their buckets visited, four million in each at 512 bits: 4,096 do as well.
        patch.setattr(tables, "WIDEST", 12)
        _compare(seed, bits, kind, batches, removed, own_ids, compact if packed.fits(bits) else None)


def _compare(
    seed: int, bits: int, kind: str, batches: list[int], removed: float, own_ids: bool, compact: bool | None
) -> None:
    rng = np.random.default_rng(seed)
    made = HammingIndex(bits, compact=compact)
    held: dict[int, np.ndarray] = {}
    for size in batches:
        codes = codes_of(rng, size, bits, kind)
        new = made.add(codes, rng.permutation(2**20)[:size] + 2**21 * len(held) if own_ids else None)
        held.update(zip(new.tolist(), codes, strict=True))
        gone = rng.choice(new, int(removed * size), replace=False)
        assert made.remove(gone) == len(gone)
        for one in gone.tolist():
            del held[one]
    assert len(made) == len(held)
    np.testing.assert_array_equal(made.ids, sorted(held))
    np.testing.assert_array_equal(
        made.reconstruct(sorted(held)), np.array([held[one] for one in sorted(held)]).reshape(-1, bits // 8)
    )
    queries = codes_of(rng, 6, bits, kind)
    assert_all(made, queries, held, None)
    for share in (0.02, 0.3, 0.99):
        assert_all(made, queries, held, rng.choice(sorted(held), int(share * len(held)), replace=False))


def test_the_widest_substrings_find_the_nearest_of_long_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    codes = codes_of(rng, 300, 512, "equal")
    made = HammingIndex(512)
    cut = tables.substrings(512, 10**7)
    assert np.diff(cut).tolist() == [tables.WIDEST] * tables.MOST
    monkeypatch.setattr(tables, "substrings", lambda *_: cut)
    made.add(codes)
    expected = oracle.nearest(codes[:4], codes, np.arange(300), 7)
    for strategy in STRATEGIES:
        D, I = made.search(codes[:4], 7, strategy=strategy)  # noqa: E741
        np.testing.assert_array_equal(D, expected[0])
        np.testing.assert_array_equal(I, expected[1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_search_with_a_budget_says_what_is_certain(layout: str) -> None:
    rng = np.random.default_rng(7)
    codes = codes_of(rng, 3000, 64, "near")
    with laid_out(layout) as compact:
        made = HammingIndex(64, compact=compact)
        made.add(codes[:2980])
        made.add(codes[2980:])
    queries = np.concatenate((codes[:15], codes_of(rng, 15, 64, "uniform")))
    wanted = oracle.nearest(queries, codes, np.arange(3000), 10)
    seen = []
    for effort in (1, 400, 1500, 10_000, 1e9):
        D, I, exact = made.search_by(effort, queries, 10)  # noqa: E741
        np.testing.assert_array_equal(D[exact], wanted[0][exact])
        np.testing.assert_array_equal(I[exact], wanted[1][exact])
        assert (wanted[0] <= D)[I >= 0].all()
        flips = np.unpackbits(codes[I] ^ queries[:, None], axis=2).sum(axis=2)
        np.testing.assert_array_equal(D[I >= 0], flips[I >= 0])
        seen.append(int(exact.sum()))
    assert seen == sorted(seen)
    assert seen[0] < seen[-1] == len(queries)
    with pytest.raises(HammingIndexError, match="effort is 0"):
        made.search_by(0, queries)


def test_an_id_can_return_after_its_removal() -> None:
    made = HammingIndex(16)
    rng = np.random.default_rng(0)
    first = codes_of(rng, 100, 16, "near")
    made.add(first)
    made.remove([7])
    made.add(first[:1], [7])
    held = dict(enumerate(first)) | {7: first[0]}
    assert_all(made, first[:5], held, None)
    np.testing.assert_array_equal(made.reconstruct([7]), first[:1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_queries_that_cost_too_much_are_scanned(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    codes = codes_of(rng, 400, 64, "near")
    with laid_out(layout) as compact:
        made = HammingIndex(64, compact=compact)
        made.add(codes)
    held = dict(enumerate(codes))
    queries = np.concatenate((codes[:20], codes_of(rng, 20, 64, "uniform")))
    for cost in (0.0, 300.0, 800.0):
        monkeypatch.setattr(mih, "scan_cost", lambda *_, cost=cost: cost)
        assert_all(made, queries, held, None)
        assert_all(made, queries, held, np.arange(0, 400, 13))


def test_many_equal_codes_are_held_once() -> None:
    codes = np.repeat(codes_of(np.random.default_rng(2), 30, 64, "uniform"), 20, axis=0)
    store = tables.build(to_words(codes, 64, PADDING), 64)
    assert store.unique == 30
    assert len(store.members) == 600
    np.testing.assert_array_equal(store.codes[store.rows], to_words(codes, 64))


@pytest.mark.parametrize("k", [1, 40, 700])
def test_compact_tables_keep_the_first_of_very_many_that_are_equally_near(k: int) -> None:
    """A thousand different codes at one distance, each of two entries: more than there is room for."""
    rng = np.random.default_rng(8)
    flips = np.array([rng.permutation(64) < 9 for _ in range(1000)])
    codes = np.repeat(np.packbits(flips, axis=1), 2, axis=0)[rng.permutation(2000)]
    made = HammingIndex(64, compact=True)
    made.add(codes)
    query = np.zeros((1, 8), np.uint8)
    for allowed in (None, np.arange(0, 2000, 3)):
        ids = np.arange(2000) if allowed is None else allowed
        for mine, expected in zip(
            made.search(query, k, ids=allowed, strategy="mih"), oracle.nearest(query, codes[ids], ids, k), strict=True
        ):
            np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("bits", [8, 16, 32, 48, 64, 96, 128, 256, 512])
@pytest.mark.parametrize("count", [2, 10**5, 10**7, 10**9])
def test_substrings_do_not_overlap_and_fit(bits: int, count: int) -> None:
    cut = tables.substrings(bits, count)
    assert cut[0] == 0
    assert cut[-1] <= bits
    assert (np.diff(cut) >= 1).all()
    assert (np.diff(cut) <= tables.WIDEST).all()
    assert len(cut) - 1 <= tables.MOST
    assert (1 << np.diff(cut)).max() <= max(16, 2 * count)  # buckets, most of them empty otherwise


def test_growth_moves_each_code_a_logarithmic_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []
    build = segment.Segment.of.__func__  # type: ignore[attr-defined]

    def counted(cls: type, ids: np.ndarray, words: np.ndarray, bits: int, *rest: bool | None) -> segment.Segment:
        moved.append(len(ids))
        return build(cls, ids, words, bits, *rest)

    made = HammingIndex(32)
    rng = np.random.default_rng(3)
    made.add(codes_of(rng, 3000, 32, "uniform"))
    monkeypatch.setattr(segment.Segment, "of", classmethod(counted))
    for _ in range(64):
        made.add(codes_of(rng, 31, 32, "uniform"))
    assert sum(moved) <= 64 * 31 * 8
    assert made.__reduce__()[1][0]["segments"] <= 9


def test_searches_while_adding_see_some_consistent_moment() -> None:
    rng = np.random.default_rng(4)
    codes = codes_of(rng, 1200, 64, "near")
    made = HammingIndex(64)
    made.add(codes[:200])
    queries = codes[:8]
    moments = [oracle.nearest(queries, codes[:end], np.arange(end), 10)[1].tobytes() for end in range(200, 1201, 20)]

    def search_until_full() -> list[bytes]:
        seen = []
        while len(made) < 1200:
            seen.append(made.search(queries, 10)[1].tobytes())
        return seen

    with ThreadPoolExecutor(3) as pool:
        searches = [pool.submit(search_until_full) for _ in range(3)]
        for begin in range(200, 1200, 20):
            made.add(codes[begin : begin + 20])
        results = [search.result() for search in searches]
    for seen in results:
        places = [moments.index(one) for one in seen]
        assert places == sorted(places)


@pytest.mark.parametrize(("mmap", "compact"), [(True, None), (False, None), (True, True), (False, True)])
def test_tables_and_removals_are_saved(tmp_path: Path, mmap: bool, compact: bool | None) -> None:
    rng = np.random.default_rng(5)
    codes = codes_of(rng, 260, 64, "equal")
    made = HammingIndex(64, compact=compact)
    made.add(codes[:200])
    made.add(codes[200:])
    made.remove(np.arange(0, 60, 3))
    made.save(tmp_path / "i.index")
    opened = HammingIndex.open(tmp_path / "i.index", mmap=mmap)
    held = {one: codes[one] for one in made.ids.tolist()}
    assert len(opened) == len(held) == 240
    assert_all(opened, codes[:5], held, None)
    opened.add(codes[:40], np.arange(1000, 1040))
    held.update(zip(range(1000, 1040), codes[:40], strict=True))
    assert_all(opened, codes[:5], held, np.arange(0, 1040, 2))
