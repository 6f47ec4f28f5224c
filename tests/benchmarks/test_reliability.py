"""Reliability: pairs counted one by one, and errors of calibrations that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.evaluation.reliability import pairs_by_distance, reliability
from transhash.model.calibration import Calibration

DISTANCES = np.arange(17)


@pytest.mark.parametrize("several", [False, True])
def test_pairs_are_counted_at_their_distance(several: bool) -> None:
    random = np.random.default_rng(0)
    query, database = (random.integers(0, 256, (n, 2), np.uint8) for n in (30, 40))
    labels = [random.integers(0, 2, (n, 3), np.uint8) if several else random.integers(0, 3, n) for n in (30, 40)]
    relevant, pairs = pairs_by_distance(query, labels[0], database, labels[1])
    expected = np.zeros((2, 17), int)
    for code, label in zip(query, labels[0], strict=True):
        for other, its in zip(database, labels[1], strict=True):
            distance = sum(bin(int(a ^ b)).count("1") for a, b in zip(code, other, strict=True))
            expected[0, distance] += bool((label & its).any()) if several else bool(label == its)
            expected[1, distance] += 1
    assert (relevant == expected[0]).all()
    assert (pairs == expected[1]).all()


def test_a_calibration_that_is_right_has_no_error_and_one_that_is_off_has_its_own() -> None:
    calibration = Calibration(0.9, 5.0, 2.0, 0, "pairs")
    pairs = np.full(17, 10_000_000)
    truth = calibration.probability(DISTANCES)
    relevant = np.rint(truth * pairs).astype(np.int64)
    assert reliability(calibration, relevant, pairs).expected_error < 1e-6
    other = Calibration(0.7, 5.0, 2.0, 0, "pairs")
    found = reliability(other, relevant, pairs)
    assert found.expected_error == pytest.approx(np.mean(truth - other.probability(DISTANCES)), abs=1e-6)
    np.testing.assert_allclose(found.observed, truth, atol=1e-6)


def test_the_error_among_what_is_shown() -> None:
    calibration = Calibration(0.8, 2.0, 60.0, 0, "pairs")  # 0.8 up to distance 1, nothing beyond 2
    relevant, pairs = np.zeros(17, np.int64), np.zeros(17, np.int64)
    relevant[0], pairs[0] = 60, 100
    pairs[10] = 10_000
    found = reliability(calibration, relevant, pairs)
    assert found.error_within(0.5) == pytest.approx(0.2)
    assert found.expected_error == pytest.approx(20 / 10_100)
    assert math.isnan(found.error_within(0.95))
    assert np.isnan(found.observed[5])
