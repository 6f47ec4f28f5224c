"""HammingIndex against brute force."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from transhash.errors import DataError, HammingIndexError
from transhash.search import HammingIndex, segments, small
from transhash.search import index as index_module

BITS = st.sampled_from([8, 16, 24, 32, 48, 64, 72, 96, 128, 136, 256, 264, 512])


@pytest.fixture(params=["numpy", "compiled"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Send every search the given way, whatever its size."""
    monkeypatch.setattr(small, "is_small", lambda *_: request.param == "numpy")
    return request.param


def near_codes(rng: np.random.Generator, count: int, bits: int, spread: int) -> np.ndarray:
    """Codes of which only `spread` bytes vary: many equal codes and many equal distances."""
    codes = np.zeros((count, bits // 8), np.uint8)
    varying = rng.choice(bits // 8, min(spread, bits // 8), replace=False)
    codes[:, varying] = rng.integers(0, 256, (count, len(varying)))
    return codes


def assert_search(index: HammingIndex, queries: np.ndarray, codes: np.ndarray, ids: np.ndarray, k: int) -> None:
    D, I = index.search(queries, k)  # noqa: E741
    expected_D, expected_I = oracle.nearest(queries, codes, ids, k)
    assert (D.dtype, I.dtype) == (np.int32, np.int64)
    np.testing.assert_array_equal(D, expected_D)
    np.testing.assert_array_equal(I, expected_I)
    values = np.where(np.unpackbits(queries, axis=1), 1.0, -1.0) * sizes_of(queries)
    D, I = index.search(queries, k, values=values)  # noqa: E741
    expected_D, expected_I = oracle.reranked(queries, values, codes, ids, k)
    np.testing.assert_array_equal(D, expected_D)
    np.testing.assert_array_equal(I, expected_I)


def sizes_of(queries: np.ndarray) -> np.ndarray:
    """How sure a query is of each bit: small whole numbers, so that inner products are exact and often equal."""
    return np.random.default_rng(0).integers(1, 4, (len(queries), queries.shape[1] * 8))


def assert_range(index: HammingIndex, queries: np.ndarray, codes: np.ndarray, ids: np.ndarray, radius: int) -> None:
    lims, D, I = index.range_search(queries, radius)  # noqa: E741
    assert lims.dtype == np.int64
    assert len(lims) == len(queries) + 1
    assert lims[-1] == len(D) == len(I)
    for q, (expected_D, expected_I) in enumerate(oracle.within(queries, codes, ids, radius)):
        np.testing.assert_array_equal(D[lims[q] : lims[q + 1]], expected_D)
        np.testing.assert_array_equal(I[lims[q] : lims[q + 1]], expected_I)


@pytest.mark.parametrize("way", ["numpy", "compiled"])
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=BITS,
    size=st.sampled_from([0, 1, 2, 9, 10, 11, 31, 32, 33, 300]),
    queries=st.integers(0, 5),
    spread=st.integers(1, 64),
    own_ids=st.booleans(),
)
def test_search_equals_brute_force(
    way: str, seed: int, bits: int, size: int, queries: int, spread: int, own_ids: bool
) -> None:
    rng = np.random.default_rng(seed)
    codes = near_codes(rng, size, bits, spread)
    asked = near_codes(rng, queries, bits, spread)
    ids = rng.choice(2**40, size, replace=False) if own_ids else np.arange(size)
    index = HammingIndex(bits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "is_small", lambda *_: way == "numpy")
        index.add(codes, ids if own_ids else None)
        assert len(index) == size
        for k in (1, 10, 400):
            assert_search(index, asked, codes, ids, k)
        for radius in (0, bits // 4, bits):
            assert_range(index, asked, codes, ids, radius)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), bits=st.sampled_from([8, 64, 128]))
def test_interleaved_adds_and_removals(data: st.DataObject, bits: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    index = HammingIndex(bits)
    held: dict[int, np.ndarray] = {}
    for _ in range(data.draw(st.integers(1, 6))):
        if held and data.draw(st.booleans()):
            gone = rng.choice(list(held), len(held) // 2, replace=False)
            assert index.remove(np.append(gone, 2**50)) == len(gone)
            for one in gone:
                del held[int(one)]
        else:
            codes = near_codes(rng, data.draw(st.integers(0, 40)), bits, 2)
            new = index.add(codes)
            assert not held.keys() & set(new.tolist())
            held.update(zip(new.tolist(), codes, strict=True))
        ids = np.array(sorted(held), np.int64)
        codes = np.array([held[i] for i in ids]).reshape(len(ids), bits // 8).astype(np.uint8)
        np.testing.assert_array_equal(index.ids, ids)
        np.testing.assert_array_equal(index.reconstruct(ids[::-1]), codes[::-1])
        assert_search(index, near_codes(rng, 3, bits, 2), codes, ids, 7)
        assert_range(index, near_codes(rng, 3, bits, 2), codes, ids, 3)


def test_many_queries_and_rows_go_in_pieces(path: str) -> None:
    rng = np.random.default_rng(5)
    codes = near_codes(rng, 3000, 64, 3)
    ids = rng.permutation(3000)
    index = HammingIndex(64)
    index.add(codes, ids)
    assert_search(index, codes[:600], codes, ids, 20)
    assert_range(index, codes[:600], codes, ids, 4)


def test_one_query_is_shared_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from transhash.search import scan

    monkeypatch.setattr(scan, "workers", lambda: 3)
    monkeypatch.setattr(scan, "ROWS_WORTH_A_THREAD", 64)
    codes = near_codes(np.random.default_rng(6), 5000, 64, 2)
    index = HammingIndex(64)
    index.add(codes)
    monkeypatch.setattr(small, "is_small", lambda *_: False)
    assert_search(index, codes[:1], codes, np.arange(5000), 700)
    assert_range(index, codes[:2], codes, np.arange(5000), 3)


def test_only_the_allowed_ids_are_found(path: str) -> None:
    rng = np.random.default_rng(7)
    codes = near_codes(rng, 500, 32, 2)
    index = HammingIndex(32)
    index.add(codes)
    for allowed in (np.array([], np.int64), np.array([499]), rng.choice(500, 5), rng.choice(500, 490, replace=False)):
        kept = np.unique(allowed)
        expected = oracle.nearest(codes[:4], codes[kept], kept, 10)
        bitmap = np.zeros(600, bool)
        bitmap[allowed] = True
        for form in (allowed, set(allowed.tolist()), bitmap, np.append(allowed, 10**6)):
            D, I = index.search(codes[:4], 10, ids=form)  # noqa: E741
            np.testing.assert_array_equal(D, expected[0])
            np.testing.assert_array_equal(I, expected[1])


def test_ids_go_on_after_the_greatest_ever_used() -> None:
    index = HammingIndex(8)
    codes = np.zeros((2, 1), np.uint8)
    np.testing.assert_array_equal(index.add(codes), [0, 1])
    np.testing.assert_array_equal(index.add(codes, [40, 7]), [40, 7])
    index.remove([40])
    np.testing.assert_array_equal(index.add(codes), [41, 42])


def test_arrays_of_any_layout_mean_the_same() -> None:
    codes = near_codes(np.random.default_rng(8), 40, 64, 8)
    index = HammingIndex(64)
    index.add(codes[::2], np.arange(0, 20).astype(">i8"))
    expected = oracle.nearest(codes[1::2], codes[::2], np.arange(20), 5)
    D, I = index.search(np.asfortranarray(codes[1::2]), 5)  # noqa: E741
    np.testing.assert_array_equal(D, expected[0])
    np.testing.assert_array_equal(I, expected[1])


CODES = np.zeros((2, 8), np.uint8)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda index: index.add(CODES.astype(np.int64)), "dtype int64"),
        (lambda index: index.add(CODES.tolist()), "codes are a list"),
        (lambda index: index.add(CODES[0]), r"1 dimension\(s\)"),
        (lambda index: index.add(CODES[:, :4]), "4 bytes each"),
        (lambda index: index.search(CODES[:, :4]), "4 bytes each"),
        (lambda index: index.search(CODES, 0), "k is 0"),
        (lambda index: index.search(CODES, 2.5), "k is 2.5"),
        (lambda index: index.search(CODES, strategy="guess"), "'guess' is unknown"),
        (lambda index: index.range_search(CODES, -1), "radius is -1"),
        (lambda index: index.add(CODES, [1, -5]), "id -5 is negative"),
        (lambda index: index.add(CODES, [9, 9]), "id 9 is used twice"),
        (lambda index: index.add(CODES, {8, 9}), "ids are a set, which has no order"),
        (lambda index: index.add(CODES, [3, 9]), "id 3 is used twice"),
        (lambda index: index.add(CODES, [1]), "2 codes came with 1 ids"),
        (lambda index: index.add(CODES, [1.0, 2.0]), "ids are float64"),
        (lambda index: index.add(CODES, np.array([1, 2**63], np.uint64)), "does not fit"),
        (lambda index: index.reconstruct([3, 4]), "id 4 is not in the index"),
        (lambda index: index.save("/nowhere/at/all.index"), "could not be written"),
    ],
)
def test_misuse_is_one_clear_error_and_changes_nothing(action: object, message: str) -> None:
    index = HammingIndex(64)
    index.add(CODES[:1], [3])
    with pytest.raises(HammingIndexError, match=message):
        action(index)  # type: ignore[operator]
    np.testing.assert_array_equal(index.ids, [3])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((2, 8)), r"float64 of shape \(2, 8\)"),
        (np.ones((2, 64), int), "int64"),
        (np.full((2, 64), np.nan), "NaN"),
        (np.ones((2, 64)), "signs of the values"),
    ],
)
def test_values_of_something_else_are_refused(values: np.ndarray, message: str) -> None:
    index = HammingIndex(64)
    index.add(CODES)
    with pytest.raises(DataError, match=message):
        index.search(CODES, values=values)


