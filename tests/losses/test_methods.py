"""What holds of every method, and each against its twin: a method is added to these by its line in `METHODS`."""

from __future__ import annotations

import inspect

import pytest
import torch

from transhash.errors import RecipeError
from transhash.losses import METHODS, HashLoss, Task, check_settings
from twins import TWINS, assert_equals_twin

CLASSES, IMAGES = 5, 5000
SETTINGS: list[tuple[str, dict[str, float | str]]] = [
    *((name, {}) for name in TWINS),
    ("dsh", {"margin": 1.0, "quantization": 0.3}),
    ("dpsh", {"quantization": 3.0}),
    ("dhn", {"quantization": 0.7}),
    ("hashnet", {"alpha": 3.0, "growth": 8.0, "stages": 4}),
    ("dch", {"gamma": 3.0, "quantization": 0.7}),
    ("idhn", {"alpha": 2.0, "gamma": 0.5, "quantization": 0.4}),
    ("greedyhash", {"quantization": 0.6}),
    ("dpn", {"margin": 0.4}),
    ("csq", {"quantization": 0.5, "centres": "bch"}),
    ("orthohash", {"scale": 3.0, "margin": 0.5}),
    ("hyp2", {"beta": 2.0}),
    ("crovca", {"coding_rate": 0.7, "epsilon": 0.3, "labels": False}),
    ("dhd", {"temperature": 0.7, "distillation": 0.6, "quantization": 0.5}),
]
SEVERAL = [name for name, method in METHODS.items() if not getattr(method, "single_label_only", False)]


def build(method: str, bits: int = 16, *, multi: bool = False, seed: int = 0, **settings: float | str) -> HashLoss:
    return METHODS[method](Task((bits,), CLASSES, IMAGES, multi, seed), **settings)


