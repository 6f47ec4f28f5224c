"""What callers give `evaluate`: counts of every kind, and labels of every width."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from transhash.errors import DataError
from transhash.evaluation import evaluate

QUERY = np.arange(4 * 8, dtype=np.uint8).reshape(4, 8)
DATABASE = np.arange(9 * 8, dtype=np.uint8).reshape(9, 8)
Q, D = np.arange(4) % 3, np.arange(9) % 3


@pytest.mark.parametrize("topk", [2.5, float("nan"), "3", True, [3], 0, -1, 3.0])
def test_a_topk_that_is_no_count_is_refused(topk: Any) -> None:
    with pytest.raises(DataError, match="topk is"):
        evaluate(QUERY, Q, DATABASE, D, topk)


@pytest.mark.parametrize("places", [[1.5], [float("nan")], ["3"], "3", [True], 3, [0], [10], [None]])
def test_a_precision_that_is_at_no_place_is_refused(places: Any) -> None:
    with pytest.raises(DataError, match="precision"):
        evaluate(QUERY, Q, DATABASE, D, precision_at=places)


def test_numbers_of_numpy_count_and_can_be_written_as_json() -> None:
    scores = evaluate(QUERY, Q, DATABASE, D, np.int64(3), precision_at=np.array([1, 5]))
    plain = evaluate(QUERY, Q, DATABASE, D, 3, precision_at=[1, 5])

    assert json.dumps(scores.to_dict()) == json.dumps(plain.to_dict())


BIG = np.array([0, 2**63, 2**64 - 1, 2**63 + 1], np.uint64)


def test_unsigned_labels_beyond_63_bits_are_compared_exactly() -> None:
    labels = BIG[D]
    expected = evaluate(QUERY, Q, DATABASE, D).to_dict()

    assert evaluate(QUERY, BIG[Q], DATABASE, labels).to_dict() == expected


@pytest.mark.parametrize("swapped", [False, True])
def test_labels_that_only_64_bits_take_for_equal_are_refused(swapped: bool) -> None:
    signed, unsigned = np.array([-1, 0, 1]), np.array([2**64 - 1, 0, 1], np.uint64)
    one, other = (unsigned[Q], signed[D]) if swapped else (signed[Q], unsigned[D])
    with pytest.raises(DataError, match="number the classes from 0"):
        evaluate(QUERY, one, DATABASE, other)


def test_labels_of_different_widths_are_compared_by_value() -> None:
    expected = evaluate(QUERY, Q, DATABASE, D).to_dict()

    assert evaluate(QUERY, Q.astype(np.uint8), DATABASE, D.astype(np.int16)).to_dict() == expected
    assert evaluate(QUERY, Q.astype(np.uint64), DATABASE, D.astype(np.int64)).to_dict() == expected
