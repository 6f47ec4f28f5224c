"""Settings that are chosen alike, on training images that are held out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tiny_cells import cells
from transhash.comparison import choosing, compare, processes, tables
from transhash.comparison.cells import Cell
from transhash.errors import RecipeError
from transhash.losses import METHODS
from transhash.progress import silent


def test_every_network_has_as_many_trials_and_the_first_is_its_own_settings(place: Path) -> None:
    for cell in cells(place, "all", bits=32):
        tried = choosing.trials(cell, 9)
        if cell.is_shallow:
            assert not tried
            continue
        assert len(tried) == len({trial.key({}) for trial in tried}) == 9
        assert tried[0].recipe == cell.recipe.model_copy(update={"validation": choosing.HELD_OUT})
        assert {trial.recipe.learning_rate / cell.recipe.learning_rate for trial in tried} == {0.5, 1, 2}
        assert len({json.dumps(trial.recipe.loss, sort_keys=True) for trial in tried}) == 3
        for trial in tried:  # which a copy of a recipe does not check
            type(trial.recipe).build(trial.recipe.model_dump())
    with pytest.raises(RecipeError, match="10 trials"):
        choosing.trials(cell, 10)


def own(task: object, *, plain: bool = False, kind: str = "a", off: float = 0.0, weight: float = 2.0) -> None: ...


def numberless(task: object, *, plain: bool = False, off: float = 0.0) -> None: ...


def test_a_method_of_one_s_own_is_tried_with_its_first_number(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cell,) = cells(place, "dch")
    cell = replace(cell, recipe=cell.recipe.model_copy(update={"method": "own"}))
    monkeypatch.setitem(METHODS, "own", own)
    tried = choosing.trials(cell, 9)
    assert [trial.recipe.loss for trial in tried[2:7:2]] == [{}, {"weight": 8.0}, {"weight": 0.5}]

    monkeypatch.setitem(METHODS, "own", numberless)
    with pytest.raises(RecipeError, match="no number among its settings"):
        choosing.trials(cell, 9)


def test_the_best_of_the_trials_gives_the_settings_and_the_queries_do_not_count(place: Path, tmp_path: Path) -> None:
    wanted = cells(place, "dch,lsh", seeds=2, learning_rate=0.001)
    results = compare.compare(wanted, tmp_path, jobs=0, progress=silent, trials=3)
    trials = results["trials"]
    assert {trial["method"] for trial in trials} == {"dch"}
    assert {trial["seed"] for trial in trials} == {0}
    assert len(trials) >= 3
    best = max(trials, key=lambda trial: trial["scores"]["map"])
    tied = [one["recipe"] for one in trials if one["scores"]["map"] == best["scores"]["map"]]
    for cell in results["cells"]:
        if cell["method"] == "dch":
            own = {name: cell["recipe"][name] for name in choosing.KEPT}
            assert {**own, "validation": choosing.HELD_OUT} in tied
            assert cell["recipe"]["validation"] == 0
    assert f"{len(trials)} trials each" in tables.markdown(results)
    tried = choosing.trials(wanted[0], 3)
    assert (
        choosing.chosen(wanted[0], tried, scored(0.2, 0.5, 0.5)).recipe.learning_rate == tried[1].recipe.learning_rate
    )


def scored(*scores: float) -> list[dict[str, dict[str, float]]]:
    return [{"scores": {"map": score}} for score in scores]


def test_the_grid_grows_where_its_best_learning_rate_is_at_an_end(place: Path) -> None:
    [cell] = cells(place, "dch", learning_rate=0.001)
    three = choosing.trials(cell, 3)  # its own, twice and half of it

    def rate(tried: list[Cell], *scores: float) -> float | None:
        further = choosing.beyond(tried, scored(*scores))
        assert further is None or further.recipe.loss == tried[0].recipe.loss
        return None if further is None else further.recipe.learning_rate

    assert rate(three, 0.3, 0.2, 0.1) is None
    assert rate(three, 0.1, 0.3, 0.2) == 0.004
    assert rate(three, 0.1, 0.2, 0.3) == 0.00025
    assert rate(three, 0.3, 0.3, 0.1) is None  # of equal ones the first
    assert rate(three, 0.1, 0.3) is None  # not all have ended
    assert rate(three[:2], 0.1, 0.3) is None
    assert choosing.beyond([], []) is None
    grown = three
    while (further := choosing.beyond(grown, scored(*(each.recipe.learning_rate for each in grown)))) is not None:
        grown = [*grown, further]
    assert [each.recipe.learning_rate for each in grown[3:]] == [0.004, 0.008, 0.016]
    assert len({each.key({}) for each in grown}) == len(grown)


def test_it_grows_with_the_constant_that_is_best(place: Path) -> None:
    [cell] = cells(place, "dch", learning_rate=0.001)
    nine = choosing.trials(cell, 9)
    best = next(n for n, each in enumerate(nine) if each.recipe.loss and each.recipe.learning_rate == 0.002)
    further = choosing.beyond(nine, scored(*(float(number == best) for number in range(9))))
    assert further is not None
    assert further.recipe.learning_rate == 0.004
    assert further.recipe.loss == nine[best].recipe.loss


def test_trials_beyond_the_grid_are_run_and_choose(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def result(cell: Cell, *_: object) -> dict[str, object]:  # the higher the rate, up to eight times, the better
        rate = cell.recipe.learning_rate
        recipe = cell.recipe.model_dump(mode="json", include={"learning_rate", "loss", "validation"})
        scores = {"map": rate if rate < 0.01 else 0.0, "queries": 1, "database": 1}
        about = {"method": cell.method, "bits": cell.bits, "seed": cell.seed, "recipe": recipe}
        return {**about, "scores": scores, "seconds": {"train": 0.0}}

    monkeypatch.setattr(processes, "run", result)
    wanted = cells(place, "dch,lsh", learning_rate=0.001)
    results = compare.compare(wanted, tmp_path, jobs=0, progress=silent, trials=3)
    rates = sorted(trial["recipe"]["learning_rate"] for trial in results["trials"])
    assert rates == [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016]
    assert {each["recipe"]["learning_rate"] for each in results["cells"] if each["method"] == "dch"} == {0.008}


def test_trials_are_gone_on_with_from_the_results_alone(place: Path, tmp_path: Path) -> None:
    wanted = cells(place, "dch,transhash")
    first = compare.compare(wanted, tmp_path, jobs=0, progress=silent, trials=2)
    assert len(first["trials"]) == 4
    for folder in ("cells", "trials"):
        shutil.rmtree(tmp_path / folder)
    told: list[object] = []
    again = compare.compare(wanted, tmp_path, jobs=0, progress=silent, report=told.append, trials=2)
    assert again == first
    assert not told


def test_without_time_for_its_trials_a_method_is_not_run(place: Path, tmp_path: Path) -> None:
    wanted = cells(place, "dch")
    results = compare.compare(wanted, tmp_path, jobs=0, progress=silent, trials=2, seconds=0)
    assert results["cells"] == []


def test_a_recipe_of_ones_own_is_tried_around_its_own_settings(place: Path) -> None:
    [cell] = cells(place, "transhash")
    mine = replace(cell, recipe=cell.recipe.model_copy(update={"loss": {"gamma": 8.0}}))
    assert {trial.recipe.loss["gamma"] for trial in choosing.trials(mine, 9)} == {2.0, 8.0, 32.0}
