"""A map learned from neighbours: cosines after it tell kinds apart better; without anything to learn there is none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from transhash.evaluation.cosine import cosine_map
from transhash.shallow import nearness


def kinds(items: int, seed: int, noise: float = 0.4) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Items of twelve kinds, which differ in four of forty directions; the first six directions are noise alone."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(5).normal(size=(12, 4))
    labels = random.integers(0, 12, items)
    vectors = np.random.default_rng(6).normal(size=(4, 40))
    found = centres[labels] @ vectors + noise * random.normal(size=(items, 40))
    found[:, :6] += 2.5 * random.normal(size=(items, 6))
    return (found + 3.0).astype(np.float32), labels  # far from the origin, as embeddings are


def score(mapped: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    return cosine_map(mapped[:100], labels[:100], mapped[100:], labels[100:])


def test_cosines_after_the_map_tell_kinds_apart_better_on_items_that_it_has_not_seen() -> None:
    linear = nearness(kinds(400, 0)[0])
    assert linear is not None
    assert linear.shape == (41, 40)
    vectors, labels = kinds(500, 1)
    mapped = vectors @ linear[:-1] + linear[-1]
    assert score(mapped, labels) > score(vectors, labels) + 0.1
    assert score(mapped, labels) > score(vectors - vectors.mean(axis=0), labels) + 0.05


def test_no_value_is_much_larger_than_others_so_that_a_byte_holds_each() -> None:
    vectors = kinds(400, 0)[0]
    linear = nearness(vectors)
    assert linear is not None
    spread = (vectors @ linear[:-1] + linear[-1]).std(axis=0)
    assert spread.max() < 5 * spread.min()  # of the principal components themselves, 20 times


def test_bytes_are_read_as_numbers_are() -> None:
    whole = np.rint(kinds(200, 0)[0] * 10).astype(np.int8)
    np.testing.assert_array_equal(nearness(whole), nearness(whole.astype(np.float32)))


@pytest.mark.parametrize(
    "features",
    [
        np.ones((50, 20), np.float32),  # nothing differs
        np.repeat(np.random.default_rng(0).normal(size=(2, 20)), 25, axis=0).astype(np.float32),  # neighbours are equal
        np.array([[1, 2, 3], [4, -5, 6]], np.int8),  # neighbours are opposite
        np.array([[0.1, 2e6, 3], [4, -5e-3, 6]], np.float32),
        kinds(6, 0)[0],  # each is a neighbour of all others
        np.ones((1, 20), np.float32),
    ],
)
def test_there_is_no_map_where_neighbours_tell_nothing(features: NDArray[np.float32]) -> None:
    assert nearness(features) is None
