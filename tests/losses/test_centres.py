"""Target codes of the classes."""

from __future__ import annotations

import pytest
import torch

from transhash.errors import RecipeError
from transhash.losses import METHODS, CSQLoss, DPNLoss, OrthoHashLoss, Task, centres
from transhash.losses.centres import balanced, hadamard, least_distance, separated


def distances(codes: torch.Tensor) -> set[int]:
    return {int((a != b).sum()) for i, a in enumerate(codes) for b in codes[:i]}


@pytest.mark.parametrize("bits", [1, 2, 4, 16, 64, 128])
def test_hadamard_rows_are_orthogonal(bits: int) -> None:
    h = hadamard(bits)
    assert torch.equal(h @ h.T, bits * torch.eye(bits))
    assert torch.equal(h.abs(), torch.ones(bits, bits))


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_hadamard_centres_differ_in_half_of_the_bits(bits: int) -> None:
    half = CSQLoss(Task((bits,), classes=bits)).centres
    assert distances(half) == {bits // 2}
    whole = CSQLoss(Task((bits,), classes=2 * bits)).centres
    assert distances(whole) == {bits // 2, bits}
    assert torch.equal(whole[:bits], -whole[bits:])


@pytest.mark.parametrize(("bits", "classes"), [(12, 10), (48, 100), (16, 33), (25, 7)])
def test_other_centres_arebalanced_and_the_best_of_their_draws(bits: int, classes: int) -> None:
    centres = separated(classes, bits, torch.Generator().manual_seed(0))
    assert centres.shape == (classes, bits)
    assert torch.equal((centres > 0).sum(dim=1), torch.full((classes,), bits // 2))
    assert least_distance(centres) == min(distances(centres))
    random = torch.Generator().manual_seed(0)
    assert least_distance(centres) == max(min(distances(balanced(classes, bits, random))) for _ in range(20))


@pytest.mark.parametrize(("classes", "draws"), [(10, 20), (2000, 20), (5000, 3), (20_000, 1)])
def test_the_work_for_centres_is_bounded(classes: int, draws: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20,000 classes one look at all distances takes 1.6 GB and seconds."""
    looked = []
    monkeypatch.setattr(centres, "least_distance", lambda codes: looked.append(len(codes)) or 0)
    separated(classes, 48, torch.Generator().manual_seed(0))
    assert looked == ([classes] * draws if draws > 1 else [])


def test_a_hadamard_centre_does_not_depend_on_the_seed_but_a_tie_does() -> None:
    one, other = (CSQLoss(Task((32,), classes=4, multi_label=True, seed=seed)) for seed in (0, 1))
    assert torch.equal(one.centres, other.centres)
    assert not torch.equal(one.ties, other.ties)


def test_an_image_with_several_labels_has_the_majority_of_their_centres() -> None:
    loss = CSQLoss(Task((16,), classes=5, multi_label=True), quantization=0)
    labels = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0]])
    code = loss.centres.new_empty(3, 16)
    code[0] = (loss.centres[0] + loss.centres[1] + loss.centres[2]).sign()
    agree = loss.centres[2] == loss.centres[3]
    code[1] = torch.where(agree, loss.centres[2], loss.ties)
    code[2] = loss.ties
    assert loss(20 * code, labels) < 1e-6  # of those centres all bits are right
    assert all(loss(20 * code * (1 - 2 * torch.eye(16)[k]), labels) > 1 for k in range(16))


@pytest.mark.parametrize("method", [DPNLoss, OrthoHashLoss])
def test_targets_are_random_signs(method: type[DPNLoss] | type[OrthoHashLoss]) -> None:
    targets = method(Task((64,), classes=200)).targets
    assert set(targets.unique().tolist()) == {-1.0, 1.0}
    assert targets.mean(dim=0).abs().max() < 0.35  # 5 deviations
    assert targets.mean(dim=1).abs().max() < 0.65


@pytest.mark.parametrize("method", ["csq", "dpn", "greedyhash", "orthohash"])
def test_a_target_for_each_class_needs_classes(method: str) -> None:
    with pytest.raises(RecipeError, match="0 classes"):
        METHODS[method](Task((16,)))
