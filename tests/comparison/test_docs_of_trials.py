"""What docs/comparison.md says of the tables whose settings were chosen by trials is what the stored results say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stored import assert_says, cells, is_ahead, lead, rank, results, score
from transhash.comparison.cells import DUAL, FITTED, PEERS, VARIANTS
from transhash.comparison.choosing import FARTHEST
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
    assert {taken[each] for each in ends} == {OWN * FARTHEST}
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
    every = [*corel.values(), *caltech.values()]
    assert_says("{} of {} cases wanted a higher one", sum(rate > OWN for rate in every), len(every))


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
