"""BRE against a search that tries every place with the whole objective."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from transhash.shallow import bre
from transhash.shallow.bre import improve, objective, sum_of_differences

Kinds = tuple[np.ndarray, np.ndarray]


def whole(codes: np.ndarray, targets: np.ndarray) -> int:
    """Σ (B d - h)² over ordered pairs of different pictures, one by one: bits (B, n)."""
    pairs = itertools.permutations(range(codes.shape[1]), 2)
    return sum((int(targets[i, j]) - int((codes[:, i] != codes[:, j]).sum())) ** 2 for i, j in pairs)


def twin(columns: np.ndarray, weights: np.ndarray, others: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The weights after each was moved once, by trying one value between any two places: the nearest of the best."""
    weights = weights.copy()
    for q in range(len(weights)):
        rest = weights @ columns - weights[q] * columns[q]
        moving = columns[q] != 0
        places = np.sort(-rest[moving] / columns[q][moving])
        above, below = places[places > weights[q]], places[places < weights[q]][::-1]
        tried = [weights[q]]
        for side, end in ((above, 1), (below, -1)):
            tried += [*(side[1:] + side[:-1]) / 2]
            tried += [side[-1] + end * max(1, abs(side[-1]))] if len(side) else []
        losses = [whole(np.vstack([others, rest + w * columns[q] > 0]), targets) for w in tried]
        weights[q] = tried[int(np.argmin(losses))]
    return weights


def test_every_weight_moves_to_its_optimum() -> None:
    random = np.random.default_rng(0)
    for _ in range(5):
        columns, others = random.standard_normal((4, 16)), random.random((3, 16)) > 0.5
        columns[1, :3] = 0  # pictures that this weight cannot move
        labels = random.integers(0, 3, 16)
        targets = np.where(labels[:, None] == labels, 0, 4).astype(np.int32)
        pairs = 1 - 2 * (targets - sum_of_differences(others))
        np.fill_diagonal(pairs, 0)
        weights = random.standard_normal(4)
        expected = twin(columns, weights, others, targets)
        assert not np.array_equal(weights, expected)
        improve(columns, weights, pairs, 1e-7)
        np.testing.assert_allclose(weights, expected, rtol=1e-9)


def test_the_objective_is_that_of_all_pairs() -> None:
    random = np.random.default_rng(1)
    codes, targets = random.random((8, 12)) > 0.5, 8 * random.integers(0, 2, (12, 12)).astype(np.int32)
    assert objective(sum_of_differences(codes), targets) == whole(codes, targets)


@pytest.mark.parametrize("labelling", ["classes", "topics"])
def test_the_objective_falls_with_every_sweep(kinds: Kinds, topics: np.ndarray, labelling: str) -> None:
    """Measured on the codes that the finished function gives, so that the predicted bits are the real ones."""
    features, labels = kinds[0][:300], kinds[1][:300] if labelling == "classes" else topics[:300]
    alike = labels[:, None] == labels if labelling == "classes" else labels.astype(int) @ labels.T.astype(int) > 0
    targets = np.where(alike, 0, 16).astype(np.int32)
    found = []
    for sweeps in range(5):
        codes = bre(features, labels, 16, basis=20, sweeps=sweeps).values(features).T > 0
        found.append(objective(sum_of_differences(codes), targets))
    assert found[1] < found[0]
    assert found == sorted(found, reverse=True)
