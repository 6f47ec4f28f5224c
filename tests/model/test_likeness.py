"""Cosines as probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.model.likeness import Likeness, expected_error, fit

TRUE = Likeness(12.0, -7.0, 0, "made")


def drawn(seed: int, pairs: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    cosines = random.uniform(-0.2, 1, pairs)
    return cosines, random.random(pairs) < TRUE.probability(cosines)


def test_the_curve_that_pairs_were_drawn_from_is_found() -> None:
    cosines, relevant = drawn(0)
    found = fit([cosines], [relevant], "made")
    assert found.pairs == len(cosines)
    assert found.data == "made"
    grid = np.linspace(-0.2, 1, 50)
    np.testing.assert_allclose(found.probability(grid), TRUE.probability(grid), atol=0.02)


def test_sets_weigh_alike_however_many_pairs_they_have() -> None:
    one, other = drawn(1, 300), (np.full(30_000, 0.6), np.zeros(30_000, bool))
    twice = (np.tile(other[0], 3), np.tile(other[1], 3))
    first, second = (fit([one[0], each[0]], [one[1], each[1]], "") for each in (other, twice))
    assert first.slope == pytest.approx(second.slope, rel=1e-6)
    assert first.offset == pytest.approx(second.offset, rel=1e-6)


def test_pairs_that_a_threshold_parts_without_error_have_a_finite_curve() -> None:
    cosines = np.linspace(0, 1, 100)
    found = fit([cosines], [cosines > 0.5], "")
    assert np.isfinite([found.slope, found.offset]).all()
    assert found.probability(0.2) < 0.01 < 0.99 < found.probability(0.8)


def test_the_error_is_none_for_true_probabilities_and_the_difference_for_a_constant() -> None:
    cosines, relevant = drawn(2)
    assert expected_error(TRUE.probability(cosines), relevant) < 0.01
    assert expected_error(np.full(len(cosines), 0.95), relevant) == pytest.approx(0.95 - relevant.mean())
