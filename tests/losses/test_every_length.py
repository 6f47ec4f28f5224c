"""The loss of several code lengths, and the likeness that codes keep."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from transhash.losses import BayesianLoss, CSQLoss, DCHLoss, Task
from transhash.losses.distillation import likeness
from transhash.losses.every_length import every_length

H = torch.randn(12, 48, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) % 3


@pytest.mark.parametrize("method", [BayesianLoss, CSQLoss, DCHLoss])
def test_it_is_the_sum_of_the_loss_of_each_length(method) -> None:
    tasks = [Task((8, 4, 4), classes=3, images=12), Task((16, 8, 8), classes=3, images=12)]
    criterion = every_length(method, tasks)
    criterion.progress = 0.5
    single = [method(task) for task in tasks]
    for one in single:
        one.progress = 0.5
    expected = single[0](H[:, :16], LABELS) + single[1](H[:, 16:], LABELS)
    torch.testing.assert_close(criterion(H, LABELS), expected)
    assert all(one.progress == 0.5 for one in criterion.losses)


def test_a_single_length_has_its_own_loss() -> None:
    assert isinstance(every_length(partial(BayesianLoss, gamma=7.0), [Task((8, 4, 4))]), BayesianLoss)


def test_likeness_by_hand() -> None:
    features = np.random.default_rng(0).standard_normal((12, 5))
    centred = features - features.mean(axis=0)

    def cosine(a: np.ndarray) -> np.ndarray:
        unit = a / np.linalg.norm(a, axis=1, keepdims=True)
        return unit @ unit.T

    expected = 0.0
    for codes in (H[:, :16].numpy(), H[:, 16:].numpy()):
        difference = (cosine(np.tanh(codes.astype(np.float64))) - cosine(centred)) ** 2
        expected += difference[~np.eye(12, dtype=bool)].mean()
    assert likeness(H, (16, 32), torch.from_numpy(features)).item() == pytest.approx(expected, rel=1e-5)


def test_codes_that_are_alike_as_features_are_cost_nothing() -> None:
    features = torch.randint(2, (6, 16), generator=torch.Generator().manual_seed(1)).float() * 2 - 1
    features = torch.cat([features, -features])  # whose mean is nothing
    assert likeness(9 * features, (16,), features) < 1e-6
    assert likeness(9 * features.roll(1, dims=0), (16,), features) > 0.1
