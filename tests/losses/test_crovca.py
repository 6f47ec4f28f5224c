"""CroVCA without labels: its loss of two views, and the hash coder that is trained with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from transhash.errors import RecipeError
from transhash.losses.crovca import hash_coder, without_labels
from transhash.shallow import lsh
from twins import rate


def test_the_loss_of_two_views_is_that_of_its_formula_in_value_and_gradient() -> None:
    random = torch.Generator().manual_seed(0)
    one, other = (torch.randn(7, 8, generator=random, dtype=torch.float64) for _ in range(2))
    given = [each.clone().requires_grad_() for each in (one, other)]
    expected = torch.zeros(())
    for mine, theirs in ((given[0], other), (given[1], one)):
        for i in range(7):
            for k in range(8):
                p = 1 / (1 + torch.exp(-mine[i, k]))
                expected = expected - torch.log(p if theirs[i, k] > 0 else 1 - p) / 7 / 8 / 2
        expected = expected - 0.1 * rate(mine, 0.05) / 2
    expected.backward()
    ours = [each.clone().requires_grad_() for each in (one, other)]
    value = without_labels(*ours)
    value.backward()
    torch.testing.assert_close(value, expected)
    for mine, theirs in zip(ours, given, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def drawn(images: int, seed: int) -> np.ndarray:
    """Four views of some images: eight features are an image's own, and as many larger ones another in each view."""
    random = np.random.default_rng(seed)
    own = np.broadcast_to(random.standard_normal((images, 8)), (4, images, 8))
    return np.concatenate([own, 3 * random.standard_normal((4, images, 8))], axis=2).astype(np.float32) + 1


def test_the_hash_coder_learns_what_views_have_in_common_and_uses_its_bits() -> None:
    views, unseen = drawn(4000, 0), drawn(300, 1)
    planes = lsh(views[0], None, 16)

    def agreement(function) -> float:
        return float(((function.values(unseen[0]) > 0) == (function.values(unseen[1]) > 0)).mean())

    coder = hash_coder(views, 16)
    assert agreement(coder) > agreement(planes) + 0.1
    ones = (coder.values(unseen[0]) > 0).mean(axis=0)
    assert ((ones > 0.3) & (ones < 0.7)).all()
    bits = np.where(coder.values(unseen[0]) > 0, 1.0, -1.0)
    assert np.abs(np.corrcoef(bits.T) - np.eye(16)).max() < 0.9  # no bit twice


def test_half_of_the_bits_are_ones_after_a_short_training_too() -> None:
    views = drawn(100, 0) + 20
    ones = (hash_coder(views, 16).values(views[0]) > 0).mean(axis=0)
    assert ((ones > 0.3) & (ones < 0.7)).all()


def test_a_hash_coder_depends_on_its_seed_alone() -> None:
    views = drawn(64, 0)
    state = torch.random.get_rng_state()
    one, again, other = (hash_coder(views, 8, seed=seed).values(views[0]) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one.tobytes() == again.tobytes()
    assert not np.array_equal(one > 0, other > 0)


@pytest.mark.parametrize("shape", [(1, 64, 16), (2, 1, 16)])
def test_one_view_or_image_is_too_little(shape: tuple[int, int, int]) -> None:
    with pytest.raises(RecipeError, match="too few to align"):
        hash_coder(np.zeros(shape, np.float32), 8)
