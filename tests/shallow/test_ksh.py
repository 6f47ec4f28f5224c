"""KSH against its formulas, with the matrix of all pairs written out."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.shallow import ksh
from transhash.shallow.ksh import ascend, gradient, learn, loss, signs, squared_distances
from transhash.shallow.similarity import Similarity

Kinds = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def problem(kinds: Kinds) -> tuple[np.ndarray, Similarity, np.ndarray]:
    """A centred kernel (200, 20), what is alike, and the residual matrix after two bits of eight."""
    features, labels = kinds[0][:200], kinds[1][:200]
    distances = squared_distances(features, features[:20].astype(np.float64))
    kernel = np.exp(-distances / (2 * distances.mean()))
    kernel -= kernel.mean(axis=0)
    codes = np.where(np.random.default_rng(1).standard_normal((200, 2)) > 0, 1.0, -1.0)
    alike = Similarity.of(labels, features, "ksh")
    return kernel, alike, 8 * alike.dense() - codes @ codes.T


def test_distances_are_distances(kinds: Kinds) -> None:
    a, b = kinds[0][:30], kinds[0][20:50].astype(np.float64)
    expected = [[((x.astype(np.float64) - y) ** 2).sum() for y in b] for x in a]
    np.testing.assert_allclose(squared_distances(a, b), expected, atol=1e-9)


def test_the_gradient_is_that_of_the_loss(problem: tuple[np.ndarray, Similarity, np.ndarray]) -> None:
    kernel, _, residual = problem
    weights = np.random.default_rng(2).standard_normal(20) * 3
    value, slope = gradient(kernel, residual.__matmul__, weights)
    y = 2 / (1 + np.exp(-kernel @ weights)) - 1  # the sigmoid of the paper
    expected = -sum(y[i] * residual[i, j] * y[j] for i in range(200) for j in range(200))
    np.testing.assert_allclose([value, loss(kernel, residual.__matmul__, weights)], expected, rtol=1e-9)
    for k, step in enumerate(np.eye(20) * 1e-5):
        ahead, behind = (loss(kernel, residual.__matmul__, weights + s) for s in (step, -step))
        np.testing.assert_allclose(slope[k], (ahead - behind) / 2e-5, rtol=1e-4, atol=1e-3)


def test_smoothing_ends_no_worse_than_it_begins(problem: tuple[np.ndarray, Similarity, np.ndarray]) -> None:
    kernel, _, residual = problem
    start = np.random.default_rng(3).standard_normal(20)
    end = ascend(kernel, residual.__matmul__, start)
    assert loss(kernel, residual.__matmul__, end) < loss(kernel, residual.__matmul__, start)


def test_bits_follow_the_residual_of_those_before(problem: tuple[np.ndarray, Similarity, np.ndarray]) -> None:
    """Each bit is the better one of the generalised eigenvector's and the smoothed one's, on the written-out matrix."""
    kernel, alike, _ = problem
    weights = learn(kernel, alike, 8)
    residual = 8 * alike.dense()
    root = np.linalg.inv(np.linalg.cholesky(kernel.T @ kernel))
    for bit in range(8):
        vector = root.T @ np.linalg.eigh(root @ kernel.T @ residual @ kernel @ root.T)[1][:, -1]
        vector *= np.sqrt(200 / (vector @ kernel.T @ kernel @ vector))
        smooth = ascend(kernel, residual.__matmul__, vector)
        choices = [signs(kernel @ choice) for choice in (vector, smooth)]
        y = signs(kernel @ weights[:, bit])
        best = max(choice @ residual @ choice for choice in choices)
        np.testing.assert_allclose(y @ residual @ y, best, rtol=1e-3)  # a picture on the edge may fall either way
        residual = residual - np.outer(y, y)


def test_values_are_those_of_the_kernel(kinds: Kinds) -> None:
    features, labels = kinds
    function = ksh(features, labels, 8, anchors=20, labelled=300)
    asked = features[:5].astype(np.float64)
    similarity = [[np.exp(-((x - a) ** 2).sum() / (2 * function.width)) for a in function.anchors] for x in asked]
    expected = (np.array(similarity) - function.mean) @ function.weights
    np.testing.assert_allclose(function.values(features[:5]), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(function.values(np.tile(features[:5], (4000, 1)))[-5:], expected, rtol=1e-4, atol=1e-4)
