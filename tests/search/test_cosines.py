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
