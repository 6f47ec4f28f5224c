"""Cosines of rows found by their ids equal those of whole numbers computed one by one, at any length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from transhash.search import cosines


def expected(query: NDArray[np.int8], row: NDArray[np.int8]) -> np.float32:
    """The cosine of two int8 arrays, in Python's whole numbers."""
    a, b = query.tolist(), row.tolist()
    both, own, other = (sum(x * y for x, y in zip(*each, strict=True)) for each in ((a, b), (a, a), (b, b)))
    if own + other == 2 * both:
        return np.float32(1)
    return np.float32(both / max(math.sqrt(own) * math.sqrt(other), 1e-12))


@pytest.mark.parametrize("has_gaps", [False, True])
@pytest.mark.parametrize("values", [1, 31, 32, 33, 100, 256])
def test_cosines_equal_their_definition(values: int, has_gaps: bool) -> None:
    random = np.random.default_rng(values)
    rows = random.integers(-128, 128, (60, values)).astype(np.int8)
    rows[0], rows[1], rows[2] = -128, 127, 0
    ids = 5 + np.sort(random.choice(200, 60, replace=False)) if has_gaps else np.arange(5, 65)
    has = random.random(60) < 0.8
    has[:3] = True
    queries = np.concatenate([rows[:4], random.integers(-128, 128, (9, values)).astype(np.int8)])
    wanted = random.permuted(np.tile(np.arange(-1, 220), (len(queries), 1)), axis=1)
    found = np.full(wanted.shape, 7, np.float32)
    cosines.compare(queries, wanted, ids, rows, has, found)
    places = {id_: place for place, id_ in enumerate(ids.tolist())}
    for query, asked, own in zip(queries, wanted.tolist(), found, strict=True):
        for id_, cosine in zip(asked, own, strict=True):
            if id_ not in places:
                assert cosine == 7
            elif has[places[id_]]:
                assert cosine == expected(query, rows[places[id_]])
            else:
                assert np.isnan(cosine)


@pytest.mark.parametrize("has_gaps", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_only_the_likeliest_by_their_first_values_are_compared_whole(turned: bool, has_gaps: bool) -> None:
    random = np.random.default_rng(1)
    near = random.standard_normal((300, 256)) + 3 * random.standard_normal((12, 256))[random.integers(0, 12, 300)]
    if turned:
        near = near @ np.linalg.qr(random.standard_normal((256, 256)))[0]
    rows = (near * 8).round().clip(-127, 127).astype(np.int8)
    rows[5] = 0
    ids = np.sort(random.choice(900, 300, replace=False)) if has_gaps else np.arange(7, 307)
    has = random.random(300) < 0.9
    wanted = random.permuted(np.tile(np.arange(-1, 905), (40, 1)), axis=1)
    queries = rows[:40].copy()
    all_of, some = (np.full(wanted.shape, 7, np.float32) for _ in range(2))
    cosines.compare(queries, wanted, ids, rows, has, all_of)
    cosines.compare(queries, wanted, ids, rows, has, some, few=30)
    for query, asked, whole, own in zip(queries, wanted, all_of, some, strict=True):
        left = own == cosines.UNLIKE
        np.testing.assert_array_equal(own[~left], whole[~left])
        compared = ~left & np.isin(asked, ids[has])
        assert (30 <= compared.sum() < 60) or not query.any()
        first = np.array([expected(query[:64], rows[ids.searchsorted(id_), :64]) for id_ in asked[compared | left]])
        least, most = first[compared[compared | left]].min(), first[left[compared | left]].max(initial=-1)
        assert least >= most - 2 / cosines.LEVELS
        likeliest = np.argsort(-np.where(compared | left, whole, -1), kind="stable")[:10]
        assert compared[likeliest].all()


def test_few_rows_are_compared_whole() -> None:
    rows = np.random.default_rng(0).integers(-100, 100, (59, 256)).astype(np.int8)
    wanted = np.arange(59)[None]
    found = np.empty((1, 59), np.float32)
    cosines.compare(rows[:1], wanted, wanted[0], rows, np.ones(59, np.bool_), found, few=30)
    assert (found > -1).all()


def test_rows_without_a_quarter_that_tells_are_all_compared() -> None:
    rows = np.random.default_rng(0).integers(-100, 100, (100, 256)).astype(np.int8)
    rows[:, :64] = 0
    found = np.empty((1, 100), np.float32)
    cosines.compare(rows[:1], np.arange(100)[None], np.arange(100), rows, np.ones(100, np.bool_), found, few=30)
    assert (found > -1).all()
