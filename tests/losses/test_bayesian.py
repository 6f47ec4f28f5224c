"""The loss of TransHash, against a twin written from its formulas pair by pair."""

from __future__ import annotations

import math

import pytest
import torch

from transhash.losses import BayesianLoss, Task
from twins import assert_equals_twin

BRANCHES = (8, 4, 4)


def twin(
    h: torch.Tensor,
    labels: torch.Tensor,
    *,
    gamma: float = 20.0,
    scale_gamma: bool = False,
    quantization: float = 0.1,
    likelihood: str = "cauchy",
    self_pairs: bool = False,
    squash: bool = False,
    root_gamma: bool = False,
) -> torch.Tensor:
    h = h.tanh() if squash else h
    gamma = gamma * math.sqrt(sum(BRANCHES) / 64) if root_gamma else gamma
    n, total, start = len(h), h.new_zeros(()), 0

    def similar(i: int, j: int) -> bool:
        if labels.ndim == 1:
            return bool(labels[i] == labels[j])
        return bool((labels[i].bool() & labels[j].bool()).any())

    pairs = [(i, j) for i in range(n) for j in range(n) if self_pairs or i != j]
    ones = sum(similar(i, j) for i, j in pairs)
    for bits in BRANCHES:
        branch = h[:, start : start + bits]
        start += bits
        g = gamma * bits / sum(BRANCHES) if scale_gamma else gamma
        pair_loss = h.new_zeros(())
        for i, j in pairs:
            cosine = (branch[i] @ branch[j]) / (branch[i].norm() * branch[j].norm())
            weight = len(pairs) / ones if similar(i, j) else len(pairs) / (len(pairs) - ones)
            if likelihood == "cauchy":
                d = (bits / 2 * (1 - cosine)).clamp(min=1e-6)
                p = g / (g + d)
            else:
                p = torch.sigmoid(bits / 2 * cosine)
            pair_loss = pair_loss - weight * torch.log(p if similar(i, j) else 1 - p)
        prior = h.new_zeros(())
        for i in range(n):
            cosine = branch[i].abs().sum() / (branch[i].norm() * math.sqrt(bits))
            prior = prior + torch.log(1 + bits / 2 * (1 - cosine) / g)
        total = total + pair_loss / len(pairs) + quantization * prior / n
    return total


def example(n: int = 7, *, multi: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(n)
    h = torch.randn(n, sum(BRANCHES), generator=random)
    if multi:
        return h, (torch.rand(n, 5, generator=random) < 0.3).long()
    return h, torch.randint(3, (n,), generator=random)


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gamma": 3.0, "quantization": 0.7},
        {"scale_gamma": True},
        {"likelihood": "sigmoid"},
        {"quantization": 0.0},
        {"self_pairs": True},
        {"squash": True},
        {"root_gamma": True, "gamma": 30.0},
    ],
)
def test_equals_its_twin_in_value_and_gradient(settings: dict[str, object], multi: bool) -> None:
    h, labels = example(multi=multi)
    loss = BayesianLoss(Task(BRANCHES), **settings)
    assert_equals_twin(lambda h: loss(h, labels), lambda h: twin(h, labels, **settings), h)


@pytest.mark.parametrize("multi", [False, True])
def test_anchors_add_the_cross_entropy_with_the_centres(multi: bool) -> None:
    h, labels = example(multi=multi)
    task = Task(BRANCHES, classes=5, multi_label=multi, seed=3)
    loss = BayesianLoss(task, anchor=0.7, scale=4.0, margin=0.3)
    theirs = h.double().requires_grad_()
    expected = twin(theirs, labels)
    for i in range(len(h)):
        logits, start = [], 0
        mine = [labels[i].item()] if not multi else labels[i].nonzero().flatten().tolist()
        for c in range(5):
            agreement, start = theirs.new_zeros(()), 0
            for bits in BRANCHES:
                part, target = theirs[i, start : start + bits], loss.targets[c, start : start + bits].double()
                agreement = agreement + math.sqrt(bits) * (part @ target) / part.norm()
                start += bits
            logits.append(4.0 * (agreement / sum(BRANCHES) - 0.3 * (c in mine)))
        total = torch.stack(logits).exp().sum().log()
        for c in mine:
            expected = expected + 0.7 * (total - logits[c]) / len(mine) / len(h)
    expected.backward()
    ours = h.double().requires_grad_()
    value = loss(ours, labels)
    value.backward()
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-6)


