"""Distances as probabilities."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transhash.model.calibration import Calibration, fit


@pytest.mark.parametrize(("certainty", "gamma", "power"), [(0.9, 12.0, 3.0), (0.5, 3.0, 1.0), (0.99, 30.0, 6.0)])
def test_the_parameters_that_made_the_pairs_are_found(certainty: float, gamma: float, power: float) -> None:
    made = Calibration(certainty, gamma, power, 0, "pairs")
    pairs = np.full(65, 1_000_000)
    relevant = np.round(made.probability(np.arange(65)) * pairs).astype(np.int64)
    found = fit(relevant, pairs, "pairs")
    np.testing.assert_allclose([found.certainty, found.gamma, found.power], [certainty, gamma, power], rtol=2e-3)
    assert found.pairs == pairs.sum()


def test_it_is_the_likelihood_of_the_method_when_nothing_else_is_known() -> None:
    plain = Calibration(1.0, 20.0, 1.0, 0, "")
    distances = np.arange(65)
    np.testing.assert_allclose(plain.probability(distances), 20 / (20 + distances))


@settings(deadline=None)  # a machine may be busy
@given(
    certainty=st.floats(0.05, 1), gamma=st.floats(0.1, 100), power=st.floats(0.2, 20), probability=st.floats(0.01, 1)
)
def test_the_radius_is_the_last_distance_with_that_probability(
    certainty: float, gamma: float, power: float, probability: float
) -> None:
    made = Calibration(certainty, gamma, power, 0, "")
    radius = made.radius(probability)
    if radius >= 0:
        assert made.probability(radius) >= probability - 1e-6
    if radius < 1 << 29:
        assert made.probability(radius + 1) < probability + 1e-6
    assert made.radius(0.0) > 512
    assert replace(made, certainty=0.04).radius(probability + 0.05) == -1


def test_pairs_that_tell_nothing_apart_still_give_numbers() -> None:
    for relevant in (np.zeros(65, np.int64), np.full(65, 100)):
        found = fit(relevant, np.full(65, 100), "one class")
        assert all(map(math.isfinite, (found.certainty, found.gamma, found.power)))


WEAK = (  # relevant pairs and all, by distance, of a network that learned little: a flat and curved valley
    [1, 0, 0, 1, 7, 4, 4, 10, 10, 9, 7, 2, 7, 1, 2, 0, 0],
    [1, 2, 6, 19, 30, 50, 40, 59, 70, 45, 46, 49, 27, 15, 5, 1, 0],
)


def test_a_fit_to_weak_codes_ends() -> None:
    """In a process of its own: one that does not end would hold up the tests too."""
    program = f"import numpy as np; from transhash.model.calibration import fit; fit(*map(np.array, {WEAK}), 'x')"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@settings(deadline=None)  # a machine may be busy
@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1)), min_size=9, max_size=129))
def test_no_pairs_are_less_likely_than_if_distances_said_nothing(bins: list[tuple[int, float]]) -> None:
    pairs = np.array([count for count, _ in bins], np.int64)
    relevant = np.array([int(count * share) for count, share in bins], np.int64)
    pairs[0] += 1
    found = fit(relevant, pairs, "any")
    assert 0 < found.certainty < 1
    assert found.radius(found.certainty / 2) >= 0  # no overflow in what is asked of it

    def loss(p: np.ndarray) -> float:
        p = np.clip(p, 1e-12, 1 - 1e-12)
        return float(-(relevant * np.log(p) + (pairs - relevant) * np.log1p(-p)).sum() / pairs.sum())

    assert (
        loss(found.probability(np.arange(len(pairs)))) <= loss(np.full(len(pairs), relevant.sum() / pairs.sum())) + 0.01
    )


def test_a_steep_fall_and_a_small_probability_do_not_overflow() -> None:
    assert Calibration(0.999, 50.0, 0.25, 0, "").radius(1e-300) == 1 << 30
