"""The tie-aware figures against the mean over every order of equal distances, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product
from math import comb

import numpy as np
import pytest

from evaluation_twins import average_precision, tie_orders
from transhash.evaluation import Scores, evaluate


def sizes_of_ties(items: int) -> Iterator[list[int]]:
    """All ways to cut a ranking of `items` into ties."""
    for cuts in product((False, True), repeat=items - 1):
        sizes = [1]
        for cut in cuts:
            if cut:
                sizes.append(1)
            else:
                sizes[-1] += 1
        yield sizes


def score(ties: Sequence[Sequence[int]], topk: int) -> Scores:
    """Evaluate one query of zeros: tie g lies at distance g + 1, its items relevant (1) or not (0) in this order."""
    bits = -(-(len(ties) + 1) // 8) * 8
    rows = [np.arange(bits) <= g for g, tie in enumerate(ties) for _ in tie]
    codes = np.packbits(np.array(rows), axis=1)
    labels = [relevant for tie in ties for relevant in tie]
    places = range(1, len(labels) + 1)
    return evaluate(np.zeros((1, bits // 8), np.uint8), [1], codes, labels, topk, precision_at=places)


@pytest.mark.parametrize("items", range(1, 6))
def test_every_small_ranking_equals_the_mean_over_all_orders(items: int) -> None:
    for sizes, labels in product(sizes_of_ties(items), product((0, 1), repeat=items)):
        stream = iter(labels)
        ties = [[next(stream) for _ in range(size)] for size in sizes]
        orders = tie_orders(ties)
        for topk in range(1, items + 1):
            scores = score(ties, topk)
            every = [average_precision(order, topk) for order in orders]
            assert scores.map == pytest.approx(float(sum(every) / len(every)), abs=1e-14), (ties, topk)
            assert scores.map_conventional == pytest.approx(float(average_precision(labels, topk)), abs=1e-14)
            assert min(every) - 1e-14 <= scores.map <= max(every) + 1e-14
            hits = Fraction(sum(sum(order[:topk]) for order in orders), len(orders))
            assert scores.precision_at[topk] == pytest.approx(float(hits / topk), abs=1e-14)


@pytest.mark.parametrize("topk", [1, 3, 4, 9, 13, 14, 15, 17])
def test_a_wide_tie_equals_the_mean_over_all_its_orders(topk: int) -> None:
    """Ties of 3 items with 2 hits, of 11 with 4, of 3 with 1: all places of their hits are equally likely."""
    firsts, lasts = set(tie_orders([[1, 0, 1]])), set(tie_orders([[0, 0, 1]]))
    middles = [[int(i in hits) for i in range(11)] for hits in combinations(range(11), 4)]
    every = [
        average_precision([*first, *middle, *last], topk) for first in firsts for middle in middles for last in lasts
    ]
    expected = float(sum(every) / len(every))
    assert score([[1, 0, 1], middles[0], [0, 0, 1]], topk).map == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(("n", "r", "m"), [(900, 300, 420), (900, 3, 1), (900, 890, 30), (900, 1, 899), (60, 60, 7)])
def test_a_cut_through_a_large_tie_equals_the_hypergeometric_sum(n: int, r: int, m: int) -> None:
    """One tie of n items with r hits, m places inside the cut, after one hit at distance 1."""
    expected = Fraction(0)
    for h in range(max(0, m - (n - r)), min(r, m) + 1):
        share = Fraction(h - 1, m - 1) if m > 1 else 0
        precisions = sum(Fraction(h, m) * (2 + (t - 1) * share) / (1 + t) for t in range(1, m + 1))
        expected += Fraction(comb(r, h) * comb(n - r, m - h), comb(n, m)) * (1 + precisions) / (1 + h)
    assert score([[1], [1] * r + [0] * (n - r)], 1 + m).map == pytest.approx(float(expected), abs=1e-13)
