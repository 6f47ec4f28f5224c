"""mAP by cosine, against a reading of its definition."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.errors import DataError
from transhash.evaluation import evaluate
from transhash.evaluation.cosine import cosine_map, related


def twin(query: np.ndarray, query_labels: np.ndarray, database: np.ndarray, db_labels: np.ndarray, topk: int) -> float:
    """One query after the other, one place after the other."""
    total = 0.0
    for features, label in zip(query, query_labels, strict=True):
        cosines = [features @ other / np.linalg.norm(features) / np.linalg.norm(other) for other in database]
        hits, precisions = 0, []
        for place, row in enumerate(sorted(range(len(database)), key=lambda row: -cosines[row])[:topk], 1):
            is_relevant = label == db_labels[row] if db_labels.ndim == 1 else (label & db_labels[row]).any()
            if is_relevant:
                hits += 1
                precisions.append(hits / place)
        total += sum(precisions) / len(precisions) if precisions else 0
    return total / len(query)


@pytest.mark.parametrize("topk", [1, 7, 60, 1000])
@pytest.mark.parametrize("several", [False, True])
def test_it_is_the_definition(topk: int, several: bool) -> None:
    random = np.random.default_rng(topk)
    query, database = random.standard_normal((70, 9)), random.standard_normal((60, 9)) * 3
    labels = [random.integers(0, 2, (n, 4), np.uint8) if several else random.integers(0, 4, n) for n in (70, 60)]
    found = cosine_map(query.astype(np.float32), labels[0], database.astype(np.float32), labels[1], topk)
    assert found == pytest.approx(twin(query, labels[0], database, labels[1], min(topk, 60)), abs=1e-6)


def test_signs_without_ties_are_scored_as_codes_are() -> None:
    random = np.random.default_rng(0)
    bits = np.triu(np.ones((16, 16), bool))[:, ::-1]  # row i differs from the last in i bits: no two at one distance
    database, labels = bits.copy(), random.integers(0, 3, 16)
    query = database[-1:]
    signs = [np.where(each, 1.0, -1.0).astype(np.float32) for each in (query, database)]
    codes = [np.packbits(each, axis=1) for each in (query, database)]
    for topk in (3, 16):
        scores = evaluate(codes[0], labels[:1], codes[1], labels, topk)
        assert cosine_map(signs[0], labels[:1], signs[1], labels, topk) == pytest.approx(scores.map)


def test_a_query_without_a_relevant_item_counts_nothing() -> None:
    features = np.eye(3, dtype=np.float32)
    assert cosine_map(features, np.array([0, 1, 9]), features, np.array([0, 1, 2])) == pytest.approx(2 / 3)


def test_relevance_of_several_labels_is_one_in_common() -> None:
    labels = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], np.uint8)
    assert related(np.array([1, 0, 1], np.uint8), labels).tolist() == [True, True, False]


def test_what_does_not_fit_is_named() -> None:
    features, labels = np.ones((2, 3), np.float32), np.zeros(2, np.int64)
    with pytest.raises(DataError, match=r"give \[Q, F\] and \[N, F\]"):
        cosine_map(features, labels, features[:, :2], labels)
    with pytest.raises(DataError, match="one label for each row"):
        cosine_map(features, labels[:1], features, labels)
