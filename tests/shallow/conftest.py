"""Pictures of four kinds, told apart by a few of many noisy features."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def kinds() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 700)
    features = random.standard_normal((700, 32)) * np.linspace(3, 1, 32)
    features[:, -4:] += 4 * np.eye(4)[labels]  # where the variance is least
    return (features + 2).astype(np.float32), labels


@pytest.fixture(scope="session")
def topics(kinds: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Multi-hot labels for the same pictures: the kind, and now and then the next one too."""
    labels = np.eye(4, dtype=np.uint8)[kinds[1]]
    labels[::3] |= np.roll(labels[::3], 1, axis=1)
    labels[::50] = 0
    return labels
