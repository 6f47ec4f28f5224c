"""What all shallow methods have in common."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import transhash
from transhash.codes import pack
from transhash.errors import DataError
from transhash.shallow import METHODS, UNSUPERVISED, lsh, similarity
from transhash.shallow.similarity import Similarity

Kinds = tuple[np.ndarray, np.ndarray]


def retrieval(name: str, features: np.ndarray, labels: np.ndarray, bits: int = 16) -> float:
    """mAP of 200 pictures among the 500 that the method learned from."""
    codes = pack(METHODS[name](features[:500], labels[:500], bits).values(features))
    return transhash.evaluate(codes[500:], labels[500:], codes[:500], labels[:500]).map


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bits", [8, 24])
def test_every_method_hashes_what_it_has_not_seen(name: str, bits: int, kinds: Kinds) -> None:
    features, labels = kinds
    kept = features.copy(), labels.copy()
    function = METHODS[name](features[:500], labels[:500], bits, seed=3)
    values = function.values(features[500:])
    assert values.shape == (200, bits)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    ones = (values > 0).mean(axis=0)
    assert ((ones > 0) & (ones < 1)).all()  # every bit says something
    np.testing.assert_array_equal(function.values(features[600:610]) > 0, values[100:110] > 0)
    assert np.array_equal(features, kept[0])
    assert np.array_equal(labels, kept[1])


@pytest.mark.parametrize("name", METHODS)
def test_a_seed_decides_everything(name: str, kinds: Kinds) -> None:
    features, labels = kinds
    values = METHODS[name](features, labels, 16, seed=1).values(features)
    assert METHODS[name](features, labels, 16, seed=1).values(features).tobytes() == values.tobytes()
    other = METHODS[name](features, labels, 16, seed=2).values(features)
    assert np.array_equal(other, values) is (name == "sh")  # which draws nothing


@pytest.mark.parametrize("name", ["ksh", "bre"])
def test_labels_help(name: str, kinds: Kinds, topics: np.ndarray) -> None:
    features, labels = kinds
    assert retrieval(name, features, labels) > retrieval("lsh", features, labels) + 0.2
    assert retrieval(name, features, topics) > retrieval("lsh", features, topics) + 0.1


@pytest.mark.parametrize("name", ["ksh", "bre"])
def test_classes_and_one_hot_rows_mean_the_same(name: str, kinds: Kinds) -> None:
    features, labels = kinds
    values = METHODS[name](features, labels, 16).values(features)
    one_hot = METHODS[name](features, np.eye(4, dtype=np.uint8)[labels], 16).values(features)
    assert ((values > 0) == (one_hot > 0)).mean() > 0.99  # groups are summed in another order


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_the_unsupervised_take_no_notice_of_labels(name: str, kinds: Kinds) -> None:
    features, labels = kinds
    values = METHODS[name](features, labels, 16).values(features)
    assert METHODS[name](features, None, 16).values(features).tobytes() == values.tobytes()


@pytest.mark.parametrize("name", METHODS)
def test_the_scale_of_features_changes_no_code(name: str, kinds: Kinds) -> None:
    features, labels = kinds
    values = METHODS[name](features, labels, 16).values(features)
    scaled = METHODS[name](4 * features, labels, 16).values(4 * features)
    assert ((values > 0) == (scaled > 0)).mean() > 0.999


@pytest.mark.parametrize("name", ["lsh", "itq", "itq-smoothed", "sh", "ksh"])  # bre's choices turn on the last digit
def test_the_place_of_features_changes_no_code(name: str, kinds: Kinds) -> None:
    features, labels = kinds
    values = METHODS[name](features, labels, 16).values(features)
    moved = METHODS[name](features + 64, labels, 16).values(features + 64)
    agreement = ((values > 0) == (moved > 0)).mean(axis=0)
    if name == "sh":
        agreement = np.maximum(agreement, 1 - agreement)  # a component has no sign of its own
    assert agreement.min() > 0.98


def test_lsh_estimates_angles(kinds: Kinds) -> None:
    features = kinds[0][:40]
    differ = lsh(features, None, 4096).values(features) > 0
    centred = features - features.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    angles = np.arccos(np.clip(centred @ centred.T, -1, 1)) / np.pi
    measured = (differ[:, None] != differ[None]).mean(axis=2)
    np.testing.assert_allclose(measured, angles, atol=0.05)  # six standard deviations


@pytest.mark.parametrize("name", ["ksh", "bre"])
def test_labels_that_cannot_be_learned_from_are_refused(name: str, kinds: Kinds) -> None:
    features, labels = kinds
    with pytest.raises(DataError, match=f"{name} learns from labels and there are none"):
        METHODS[name](features, None, 16)
    with pytest.raises(DataError, match=r"\(10,\) for 700 pictures"):
        METHODS[name](features, labels[:10], 16)


@pytest.mark.parametrize("name", ["sh", "ksh", "bre"])
def test_features_that_do_not_vary_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=f"{name} cannot tell 50 pictures"):
        METHODS[name](np.ones((50, 8), np.float32), np.arange(50) % 3, 8)


@pytest.mark.parametrize("name", ["learned", "sh", "ksh", "bre"])
@pytest.mark.parametrize("count", [1, 50])
def test_equal_features_are_refused_whatever_they_are(name: str, count: int) -> None:
    one = np.random.default_rng(0).standard_normal(8).astype(np.float32)
    with pytest.raises(DataError, match=f"cannot tell {count} pictures with the same features apart"):
        METHODS[name](np.tile(one, (count, 1)), np.arange(count) % 3, 8)


def test_many_kinds_of_labels_take_the_memory_of_those_that_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    topics = (random.random((3000, 40)) < 0.2).astype(np.uint8)
    vectors, rows = random.standard_normal((100, 3)), random.permutation(3000)[:100]
    exact = Similarity.of(topics, topics, "ksh")[rows].times(vectors)
    monkeypatch.setattr(similarity, "GROUPS", 1000)
    for labels in (topics, np.arange(3000)):
        tracemalloc.start()
        some = Similarity.of(labels, topics, "ksh")[rows]
        product, dense = some.times(vectors), some.dense()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 3000 * 3000  # of 8 bytes would be all groups
        np.testing.assert_allclose(product, dense @ vectors, atol=1e-9)
        if labels is topics:
            np.testing.assert_allclose(product, exact, atol=1e-9)


def test_itq_alone_needs_a_feature_for_every_bit(kinds: Kinds) -> None:
    features, labels = kinds
    with pytest.raises(DataError, match="64 bits need"):
        METHODS["itq"](features, labels, 64)
    for name in ("lsh", "sh", "learned", "ksh", "bre"):
        assert METHODS[name](features[:200], labels[:200], 64).values(features).shape == (700, 64)


def test_similarity_is_that_of_all_pairs(kinds: Kinds, topics: np.ndarray) -> None:
    features, classes = kinds
    vectors = np.random.default_rng(0).standard_normal((700, 3))
    for labels in (classes, topics):
        matrix = np.empty((700, 700))
        for i, a in enumerate(labels):
            for j, b in enumerate(labels):
                matrix[i, j] = 1 if (a == b if labels.ndim == 1 else (a & b).any()) else -1
        alike = Similarity.of(labels, features, "ksh")
        np.testing.assert_array_equal(alike.dense(), matrix)
        np.testing.assert_allclose(alike.times(vectors), matrix @ vectors, atol=1e-9)
        np.testing.assert_allclose(alike.times(vectors[:, 0]), matrix @ vectors[:, 0], atol=1e-9)
