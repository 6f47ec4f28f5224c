"""ITQ against what it promises."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from transhash.errors import DataError
from transhash.shallow import itq, itq_function


def loss(features: np.ndarray, head: np.ndarray) -> float:
    """What the signs lose, the square that ITQ minimises."""
    values = features @ head[:-1] + head[-1]
    return float(((np.where(values > 0, 1, -1) - values) ** 2).mean())


@pytest.fixture
def features() -> np.ndarray:
    random = np.random.default_rng(0)
    return (random.standard_normal((500, 40)) @ random.standard_normal((40, 40)) + 3).astype(np.float32)


def test_it_is_a_rotation_of_the_principal_components(features: np.ndarray) -> None:
    head = itq(features, 16)
    assert head.shape == (41, 16)
    assert head.dtype == np.float32
    np.testing.assert_allclose(head[:-1].T @ head[:-1], np.eye(16), atol=1e-5)
    components = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)[2][:16]
    np.testing.assert_allclose(components.T @ (components @ head[:-1]), head[:-1], atol=1e-4)  # the same subspace
    np.testing.assert_allclose((features @ head[:-1] + head[-1]).mean(axis=0), 0, atol=1e-3)


def test_the_signs_lose_less_than_those_of_other_rotations(features: np.ndarray) -> None:
    head = itq(features, 16)
    random = np.random.default_rng(1)
    others = [np.eye(16), *(np.linalg.qr(random.standard_normal((16, 16)))[0] for _ in range(20))]
    assert loss(features, head) < min(loss(features, head @ other) for other in others[1:])
    assert itq(features, 16).tobytes() == head.tobytes()
    assert itq(features, 16, seed=1).tobytes() != head.tobytes()


def twin(features: np.ndarray, bits: int, iterations: int) -> np.ndarray:
    """Values by the formulas of the paper: PCA, then B = sign(V R), S Ω Ŝᵀ = svd(Bᵀ V), R = Ŝ Sᵀ, in turn."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    variances, vectors = np.linalg.eig(np.cov(centred.T))
    V = centred @ vectors[:, np.argsort(-variances)[:bits]]
    start = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :bits]
    V *= np.sign((V * (centred @ start)).sum(axis=0))  # a component has no sign of its own: take the method's
    R = np.linalg.qr(np.random.Generator(np.random.PCG64(0)).standard_normal((bits, bits)))[0]
    for _ in range(iterations):
        B = np.where(V @ R > 0, 1.0, -1.0)
        S, _, S_hat = np.linalg.svd(B.T @ V)
        R = S_hat.T @ S.T
    return V @ R


def test_it_is_its_twin_and_loses_less_with_every_iteration(
    features: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    for iterations in range(6):
        monkeypatch.setattr(sys.modules["transhash.shallow.itq"], "ITERATIONS", iterations)
        head = itq(features, 16)
        values = features.astype(np.float64) @ head[:-1] + head[-1]
        np.testing.assert_allclose(values, twin(features, 16, iterations), atol=1e-3)
        np.testing.assert_allclose(itq_function(features, None, 16).values(features), values, atol=1e-3)
        losses.append(loss(features, head))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_features_that_do_not_vary_are_no_obstacle() -> None:
    features = np.zeros((100, 20), np.float32)
    features[:, 0] = np.arange(100)
    assert np.isfinite(itq(features, 8)).all()


@pytest.mark.parametrize("bits", [41, 48])
def test_more_bits_than_features_or_pictures_are_refused(features: np.ndarray, bits: int) -> None:
    with pytest.raises(DataError, match="40"):
        itq(features, bits)
    with pytest.raises(DataError, match="not 16 and 40"):
        itq(features[:16], 16)
