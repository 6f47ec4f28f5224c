"""Copy detection: distances counted one by one, and the radius that brings so many others."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.evaluation.finding import STEPS, Distances, code_distances, feature_distances, judged, markdown
from transhash.codes import hamming


def test_originals_and_others_are_counted_at_their_distances() -> None:
    random = np.random.default_rng(0)
    database = random.integers(0, 4, (300, 1), np.uint8)  # many equal ones
    originals = random.integers(0, 300, 40)
    query = database[originals] ^ (random.random((40, 1)) < 0.3).astype(np.uint8)
    found = code_distances(query, database, originals)
    distances = hamming(query, database)
    own = distances[np.arange(40), originals]
    assert (found.originals == np.bincount(own, minlength=9)).all()
    assert (found.originals + found.others == np.bincount(distances.ravel(), minlength=9)).all()
    nearest = [(row == row.min()).sum() for row in distances]
    expected = [1 / ties if one == row.min() else 0 for one, row, ties in zip(own, distances, nearest, strict=True)]
    assert found.nearest == pytest.approx(np.mean(expected))
    assert found.queries == 40


def test_features_are_counted_by_their_cosine() -> None:
    database = np.eye(4, dtype=np.float32) * 3
    query = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], np.float32)
    found = feature_distances(query, database, np.array([0, 1]))
    step = round((1 - 2**-0.5) * STEPS / 2)
    assert (found.originals[0], found.originals[step]) == (1, 1)
    assert (found.others[step], found.others[STEPS // 2]) == (1, 5)
    assert found.nearest == pytest.approx((1 + 0.5) / 2)


def distances(originals: list[int], others: list[int]) -> Distances:
    return Distances(np.array(originals), np.array(others), 0.5)


def test_one_radius_for_all_changes_that_brings_no_more_than_so_many() -> None:
    by_change = {"a": distances([5, 3, 2, 0], [0, 4, 10, 99]), "b": distances([0, 0, 5, 5], [0, 6, 20, 99])}
    one, other = judged("codes", by_change, 1.0)  # 10 others within 1, 40 within 2, of 20 queries
    assert (one.radius, one.recall, one.others) == (1, 0.8, 0.4)
    assert (other.radius, other.recall, other.others) == (1, 0, 0.6)
    assert judged("codes", by_change, 2.0)[1].recall == 0.5
    assert judged("codes", {"a": distances([4, 6], [1000, 0])}, 1.0)[0].radius == 0  # more than that from the start


def test_the_table_has_a_line_for_each_change_and_the_mean() -> None:
    by_change = {"a": distances([10, 0], [0, 99]), "b": distances([5, 5], [0, 99])}
    lines = markdown(judged("64 bits", by_change, 1.0)).splitlines()
    assert lines[2:] == ["| *radius* | *0* |", "| a | 100.0% |", "| b | 50.0% |", "| **mean** | **75.0%** |"]
