"""Target codes of the classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from transhash.errors import RecipeError
from transhash.losses import METHODS, BayesianLoss, CSQLoss, DPNLoss, OrthoHashLoss, Task, bch, centres
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


MANY = [(8, 100), (12, 100), (16, 33), (16, 100), (16, 374), (24, 100), (32, 100), (48, 10), (48, 100), (64, 200)]


@pytest.mark.parametrize(("bits", "classes"), MANY)
def test_codewords_are_as_far_apart_as_their_code_and_further_than_other_centres(bits: int, classes: int) -> None:
    words = bch.codewords(classes, bits, torch.Generator().manual_seed(0))
    assert words.shape == (classes, bits)
    assert set(words.unique().tolist()) == {-1.0, 1.0}
    assert min(distances(words)) >= bch.distance(classes, bits) > 0
    random = torch.Generator().manual_seed(0)
    today, ours = (separated(classes, bits, random.clone_state(), kind) for kind in ("hadamard", "bch"))
    assert min(distances(ours)) > min(distances(today))


@pytest.mark.parametrize(
    ("classes", "bits", "expected"),
    [  # the table of primitive BCH codes, each with a bit of parity
        (2**11, 16, 4), (2**7, 16, 6), (2**5, 16, 8), (2**21, 32, 6), (2**16, 32, 8), (2**11, 32, 12), (2**6, 32, 16),
        (2**24, 64, 16), (2**18, 64, 22), (2**16, 64, 24), (2**10, 64, 28), (2**7, 64, 32), (2**29, 128, 44),
        (2, 16, 16), (2**5, 5, 0), (300, 8, 0),  # all bits of two words; no code of so many
    ],
)  # fmt: skip
def test_distances_are_those_of_the_table(classes: int, bits: int, expected: int) -> None:
    assert bch.distance(classes, bits) == expected


@pytest.mark.parametrize("bits", [8, 16])
def test_all_words_of_a_code_are_apart_and_sums_of_two_are_words(bits: int) -> None:
    classes = {8: 16, 16: 128}[bits]
    words = bch.codewords(classes, bits, torch.Generator().manual_seed(0)) > 0
    assert len({tuple(word.tolist()) for word in words}) == classes
    assert {tuple((a ^ b).tolist()) for a in words for b in words} == {tuple(word.tolist()) for word in words}


def test_few_classes_have_hadamard_centres_either_way_and_too_many_random_ones() -> None:
    for bits, classes in ((16, 32), (8, 200)):
        hadamard_s, bch_s = (
            CSQLoss(Task((bits,), classes=classes), centres=kind).centres for kind in ("hadamard", "bch")
        )
        assert torch.equal(hadamard_s, bch_s)


def test_anchors_of_transhash_may_be_codewords() -> None:
    task = Task((16,), classes=100)
    loss = BayesianLoss(task, anchor=1.0, centres="bch")
    assert least_distance(loss.targets) == 6
    assert torch.equal(loss.targets, CSQLoss(task, centres="bch").centres)
    assert least_distance(BayesianLoss(task, anchor=1.0).targets) == 2
    with pytest.raises(RecipeError, match="there are hadamard, bch"):
        CSQLoss(task, centres="random")  # type: ignore[arg-type]


def test_the_page_says_how_far_apart_centres_are() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "methods.md").read_text("utf-8").split())
    found = [
        [least_distance(CSQLoss(Task((bits,), classes=100), centres=kind).centres) for kind in ("bch", "hadamard")]
        for bits in (16, 32, 48)
    ]
    (a, b), (c, d), (e, f) = found
    assert f"at 16 bits the nearest two centres differ in {a} bits, not in {b}; at 32 bits in {c}, not in {d}" in page
    assert f"at 48 in {e}, not in {f} (seed 0)" in page


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
