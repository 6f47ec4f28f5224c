"""Losses that change in the course of training: HashNet's continuation, DPSH's memory."""

from __future__ import annotations

import pytest
import torch

from transhash.errors import RecipeError
from transhash.losses import DPSHLoss, HashNetLoss, Task
from twins import negative_log_sigmoid


def test_beta_grows_from_1_in_stages() -> None:
    loss = HashNetLoss(Task((16,)), growth=50.0, stages=10)
    betas = []
    for step in range(1000):
        loss.progress = step / 1000
        betas.append(loss.beta)
    assert betas == sorted(betas)
    assert betas[0] == 1
    assert len(set(betas)) == 10
    assert betas[-1] == pytest.approx((1 + 50 * 0.9) ** 0.5)
    loss.progress = 1.0
    assert loss.beta == betas[-1]


def test_continuation_nears_the_loss_of_the_binary_codes() -> None:
    random = torch.Generator().manual_seed(0)
    h, labels = torch.randn(12, 16, generator=random), torch.randint(3, (12,), generator=random)
    loss = HashNetLoss(Task((16,)), growth=1e4)
    binary = loss(1e4 * h, labels)
    gaps = []
    for progress in (0.0, 0.3, 0.6, 0.9):
        loss.progress = progress
        gaps.append(float((loss(h, labels) - binary).abs()))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.25 * gaps[0]


def test_half_a_stage_is_refused() -> None:
    with pytest.raises(RecipeError, match="stages"):
        HashNetLoss(Task((16,)), stages=2.5)


@pytest.mark.parametrize("multi", [False, True])
def test_a_second_batch_is_compared_with_the_first_and_itself(multi: bool) -> None:
    random = torch.Generator().manual_seed(0)
    h = torch.randn(9, 8, generator=random, dtype=torch.float64)
    shape = (9, 4) if multi else (9,)
    labels = torch.randint(2, shape, generator=random)
    rows = torch.tensor([7, 2, 9, 4, 11, 0, 3, 2, 4])  # two of the second batch were in the first, as other codes
    loss = DPSHLoss(Task((8,), classes=4, images=12, multi_label=multi), quantization=0)
    loss(h[:5], labels[:5], rows[:5])
    labels[7], labels[8] = labels[1], labels[3]
    batch = h[5:].clone().requires_grad_()
    value = loss(batch, labels[5:], rows[5:])
    value.backward()

    latest = {int(row): place for place, row in enumerate(rows)}  # the later place of a row is kept
    ours = h[5:].clone().requires_grad_()
    terms = []
    for i in range(4):
        for row, place in latest.items():
            if row != rows[5 + i]:
                one, two = labels[5 + i], labels[place]
                alike = bool((one.bool() & two.bool()).any()) if multi else bool(one == two)
                terms.append(negative_log_sigmoid(0.5 * (ours[i] * h[place]).sum(), alike))
    expected = sum(terms) / len(terms)
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(batch.grad, ours.grad)


def test_an_image_never_seen_counts_for_nothing() -> None:
    random = torch.Generator().manual_seed(0)
    h, labels, rows = torch.randn(4, 8, generator=random), torch.tensor([0, 0, 1, 1]), torch.arange(4)
    few, many = (DPSHLoss(Task((8,), classes=2, images=images), quantization=0) for images in (4, 400))
    assert few(h, labels, rows) == many(h, labels, rows)


def test_a_memory_needs_to_know_the_images() -> None:
    with pytest.raises(RecipeError, match="rows"):
        DPSHLoss(Task((8,), images=4))(torch.randn(2, 8), torch.tensor([0, 1]))
