"""ITQ against what it promises."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.errors import DataError
from transhash.shallow import itq


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


def test_whitened_components_count_alike(features: np.ndarray) -> None:
    features *= np.linspace(0.01, 10, 40, dtype=np.float32)
    head = itq(features, 16, whiten=True)
    values = features @ head[:-1] + head[-1]
    np.testing.assert_allclose(np.cov(values.T, ddof=0), np.eye(16), atol=1e-2)
    random = np.linalg.qr(np.random.default_rng(1).standard_normal((16, 16)))[0]
    assert loss(features, head) < loss(features, head @ random)


def test_features_that_do_not_vary_are_no_obstacle() -> None:
    features = np.zeros((100, 20), np.float32)
    features[:, 0] = np.arange(100)
    assert np.isfinite(itq(features, 8, whiten=True)).all()


@pytest.mark.parametrize("bits", [41, 48])
def test_more_bits_than_features_or_pictures_are_refused(features: np.ndarray, bits: int) -> None:
    with pytest.raises(DataError, match="40"):
        itq(features, bits)
    with pytest.raises(DataError, match="there are 16"):
        itq(features[:16], 16)