def test_the_whole_code_is_one_branch_if_asked() -> None:
    h, labels = example()
    settings = {"gamma": 5.0, "quantization": 0.3, "anchor": 0.7}
    value = BayesianLoss(Task(BRANCHES, classes=5), whole=True, **settings)(h, labels)
    assert value == BayesianLoss(Task((sum(BRANCHES),), classes=5), **settings)(h, labels)
    assert value != BayesianLoss(Task(BRANCHES, classes=5), **settings)(h, labels)


@pytest.mark.parametrize("likelihood", ["cauchy", "sigmoid"])
def test_gradient_is_that_of_the_value(likelihood: str) -> None:
    h, labels = example()
    loss = BayesianLoss(Task(BRANCHES), likelihood=likelihood)
    assert torch.autograd.gradcheck(lambda h: loss(h, labels), h.double().requires_grad_())


@pytest.mark.parametrize("spread", [1e-1, 1e-2, 1e-3])
def test_gradient_holds_while_the_codes_of_a_class_fall_together(spread: float) -> None:
    random = torch.Generator().manual_seed(0)
    h = torch.randn(16, generator=random).sign() + spread * torch.randn(8, 16, generator=random)
    labels = torch.zeros(8, dtype=torch.long)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        codes = h.detach().to(dtype).requires_grad_()
        BayesianLoss(Task((16,)), quantization=0)(codes, labels).backward()
        gradients.append(codes.grad.double())
    assert (gradients[0] - gradients[1]).norm() < 1e-3 * gradients[1].norm()


@pytest.mark.parametrize("likelihood", ["cauchy", "sigmoid"])
@pytest.mark.parametrize(
    ("h", "labels"),
    [
        (torch.ones(4, 16), torch.tensor([0, 0, 1, 1])),
        (torch.zeros(4, 16), torch.tensor([0, 0, 1, 1])),
        (torch.cat([torch.zeros(1, 16), torch.randn(3, 16)]), torch.tensor([0, 1, 1, 0])),
        (torch.randn(4, 16), torch.zeros(4, dtype=torch.long)),
        (torch.randn(4, 16), torch.arange(4)),
        (torch.randn(1, 16), torch.tensor([3])),
        (torch.randn(4, 16) * 1e18, torch.tensor([0, 0, 1, 1])),
        (torch.randn(4, 16).clamp(-1, 1) * 3e38, torch.tensor([0, 0, 1, 1])),
        ((torch.randn(4, 16) * 1e30).bfloat16(), torch.tensor([0, 0, 1, 1])),
        (-torch.ones(2, 16) * torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 0])),
        (torch.randn(3, 16), torch.zeros(3, 5, dtype=torch.long)),
    ],
    ids=[
        "identical",
        "zero",
        "one zero",
        "one class",
        "all classes differ",
        "one image",
        "huge",
        "greatest",
        "huge in half precision",
        "opposite",
        "no label",
    ],
)
def test_corners_are_finite_in_value_and_gradient(h: torch.Tensor, labels: torch.Tensor, likelihood: str) -> None:
    h = h.clone().requires_grad_()
    value = BayesianLoss(Task(BRANCHES), likelihood=likelihood)(h, labels)
    value.backward()
    assert value.isfinite()
    assert h.grad.isfinite().all()


def test_half_precision_codes_are_computed_in_full() -> None:
    h, labels = example()
    full = BayesianLoss(Task(BRANCHES))(h.bfloat16().float(), labels)
    half = BayesianLoss(Task(BRANCHES))(h.bfloat16(), labels)
    assert half.dtype == torch.float32
    assert half == full
    with torch.autocast("cpu", torch.bfloat16):
        assert BayesianLoss(Task(BRANCHES))(h.bfloat16(), labels) == full


def test_the_order_of_the_batch_does_not_matter() -> None:
    h, labels = example()
    order = torch.randperm(len(h), generator=torch.Generator().manual_seed(0))
    loss = BayesianLoss(Task(BRANCHES))
    torch.testing.assert_close(loss(h, labels), loss(h[order], labels[order]))


def test_the_loss_prefers_codes_that_agree_with_the_labels() -> None:
    code = torch.tensor([1.0, -1.0]).repeat(8)
    labels = torch.tensor([0, 0, 1, 1])
    right = torch.stack([code, code, -code, -code])
    wrong = torch.stack([code, -code, code, -code])
    loss = BayesianLoss(Task(BRANCHES))
    assert loss(right, labels) < loss(wrong, labels)
