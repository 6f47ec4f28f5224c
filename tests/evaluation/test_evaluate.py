"""`evaluate` against the field's own code as a reference twin, on its conventions, and on bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation_twins import columns, rankings, signs, top_map, top_map_curve
from transhash.errors import DataError
from transhash.evaluation import evaluate

Arrays = tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.uint8], NDArray[Any]]


def draw(seed: int, *, Q: int, N: int, width: int, classes: int, several: bool) -> Arrays:
    """Codes with many ties; classes, or columns with about two classes an item and sometimes none."""
    random = np.random.default_rng(seed)
    query_codes, db_codes = (random.choice(np.array([0, 1, 3], np.uint8), (n, width)) for n in (Q, N))
    if several:
        share = min(1.0, 2 / classes)
        return query_codes, random.random((Q, classes)) < share, db_codes, random.random((N, classes)) < share
    return query_codes, random.integers(0, classes, Q), db_codes, random.integers(0, classes, N)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    N=st.integers(1, 90),
    width=st.sampled_from([1, 2, 8]),
    several=st.booleans(),
    topk=st.integers(1, 120),
)
def test_reranking_orders_equal_distances_by_the_inner_product(
    seed: int, N: int, width: int, several: bool, topk: int
) -> None:
    query_codes, query_labels, db_codes, db_labels = draw(seed, Q=5, N=N, width=width, classes=4, several=several)
    sizes = np.random.default_rng(seed).integers(1, 3, (5, 8 * width))
    values = signs(query_codes) * sizes  # whole numbers: inner products are exact, and often equal
    scores = evaluate(query_codes, query_labels, db_codes, db_labels, topk, query_values=values)
    assert scores.map_reranked is not None
    found = []
    for q in range(5):
        distances = (signs(db_codes) != signs(query_codes)[q]).sum(1)
        grades = distances * 10**6 - (signs(db_codes) @ values[q]).astype(int)
        order = np.unique(grades, return_inverse=True)[1]  # ranks with ties, as distances of a chain of longer codes
        chain = np.packbits(np.arange(96) < order[:, None], axis=1)
        one = evaluate(np.zeros((1, 12), np.uint8), query_labels[q : q + 1], chain, db_labels, topk)
        found.append(one.map)
    assert scores.map_reranked == pytest.approx(np.mean(found), abs=1e-12)


def tie_free(seed: int) -> Arrays:
    """64 queries and a database of 65 codes of 64 bits at distances 0 … 64 of each, in random order."""
    random = np.random.default_rng(seed)
    steps = random.permutation(65)
    database = np.packbits(np.arange(64) < steps[:, None], axis=1)
    ends = random.integers(0, 2, 64) == 1  # queries at either end of the chain
    queries = np.where(ends[:, None], np.uint8(255), np.zeros((64, 8), np.uint8))
    return queries, np.arange(64) % 4, database, random.permutation(65) % 4


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    Q=st.integers(1, 70),
    N=st.integers(1, 90),
    width=st.sampled_from([1, 2, 8, 9, 17]),
    classes=st.sampled_from([1, 5, 81]),
    several=st.booleans(),
    topk=st.integers(1, 120),
)
def test_conventional_figures_equal_the_twins(
    seed: int, Q: int, N: int, width: int, classes: int, several: bool, topk: int
) -> None:
    arrays = draw(seed, Q=Q, N=N, width=width, classes=classes, several=several)
    query_codes, query_labels, db_codes, db_labels = arrays
    if not several:
        query_labels, db_labels = columns(query_labels, classes), columns(db_labels, classes)
    field = signs(query_codes), query_labels, signs(db_codes), db_labels
    scores = evaluate(*arrays, topk)
    assert scores.map_conventional == pytest.approx(top_map(*field, topk), abs=1e-12)
    assert scores.map_skipping == pytest.approx(top_map(*field, topk, skip=True), abs=1e-12)
    precision, recall = np.zeros((Q, width * 8 + 1)), np.full((Q, width * 8 + 1), np.nan)
    for q, (relevant, distance) in enumerate(rankings(*field)):
        for radius in range(width * 8 + 1):
            inside = relevant[distance <= radius]
            precision[q, radius] = inside.mean() if len(inside) else 0
            recall[q, radius] = inside.sum() / relevant.sum() if relevant.any() else np.nan
    np.testing.assert_allclose(scores.precision_by_radius, precision.mean(axis=0), atol=1e-12)
    answerable = ~np.isnan(recall[:, 0])
    expected = recall[answerable].mean(axis=0) if answerable.any() else np.zeros(width * 8 + 1)
    np.testing.assert_allclose(scores.recall_by_radius, expected, atol=1e-12)
    assert scores.queries_without_relevant == Q - answerable.sum()


@pytest.mark.parametrize("topk", [1, 7, 40, 65])
def test_without_ties_all_orders_are_one(topk: int) -> None:
    arrays = tie_free(seed=topk)
    query_codes, query_labels, db_codes, db_labels = arrays
    field = signs(query_codes), columns(query_labels, 4), signs(db_codes), columns(db_labels, 4)
    scores = evaluate(*arrays, topk, precision_at=range(1, 66))
    assert scores.map == pytest.approx(top_map(*field, topk), abs=1e-12)
    assert scores.map == pytest.approx(scores.map_conventional, abs=1e-12)
    precision, recall = top_map_curve(*field)  # at rank r + 1 lies distance r
    np.testing.assert_allclose(scores.precision_by_radius, precision, atol=1e-12)
    np.testing.assert_allclose(scores.recall_by_radius, recall, atol=1e-12)
    np.testing.assert_allclose(list(scores.precision_at.values()), precision, atol=1e-12)


def test_expectation_is_what_shuffled_databases_approach() -> None:
    query_codes, query_labels, db_codes, db_labels = draw(3, Q=40, N=200, width=2, classes=4, several=False)
    random = np.random.default_rng(0)
    orders = [random.permutation(200) for _ in range(400)]
    every = [evaluate(query_codes, query_labels, db_codes[o], db_labels[o], 50) for o in orders]
    conventional = np.array([scores.map_conventional for scores in every])
    error = conventional.std() / np.sqrt(len(every))
    assert abs(conventional.mean() - every[0].map) < 5 * error
    assert np.ptp([scores.map for scores in every]) < 1e-12


def test_a_query_without_relevant_items_counts_0_but_has_no_recall() -> None:
    codes = np.array([[0], [255]], np.uint8)
    scores = evaluate(codes, [1, 2], codes, [1, 1], precision_at=[1])
    assert (scores.map, scores.map_conventional, scores.map_skipping) == (0.5, 0.5, 1.0)
    assert scores.precision_at == {1: 0.5}
    assert (scores.precision_radius_2, scores.recall_radius_2) == (0.5, 0.5)
    assert scores.recall_by_radius[8] == 1.0
    assert scores.queries_without_relevant == 1


def test_nothing_within_a_radius_counts_0() -> None:
    scores = evaluate(np.zeros((1, 1), np.uint8), [1], np.array([[7]], np.uint8), [1])
    assert scores.precision_by_radius.tolist() == scores.recall_by_radius.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]


def test_classes_and_their_columns_score_the_same() -> None:
    query_codes, query_labels, db_codes, db_labels = draw(5, Q=9, N=50, width=2, classes=3, several=False)
    by_class = evaluate(query_codes, query_labels - 1, db_codes, db_labels - 1, 20)
    by_column = evaluate(query_codes, columns(query_labels, 3), db_codes, columns(db_labels, 3), 20)
    assert by_class.to_dict() == by_column.to_dict()


def test_readonly_and_strided_arrays_score_the_same() -> None:
    arrays = draw(6, Q=9, N=50, width=3, classes=3, several=False)
    strided = [np.repeat(array, 2, axis=0)[::2] for array in arrays]
    for array in strided:
        array.flags.writeable = False
    assert evaluate(*strided).to_dict() == evaluate(*arrays).to_dict()


def test_topk_and_places_fit_the_database() -> None:
    arrays = draw(7, Q=3, N=60, width=1, classes=2, several=False)
    scores = evaluate(*arrays, 5000)
    assert (scores.topk, scores.database, scores.queries, scores.bits) == (60, 60, 3, 8)
    assert list(scores.precision_at) == [1, 5, 10, 50]
    assert scores.map == evaluate(*arrays).map


def test_to_dict_survives_json() -> None:
    scores = evaluate(*draw(8, Q=3, N=60, width=1, classes=2, several=False))
    content = scores.to_dict()
    assert json.loads(json.dumps(content)) == content
    assert content["precision_at"]["5"] == scores.precision_at[5]
    assert content["precision_radius_2"] == content["precision_by_radius"][2]


CODES = np.zeros((4, 2), np.uint8)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"query_codes": CODES.astype(np.float32)}, "query codes are float32"),
        ({"db_codes": CODES[0]}, r"database codes are uint8 of shape \(2,\)"),
        ({"db_codes": CODES[:, :0]}, r"database codes are uint8 of shape \(4, 0\)"),
        ({"query_codes": CODES[:0], "query_labels": []}, "no query codes"),
        ({"query_codes": CODES[:, :1]}, "8 bits and database codes 16"),
        ({"db_labels": [1, 2, 3]}, "4 database codes and 3 labels"),
        ({"query_labels": [0.5] * 4}, "query labels are float64"),
        ({"query_labels": np.ones((4, 3), bool)}, "0/1 columns of 3 classes and database labels classes"),
        ({"query_labels": np.full((4, 3), 2), "db_labels": np.ones((4, 3), bool)}, "run from 2 to 2"),
        ({"topk": 0}, "topk is 0"),
        ({"precision_at": [5]}, "precision@5"),
    ],
)
def test_bad_input_is_named(changed: dict[str, Any], message: str) -> None:
    good = {"query_codes": CODES, "query_labels": [1, 2, 3, 4], "db_codes": CODES, "db_labels": [1, 2, 3, 4]}
    with pytest.raises(DataError, match=message):
        evaluate(**{**good, **changed})


def test_import_leaves_numba_and_torch_alone() -> None:
    program = "import sys, transhash.evaluation; print({'numba', 'torch'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "set()"
