"""A model's own hash layers, in whole numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transhash.errors import ModelError
from transhash.model.directory import HIDDEN, LAYERS
from transhash.model.fitted import STEP, embedding
from transhash.model.layers import Layers


def drawn(values: int = 24, hidden: int = 40, bits: int = 16) -> tuple[Layers, np.ndarray, np.ndarray]:
    """Layers of random weights, the same in real numbers."""
    random = np.random.default_rng(0)
    inward, outward = random.normal(size=(values + 1, hidden)), random.normal(size=(values + hidden + 1, bits))
    return Layers.rounded(inward, outward), inward, outward


def some(count: int = 700) -> np.ndarray:
    """Embeddings, more than are computed at once."""
    return embedding(np.random.default_rng(1).normal(size=(count, 24)))


def test_values_are_those_of_whole_numbers_without_end() -> None:
    layers, kept = drawn()[0], some(40).astype(object)
    inward, outward = (
        np.array([[int(each) for each in row] for row in part], object) for part in (layers.hidden, layers.output)
    )
    summed = kept @ inward[:-1] + inward[-1]
    hidden = np.vectorize(lambda each: max(each, 0) // 2**17, otypes=[object])(summed)
    exact = np.hstack([kept, hidden]) @ outward[:-1] + outward[-1]
    np.testing.assert_array_equal(layers.values(some(40)).astype(object), exact)


def test_rounding_hardly_moves_a_value() -> None:
    layers, inward, outward = drawn()
    x = some() * STEP
    real = np.hstack([x, np.maximum(x @ inward[:-1] + inward[-1], 0)]) @ outward[:-1] + outward[-1]
    found = layers.values(some())
    scale = (found * real).sum() / (real * real).sum()
    assert np.abs(found / scale - real).max() < 0.02 * real.std()


def test_without_a_hidden_layer_they_are_a_linear_map() -> None:
    outward = np.random.default_rng(0).normal(size=(25, 16))
    layers = Layers.rounded(np.empty((25, 0)), outward)
    signs = some() * STEP @ outward[:-1] + outward[-1] > 0
    assert ((layers.values(some()) > 0) == signs).mean() > 0.999


def test_layers_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    layers = drawn()[0]
    np.save(tmp_path / LAYERS, layers.output.astype(np.int32))
    np.save(tmp_path / HIDDEN, layers.hidden[:, 1:].astype(np.int32))
    with pytest.raises(ModelError, match="does not belong to layers"):
        Layers.read(tmp_path, bits=16)
    np.save(tmp_path / HIDDEN, layers.hidden.astype(np.int32))
    np.testing.assert_array_equal(Layers.read(tmp_path, bits=16).values(some()), layers.values(some()))
