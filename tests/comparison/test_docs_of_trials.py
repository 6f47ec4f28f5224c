"""What docs/comparison.md says of the tables whose settings were chosen by trials is what the stored results say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from stored import TEXT, assert_says, cells, conventional, is_ahead, lead, near_values, rank, results, score, values
from transhash.comparison import tables
from transhash.comparison.cells import DUAL, FITTED, PEERS, VARIANTS
from transhash.comparison.choosing import FARTHEST
from transhash.data.datasets import load_dataset
from transhash.data.protocols import split
from transhash.training.recipe import Recipe

ROOT = Path(__file__).parents[2]
OWN = 3e-4  # the learning rate of every method but for trials


def names_of(methods: Iterable[str]) -> str:
    """Methods as a sentence lists them."""
    *first, last = (f"`{name}`" for name in sorted(methods))
    return f"{', '.join(first)} and {last}"


def test_what_it_says_of_corel() -> None:
    found = results("corel5k")
    assert {(cell["bits"], cell["recipe"]["validation"]) for cell in found["cells"] if cell["recipe"]} == {
        (16, 0),
        (64, 0),
    }
    methods = {cell["method"] for cell in found["cells"]}
    peers = {*PEERS} - {"greedyhash"}
    assert methods == {"ours-corel5k", *VARIANTS, "ksh", "bre", *peers, *(name + DUAL for name in peers)}
    assert {len(cells("corel5k", method, bits)) for method in methods for bits in (16, 64)} == {3}
    others = {method for method in methods if not method.startswith(("ours", "transhash"))}
    best = max(others, key=lambda method: score("corel5k", method, 64))
    leads = [lead("corel5k", "ours-corel5k", other, 64) for other in ("transhash", best)]
    assert_says("At 64 bits ours is {} points ahead of TransHash and {} ahead of `{}`, the best of the", *leads, best)
    same = [[each["scores"]["map"] for each in cells("corel5k", name, 16)] for name in ("ours-corel5k", "dch")]
    assert same[0] == same[1]
    assert max(score("corel5k", method, 16) for method in methods) == score("corel5k", "dch", 16)
    assert_says("it is {} points ahead of TransHash", lead("corel5k", "ours-corel5k", "transhash", 16))
    lost = {bits: [name for name in peers if is_ahead("corel5k", name, name + DUAL, bits)] for bits in (16, 64)}
    won = {bits: {name for name in peers if is_ahead("corel5k", name + DUAL, name, bits)} for bits in (16, 64)}
    assert won == {16: set(), 64: {"dch", "dsh"}}
    gains = [lead("corel5k", name + DUAL, name, 64) for name in ("dch", "dsh")]
    assert_says(
        "At 16 bits none of the twelve methods gains by it, and {} lose ({})", len(lost[16]), names_of(lost[16])
    )
    assert_says(
        "At 64 bits DCH gains {} points and DSH {}, and {} lose ({})", *gains, len(lost[64]), names_of(lost[64])
    )


def rates_of(name: str) -> tuple[dict[tuple[str, int], float], set[tuple[str, int]]]:
    """The learning rate of each method and length, the best of its trials, and where it is at an end of these."""
    trials: dict[tuple[str, int], list[float]] = {}
    for trial in results(name)["trials"]:
        assert (trial["seed"], trial["recipe"]["validation"]) == (0, 0.2)
        trials.setdefault((trial["method"], trial["bits"]), []).append(trial["recipe"]["learning_rate"])
    taken = {
        (cell["method"], cell["bits"]): cell["recipe"]["learning_rate"]
        for cell in results(name)["cells"]
        if cell["recipe"]
    }
    assert set(taken) == set(trials)
    ends = {each for each, tried in trials.items() if not min(tried) < taken[each] < max(tried)}
    assert {taken[each] for each in ends} <= {OWN * FARTHEST}
    return taken, ends


def assert_says_how_high(taken: dict[tuple[str, int], float]) -> None:
    assert_says("In {} of {} cases", sum(rate >= 2 * OWN for rate in taken.values()), len(taken))
    counted = [sum(rate == OWN * times for rate in taken.values()) for times in (2, 4, 8, 16)]
    assert_says("twice in {}, four times in {}, eight times in {} and sixteen times in {}", *counted)


def test_what_it_says_of_the_trials() -> None:
    corel, ends = rates_of("corel5k")
    assert ends == {("hyp2", 16), ("hyp2-dual", 16)}
    assert_says_how_high(corel)
    caltech, ends = rates_of("caltech101")
    assert len(ends) == sum(rate == 16 * OWN for rate in caltech.values())
    assert_says_how_high(caltech)
    every = [*corel.values(), *caltech.values(), *rates_of("cifar10-trials")[0].values()]
    assert_says("{} of {} cases wanted a higher one", sum(rate > OWN for rate in every), len(every))


def test_what_it_says_of_cifar() -> None:
    name, ours = "cifar10-trials", "ours-cifar10"
    found = results(name)["cells"]
    one = {ours, *VARIANTS, *PEERS, *FITTED}
    assert {cell["method"] for cell in found if cell["bits"] == 16} == one
    assert {cell["method"] for cell in found if cell["bits"] == 64} == one | {peer + DUAL for peer in PEERS}
    assert {len(cells(name, cell["method"], cell["bits"])) for cell in found} == {3}
    rates, ends = rates_of(name)
    assert ends == set()
    assert_says_how_high(rates)
    won = [peer for peer in PEERS if is_ahead(name, peer + DUAL, peer, 64)]
    assert not any(is_ahead(name, peer, peer + DUAL, 64) for peer in PEERS)
    assert_says("At 64 bits {} of thirteen gain by a second stream ({})", {8: "eight"}[len(won)], names_of(won))
    assert_says("CSQ the most ({} points), and none loses", lead(name, "csq" + DUAL, "csq", 64))
    assert max(won, key=lambda peer: score(name, peer + DUAL, 64) - score(name, peer, 64)) == "csq"


def test_what_it_says_of_ours_on_cifar() -> None:
    name, ours = "cifar10-trials", "ours-cifar10"
    others = {cell["method"] for cell in results(name)["cells"] if cell["bits"] == 64} - {ours}
    assert all(is_ahead(name, ours, other, 64) for other in others)
    assert max(others, key=lambda method: score(name, method, 64)) == "dhd" + DUAL
    leads = [lead(name, ours, other, 64) for other in ("dhd" + DUAL, "transhash")]
    assert_says(
        "by {} points over DHD with two streams, the best of the other papers (in two of three seeds), and by {} over",
        *leads,
    )
    one, best = (values(name, method, 64) for method in (ours, "dhd" + DUAL))
    assert sum(mine > other for mine, other in zip(one, best, strict=True)) == 2
    assert_says("As the field counts mAP it is {} ahead of DHD", lead(name, ours, "dhd" + DUAL, 64, conventional))
    near = {method: mean(near_values(name, method, 64)) for method in {*others, ours}}
    behind = lead(name, "transhash", ours, 64, near_values)
    place = 1 + sum(value > near[ours] for value in near.values())
    assert_says("Within radius 2 it is {} points behind TransHash and {}th of {}", behind, place, len(near))
    before = [lead(name, other, ours, 16) for other in ("dch", "greedyhash", "hashnet")]
    assert_says("DCH is {} points ahead of it, GreedyHash {} and HashNet {}, which is no lead", *before)
    at_16 = {cell["method"] for cell in results(name)["cells"] if cell["bits"] == 16}
    assert not any(is_ahead(name, other, ours, 16) for other in at_16)
    assert sum(score(name, other, 16) > score(name, ours, 16) for other in at_16) == 3
    assert_says("it is {} ahead of TransHash. Not all had", lead(name, ours, "transhash", 16))


def test_what_it_says_of_another_split() -> None:
    name, ours, dual = "cifar10-other-split", "ours-cifar10", "dhd" + DUAL
    found = results(name)
    assert found["split_sha256"] != results("cifar10-trials")["split_sha256"]
    assert {len(cells(name, cell["method"], 64)) for cell in found["cells"]} == {3}
    assert tables.markdown(found) in TEXT
    others = {cell["method"] for cell in found["cells"]} - {ours}
    papers = [method for method in others if not method.startswith("transhash")]
    assert max(papers, key=lambda method: score(name, method, 64)) == dual
    assert all(is_ahead(name, ours, other, 64) for other in papers)
    assert not is_ahead(name, ours, "transhash", 64)
    leads = [lead(name, ours, other, 64) for other in (dual, "transhash")]
    assert_says(
        "Ours is {} points ahead of DHD with two streams, the best of the other papers, and {} ahead of T", *leads
    )
    leads = [lead(name, ours, other, 64, conventional) for other in (dual, "transhash")]
    assert_says("it is {} ahead of DHD with two streams and {} ahead of TransHash. Five seeds", *leads)
    now = Recipe.read(ROOT / "recipes" / "ours-cifar10.yaml")
    assert {(cell["recipe"]["groups"], *cell["recipe"]["loss"].items()) for cell in cells(name, ours, 64)} == {
        (now.groups, *now.loss.items())
    }
    assert sum(score("cifar10-trials", cell, 64) > 0.8645 for cell in best_before()) == 8


def test_how_far_another_split_is_another(data_root: Path) -> None:
    images = load_dataset("cifar10", data_root / "cifar10")
    first, other = (split("cifar10", images, seed=seed) for seed in (0, 1))
    seen = np.union1d(first.train, first.query)
    assert other.checksum == results("cifar10-other-split")["split_sha256"]
    new = len(np.setdiff1d(other.query, seen))
    assert_says("of its {:,} queries {} were neither training images nor queries of the first", len(other.query), new)


def best_before() -> set[str]:
    """The methods that the recipe of ours before would have stood among."""
    return {cell["method"] for cell in results("cifar10-trials")["cells"]} - {"ours-cifar10"}


def parts_of(name: str, bits: int) -> list[str]:
    """What a second stream, the Cauchy likelihood and the prior are worth."""
    return [lead(name, "transhash", f"transhash-{part}", bits) for part in ("single", "sigmoid", "no-prior")]


def test_what_it_says_of_the_parts_with_trials() -> None:
    at_64, at_16 = (parts_of("cifar10-trials", bits) for bits in (64, 16))
    assert_says(
        "the dual stream is worth {} points at 64 bits and {} at 16, "
        "the Cauchy likelihood {} and {}, the prior {} and {}",
        *(each for pair in zip(at_64, at_16, strict=True) for each in pair),
    )


def setting_of(recipe: dict[str, Any]) -> str:
    """The loss, and whether it has two groups at every length."""
    return json.dumps([{"gamma": 20.0, **recipe["loss"]}, recipe["groups"] == 2], sort_keys=True)


def test_the_loss_of_ours_has_the_best_mean_of_the_settings_that_were_tried() -> None:
    tried: dict[str, dict[int, float]] = {}
    counted: dict[str, set[float]] = {}
    for cell in results("cifar10-settings")["cells"]:
        recipe = cell["recipe"]
        assert (recipe["validation"], cell["seed"]) == (0.2, 0)
        best = tried.setdefault(setting_of(recipe), {})
        best[cell["bits"]] = max(best.get(cell["bits"], 0.0), cell["scores"]["map"])
        counted.setdefault(setting_of(recipe), set()).add(recipe["learning_rate"])
    means = sorted((sum(best.values()) / 2 for best in tried.values()), reverse=True)
    own = tried[setting_of(Recipe.read(ROOT / "recipes" / "ours-cifar10.yaml").model_dump())]
    assert sum(own.values()) / 2 == means[0]
    assert sorted(map(len, counted.values())) == [1] * 7 + [3] * 2
    assert_says("Of {} settings that were tried", {9: "nine"}[len(tried)])
    assert_says("it has the best mean: {:.4f}, the next {:.4f}", *means[:2])
    [shared] = set.intersection(*counted.values())
    at_it = [cell for cell in results("cifar10-settings")["cells"] if cell["recipe"]["learning_rate"] == shared]
    sums: dict[str, float] = {}
    for cell in at_it:
        key = setting_of(cell["recipe"])
        sums[key] = sums.get(key, 0.0) + cell["scores"]["map"] / 2
    best_at_it = max(sums, key=lambda key: sums[key])
    assert json.loads(best_at_it) == [{"anchor": 1.0, "gamma": 20.0}, True]
    assert_says("the best is a weight of 1, with {:.4f}", sums[best_at_it])


def test_what_it_says_of_caltech() -> None:
    name, ours = "caltech101", "ours-caltech101"
    found = results(name)["cells"]
    methods = {cell["method"] for cell in found}
    missing = {
        "transhash-sigmoid",
        "transhash-no-prior",
        "dpsh",
        "dhn",
        "idhn",
        "sdc",
        "learned",
        "crovca-unsupervised",
    }
    assert methods == {ours, *VARIANTS, *PEERS, *FITTED} - missing
    assert {len(cells(name, method, bits)) for method in methods for bits in (16, 64)} == {3}
    [(queries, searched)] = {(cell["scores"]["queries"], cell["scores"]["database"]) for cell in found}
    assert_says("are queries ({} in all), and the {:,} others are searched", queries, searched)
    assert_says("At 16 bits GreedyHash is {} points ahead of it.", lead(name, "greedyhash", ours, 16))
    leads = lead(name, "csq", ours, 64), lead(name, ours, "greedyhash", 64)
    assert_says("At 64 CSQ is {} ahead of it, and ours {} ahead of", *leads)
    assert (rank(name, ours, 16), rank(name, ours, 64)) == (2, 2)
    assert_says("is {} and {} behind ours", *(lead(name, ours, "transhash", bits) for bits in (16, 64)))
    for bits in (16, 64):
        best = sorted(methods - {ours}, key=lambda method: -score(name, method, bits))[:5]
        assert {*best} == {"greedyhash", "orthohash", "dpn", "csq", "dhd"}
    same = [Recipe.read(ROOT / "recipes" / f"ours-{each}.yaml").loss for each in ("caltech101", "imagenet100")]
    assert same[0] == same[1]