@pytest.mark.parametrize("bits", [0, -8, 12, 2056])
def test_impossible_widths_are_refused(bits: int) -> None:
    with pytest.raises(HammingIndexError, match="multiple of 8"):
        HammingIndex(bits)


@pytest.mark.parametrize(
    ("bits", "compact", "remedy"),
    [(64, None, "compact=True"), (64, True, "compact=True"), (256, None, "shorter codes")],
)
def test_codes_that_memory_cannot_hold_are_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch, bits: int, compact: bool | None, remedy: str
) -> None:
    monkeypatch.setattr(index_module, "TAIL", 500)
    codes = np.random.default_rng(0).integers(0, 256, (2000, bits // 8), dtype=np.uint8)
    index = HammingIndex(bits, compact=compact)
    index.add(codes[:1000])
    wanted = segments.needed(2000, bits, compact)  # with the thousand before, that merge with these
    monkeypatch.setattr(segments, "LARGE", 1000)
    monkeypatch.setattr(segments, "free_memory", lambda: wanted - 1)
    with pytest.raises(HammingIndexError, match=f"tables of 2,000 codes need .*{remedy}"):
        index.add(codes[1000:])
    assert index.ids.tolist() == list(range(1000))
    monkeypatch.setattr(segments, "free_memory", lambda: wanted)
    index.add(codes[1000:])
    assert len(index) == 2000


@pytest.mark.parametrize("compact", [None, True])
def test_memory_to_make_tables_is_reckoned_well(compact: bool | None) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (200_000, 8), dtype=np.uint8)
    HammingIndex(64, compact=compact).add(codes)  # loads and compiles what it takes
    tracemalloc.start()
    HammingIndex(64, compact=compact).add(codes)
    peak = tracemalloc.get_traced_memory()[1]  # without what compiled functions take for themselves
    tracemalloc.stop()
    assert 0.7 < peak / segments.needed(200_000, 64, compact) <= 1
