"""Learned heads of vectors: the loss against PyTorch's twin, and what they are better at than ITQ."""

from __future__ import annotations

import numpy as np
import pytest

from transhash import Binarizer, evaluate
from transhash.errors import VectorsError
from transhash.shallow.learned import balanced, learned, loss, nearest

Kinds = tuple[np.ndarray, np.ndarray]


def test_the_loss_and_its_gradient_are_those_of_training() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from transhash.losses import BayesianLoss
    from transhash.losses.hash_loss import Task

    random = np.random.default_rng(0)
    h, labels = random.standard_normal((40, 24)), random.integers(0, 4, 40)
    tensor = torch.tensor(h, requires_grad=True)
    expected = BayesianLoss(Task((24,)), gamma=7.5, quantization=0.3)(tensor, torch.tensor(labels))
    expected.backward()
    alike = (labels[:, None] == labels).astype(np.float32)
    # the paper weighs a pair by |S|/|S1| or |S|/|S0|, and takes the mean over S
    value, gradient = loss(h, alike, balanced(alike), 7.5, 0.3)
    assert value == pytest.approx(float(expected.detach()), rel=1e-5)
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), atol=1e-8)


def test_the_gradient_holds_for_pairs_that_are_alike_to_a_degree() -> None:
    random = np.random.default_rng(0)
    h, alike = random.standard_normal((12, 16)), random.random((12, 12))
    weights = 1 - np.eye(12)
    _, gradient = loss(h, alike, weights, 5, 0.3)
    step = np.zeros_like(h)
    step[3, 5] = 1e-5
    ahead, behind = (loss(h + sign * step, alike, weights, 5, 0.3)[0] for sign in (1, -1))
    assert gradient[3, 5] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4)


def test_neighbours_are_the_greatest_cosines(kinds: Kinds) -> None:
    features = kinds[0][:50]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = unit @ unit.T - 9 * np.eye(50)
    expected = np.argsort(-cosines, axis=1)[:, :5]
    np.testing.assert_array_equal(np.sort(nearest(features, 5), axis=1), np.sort(expected, axis=1))
    assert nearest(features[:1], 5).shape == (1, 0)


@pytest.mark.parametrize("hidden", [0, 16])
def test_labels_tell_codes_what_is_alike(kinds: Kinds, topics: np.ndarray, hidden: int) -> None:
    features, labels = kinds
    for given in (labels, topics):
        scores = {}
        for method in ("itq", "learned"):
            made = Binarizer(16, method, hidden=hidden if method == "learned" else 0).fit(features[:500], given[:500])
            codes = made.transform(features)
            scores[method] = evaluate(codes[500:], given[500:], codes[:500], given[:500]).map
        assert scores["learned"] > scores["itq"] + 0.1


def test_without_labels_more_neighbours_are_found_among_kinds_of_things() -> None:
    random = np.random.default_rng(0)
    scales = 1 / np.arange(1, 97) ** 0.5  # as principal components of real vectors fall off
    centres = random.standard_normal((10, 96)) * scales
    drawn = centres[random.integers(0, 10, 1200)] + random.standard_normal((1200, 96)) * scales
    vectors = np.maximum(drawn @ np.linalg.qr(random.standard_normal((96, 96)))[0], 0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = np.argsort(-(unit[:200] @ unit[200:].T), axis=1)[:, :10]
    shares = {}
    for method in ("itq", "learned"):
        bits = np.unpackbits(Binarizer(32, method).fit(vectors[200:]).transform(vectors), axis=1).astype(int)
        distances = (bits[:200, None] != bits[None, 200:]).sum(axis=2)
        found = np.argsort(distances, axis=1, kind="stable")[:, :10]
        shares[method] = np.mean([np.isin(near, row).mean() for near, row in zip(truth, found, strict=True)])
    assert shares["learned"] > shares["itq"]


def test_the_seed_and_the_hidden_layer_decide_what_is_learned(kinds: Kinds) -> None:
    features, labels = kinds
    made = [learned(features[:200], labels[:200], 8, hidden=hidden, steps=20) for hidden in (0, 0, 4)]
    values = [each.values(features) for each in made]
    np.testing.assert_array_equal(values[0], values[1])  # the seed is the same
    assert not np.allclose(values[0], values[2], atol=1e-4)


def test_labels_come_for_all_parts_or_for_none(kinds: Kinds) -> None:
    features, labels = kinds
    parts = Binarizer(8, "learned").partial_fit(features[:100], labels[:100])
    with pytest.raises(VectorsError, match="labels for all or for none"):
        parts.partial_fit(features[100:])
    assert (
        Binarizer(8, "learned").fit(features, labels).fingerprint != Binarizer(8, "learned").fit(features).fingerprint
    )
    with pytest.raises(VectorsError, match="hidden units for itq"):
        Binarizer(8, hidden=3).fit(features)
