"""SDC: its loss, the distribution that it calibrates to, and the hash coder that is trained with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from transhash.errors import RecipeError
from transhash.losses.sdc import BETA, loss, quantiles, sdc
from twins import cosine


def test_the_loss_is_that_of_its_formula_in_value_and_gradient() -> None:
    random = torch.Generator().manual_seed(0)
    h, features = (torch.randn(10, width, generator=random, dtype=torch.float64) for width in (8, 6))
    wanted = torch.tensor([0.0, 0.1, 0.2, 0.5, 0.7], dtype=torch.float64)
    theirs = h.clone().requires_grad_()
    pairs = sorted(range(5), key=lambda i: float(cosine(features[i], features[5 + i])))
    expected = sum(abs(cosine(theirs[i], theirs[5 + i]) - wanted[place]) / 5 for place, i in enumerate(pairs))
    expected = expected + sum((1 - cosine(code, code.detach().sign())) / 10 for code in theirs)
    expected.backward()
    ours = h.clone().requires_grad_()
    value = loss(ours, features, wanted)
    value.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("beta", [2, 5])
def test_quantiles_are_those_of_the_distribution(beta: int) -> None:
    """Of n values, i/(2n) of all draws are below: the beta distribution counts by binomials."""
    from math import comb

    found = (quantiles(32, beta).astype(float) + 1) / 2
    n = 2 * beta - 1
    below = [sum(comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(beta, n + 1)) for x in found]
    np.testing.assert_allclose(below, (2 * np.arange(32) + 1) / 64, atol=1e-5)


def test_codes_follow_the_features_and_their_similarities_are_spread() -> None:
    random = np.random.default_rng(0)
    kinds = random.integers(0, 4, 600)
    features = (random.standard_normal((600, 16)) + 3 * random.standard_normal((4, 16))[kinds] + 5).astype(np.float32)
    bits = np.where(sdc(features[:500], None, 16, epochs=40).values(features[500:]) > 0, 1, -1)
    alike = kinds[500:, None] == kinds[None, 500:]
    np.fill_diagonal(alike, val=False)
    similar = bits @ bits.T / 16
    assert similar[alike].mean() > 0.5
    others = similar[kinds[500:, None] != kinds[None, 500:]]
    assert abs(others.mean()) < 0.25  # orthogonal, where the cosines of the features are near 1


def test_a_coder_depends_on_its_seed_alone() -> None:
    features = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32)
    state = torch.random.get_rng_state()
    one, again, other = (sdc(features, None, 8, seed=seed, epochs=2).values(features) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one.tobytes() == again.tobytes()
    assert not np.array_equal(one > 0, other > 0)
    with pytest.raises(RecipeError, match="3 images are too few"):
        sdc(features[:3], None, 8)
    assert quantiles(2, BETA)[0] == -quantiles(2, BETA)[1]
