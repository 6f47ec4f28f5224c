"""The batch normalisation of methods that have one: what it leaves is in the biases of the hash layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_run import SHAPE, STILL, recipe
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.training.balance import normalised
from transhash.training.loop import Trained, train
from transhash.training.source import Decoded
from transhash.training.validation import relaxed


def means(trained: Trained) -> np.ndarray:
    """Of each value, over the training images as they are."""
    pictures = Decoded(trained.images, trained.seen, trained.recipe.image_size)
    h = relaxed(trained.network, pictures.take, np.arange(len(pictures)), torch.float32)
    return np.asarray(h.mean(axis=0) / h.std(axis=0))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"freeze": 2},
        {"freeze": 2, "cached_views": 1},
        {"average": 0, "groups": 0},
        {"lengths": [16, 32], "validation": 0.5},
    ],
)
@pytest.mark.parametrize("method", ["orthohash", "crovca"])
def test_the_values_of_the_training_images_are_around_0(
    method: str, more: dict[str, object], place: Path, tmp_path: Path
) -> None:
    trained = train(recipe(place, method=method, epochs=3, **STILL, **more), tmp_path / "run")
    assert np.abs(means(trained)).max() < 0.05


def test_those_of_other_methods_stay_where_they_are(place: Path, tmp_path: Path) -> None:
    trained = train(recipe(place, method="csq", epochs=3, **STILL), tmp_path / "run")
    assert np.abs(means(trained)).max() > 0.5


def test_values_of_a_batch_get_mean_0_and_variance_1_each_on_its_own() -> None:
    random = torch.Generator().manual_seed(0)
    h = torch.randn(32, 5, generator=random) * torch.tensor([0.1, 1, 2, 10, 100]) + torch.arange(5) * 30
    made = normalised(h.bfloat16())
    expected = h.bfloat16().float()
    expected = (expected - expected.mean(dim=0)) / (expected.var(dim=0, unbiased=False) + 1e-5).sqrt()
    assert made.dtype == torch.float32
    torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("groups", [0, 2])
@pytest.mark.parametrize("lengths", [(), (16, 32, 64)])
def test_a_shift_moves_every_value_by_its_own_amount(groups: int, lengths: tuple[int, ...]) -> None:
    network = MGVT(HashConfig(SHAPE, bits=32, groups=groups, lengths=lengths)).eval()
    x = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = network(x)
        values = torch.arange(before.shape[1]).float()
        network.shift(values)
        torch.testing.assert_close(network(x), before + values, atol=1e-4, rtol=0)