def example(n: int = 9, bits: int = 16, *, multi: bool = False) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes in float64, labels (the first image with none where there may be several), rows."""
    random = torch.Generator().manual_seed(n)
    h = torch.randn(n, bits, generator=random, dtype=torch.float64)
    rows = torch.randperm(IMAGES, generator=random)[:n]
    if not multi:
        return h, torch.randint(CLASSES, (n,), generator=random), rows
    labels = (torch.rand(n, CLASSES, generator=random) < 0.4).long()
    labels[0] = 0
    return h, labels, rows


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_twin_that_compares_each_hyper_parameter(method: str) -> None:
    if method == "transhash":
        return  # its twin is in test_bayesian.py
    assert method in TWINS
    given = {name for other, settings in SETTINGS if other == method for name in settings}
    known = inspect.signature(METHODS[method]).parameters.values()
    assert given == {each.name for each in known if each.kind is each.KEYWORD_ONLY}


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("bits", [16, 12])
@pytest.mark.parametrize(("method", "settings"), SETTINGS)
def test_equals_its_twin_in_value_and_gradient(
    method: str, settings: dict[str, float | str], bits: int, multi: bool
) -> None:
    if multi and method not in SEVERAL:
        pytest.skip("single labels only")
    h, labels, rows = example(10, bits=bits, multi=multi)
    loss = build(method, bits, multi=multi, **settings)
    loss.progress = 0.55
    assert_equals_twin(lambda h: loss(h, labels, rows), lambda h: TWINS[method](loss, h, labels, **settings), h)


@pytest.mark.parametrize("multi", [False, True])
def test_second_views_learn_from_the_first_by_deep_hash_distillation(multi: bool) -> None:
    h, labels, rows = example(11, multi=multi)
    labels, rows = (torch.cat([each[:6], each[:5]]) for each in (labels, rows))
    loss = build("dhd", multi=multi, distillation=0.6)
    assert_equals_twin(
        lambda h: loss(h, labels, rows), lambda h: TWINS["dhd"](loss, h, labels, distillation=0.6, second=5), h
    )


@pytest.mark.parametrize("method", sorted({*METHODS} - {"greedyhash", "dpsh"}))  # whose gradients are another's
def test_gradient_is_that_of_the_value(method: str) -> None:
    h, labels, rows = example(5, 8)
    loss = build(method, 8)
    assert torch.autograd.gradcheck(lambda h: loss(h, labels, rows), h.requires_grad_())


CORNERS = {
    "identical": (torch.ones(4, 16), torch.tensor([0, 0, 1, 1])),
    "zero": (torch.zeros(4, 16), torch.tensor([0, 0, 1, 1])),
    "one class": (torch.randn(4, 16), torch.zeros(4, dtype=torch.long)),
    "all classes differ": (torch.randn(4, 16), torch.arange(4)),
    "one image": (torch.randn(1, 16), torch.tensor([3])),
    "huge": (torch.randn(4, 16) * 1e18, torch.tensor([0, 0, 1, 1])),
    "greatest": (torch.randn(4, 16).clamp(-1, 1) * 3e38, torch.tensor([0, 0, 1, 1])),
    "tiny": (torch.randn(4, 16) * 1e-30, torch.tensor([0, 0, 1, 1])),
    "huge in half precision": ((torch.randn(4, 16) * 1e30).bfloat16(), torch.tensor([0, 0, 1, 1])),
    "opposite": (torch.ones(2, 16) * torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 0])),
    "no label": (torch.randn(3, 16), torch.zeros(3, CLASSES, dtype=torch.long)),
    "every label": (torch.randn(3, 16), torch.ones(3, CLASSES, dtype=torch.long)),
}


@pytest.mark.parametrize("progress", [0.0, 1.0])
@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("method", METHODS)
def test_corners_are_finite_in_value_and_gradient(method: str, corner: str, progress: float) -> None:
    h, labels = CORNERS[corner]
    if labels.ndim == 2 and method not in SEVERAL:
        pytest.skip("single labels only")
    loss = build(method, multi=labels.ndim == 2)
    loss.progress = progress
    h = h.clone().requires_grad_()
    value = loss(h, labels, torch.arange(len(h)))
    value.backward()
    assert value.isfinite()
    assert h.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in loss.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_codes_are_computed_in_full(method: str) -> None:
    h, labels, rows = example()
    full = build(method)(h.bfloat16().float(), labels, rows)
    with torch.autocast("cpu", torch.bfloat16):
        half = build(method)(h.bfloat16(), labels, rows)
    assert half.dtype == torch.float32
    assert half == full


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_batch_does_not_matter(method: str, multi: bool) -> None:
    if multi and method not in SEVERAL:
        pytest.skip("single labels only")
    h, labels, rows = example(multi=multi)
    order = torch.randperm(len(h), generator=torch.Generator().manual_seed(0))
    loss = build(method, multi=multi)
    torch.testing.assert_close(loss(h, labels, rows), loss(h[order], labels[order], rows[order]))


@pytest.mark.parametrize("method", METHODS)
def test_descent_makes_codes_of_one_class_nearer_than_those_of_two(method: str) -> None:
    h, labels, rows = example(20)
    loss, h = build(method), (0.1 * h).float().requires_grad_()
    optimizer = torch.optim.Adam([h, *loss.parameters()], lr=0.02)
    for step in range(500):
        loss.progress = step / 500
        optimizer.zero_grad()
        loss(h, labels, rows).backward()
        optimizer.step()
    code = h.detach().sign()
    distance = (code.shape[1] - code @ code.T) / 2
    same = labels[:, None] == labels[None, :]
    assert distance[same].max() < distance[~same].min()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_drawn_depends_on_the_seed_alone(method: str) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one, again, other = build(method, 12), build(method, 12), build(method, 12, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), again.state_dict().values(), strict=True))
    if method in ("csq", "dpn", "orthohash", "greedyhash", "hyp2", "dhd"):
        assert any(not torch.equal(a, other.state_dict()[name]) for name, a in one.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_a_method_continues_from_what_it_kept(method: str) -> None:
    h, labels, rows = example()
    one, other = build(method, seed=0), build(method, seed=1)
    one(h[:4].float(), labels[:4], rows[:4])
    other.load_state_dict(one.state_dict())
    assert one(h[4:].float(), labels[4:], rows[4:]) == other(h[4:].float(), labels[4:], rows[4:])


@pytest.mark.parametrize("method", METHODS)
def test_settings_out_of_range_are_refused(method: str) -> None:
    numbers = [
        p.name
        for p in inspect.signature(METHODS[method]).parameters.values()
        if p.kind is p.KEYWORD_ONLY and not isinstance(p.default, bool | str)
    ]
    assert numbers
    for name in numbers:
        with pytest.raises(RecipeError, match=name):
            build(method, **{name: -1})


@pytest.mark.parametrize("method", METHODS)
def test_settings_of_another_kind_are_refused(method: str) -> None:
    with pytest.raises(RecipeError, match="no hyper-parameter 'colour'"):
        check_settings(method, {"colour": 1.0})
    name = next(p.name for p in inspect.signature(METHODS[method]).parameters.values() if p.kind is p.KEYWORD_ONLY)
    with pytest.raises(RecipeError, match=name):
        check_settings(method, {name: "blue"})
    with pytest.raises(RecipeError, match="finite"):
        check_settings(method, {name: float("nan")})


@pytest.mark.parametrize("method", sorted({*METHODS} - {*SEVERAL}))
def test_several_labels_are_refused_where_they_are_not_defined(method: str) -> None:
    with pytest.raises(RecipeError, match="defined for images with one class each"):
        build(method, multi=True)
