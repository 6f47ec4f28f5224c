"""An ablation: which cells it has, and what its table says of their results."""

from __future__ import annotations

import copy
import statistics
from pathlib import Path
from typing import Any

import pytest

from tiny_cells import cells
from transhash.comparison import ablation, compare
from transhash.comparison.curves import draw_ablations
from transhash.errors import RecipeError
from transhash.progress import silent


def varied(place: Path, *given: str, bits: int = 16, method: str = "transhash", **changes: Any) -> list[Any]:
    [cell] = cells(place, method, bits=bits, **changes)
    return ablation.variants(cell, ablation.settings(given), lambda sentence: None)


def test_one_setting_is_another_in_each_cell_and_nothing_else(place: Path) -> None:
    base, *others = varied(place, "all", bits=32)
    assert base == cells(place, bits=32)[0]
    differ = {
        other.method: {
            name: value for name, value in other.recipe.model_dump().items() if value != base.recipe.model_dump()[name]
        }
        for other in others
    }
    assert differ == {
        "transhash: K = 1": {"groups": 1},
        "transhash: K = 4": {"groups": 4},
        **{f"transhash: gamma = {gamma}": {"loss": {"gamma": gamma}} for gamma in (5.0, 10.0, 40.0, 80.0)},
        **{f"transhash: lambda = {weight}": {"loss": {"quantization": weight}} for weight in (0.0, 0.01, 1.0)},
        "transhash: streams = 1": {"groups": 0},
        "transhash: self-pairs = True": {"loss": {"self_pairs": True}},
        **{f"transhash: batch = {size}": {"batch_size": size} for size in (64, 128, 256, 512)},
    }
    assert len({other.key({}) for other in others}) == len(others)


def test_all_leaves_out_what_a_method_has_not(place: Path) -> None:
    told: list[str] = []
    [cell] = cells(place, "csq", bits=32)
    found = ablation.variants(cell, ablation.settings(["all"]), told.append)
    assert {each.method.partition(": ")[2].partition(" = ")[0] for each in found[1:]} == {
        "K",
        "lambda",
        "streams",
        "batch",
    }
    assert [sentence.partition(" left out")[0] for sentence in told] == ["csq: gamma", "csq: self-pairs"]
    with pytest.raises(RecipeError, match="csq has no such setting"):
        ablation.variants(cell, ablation.settings(["gamma"]), told.append)


def test_values_may_be_given_and_any_setting_changed(place: Path) -> None:
    found = varied(place, "learning_rate=1e-4,0.003", "loss.margin=1", method="dsh")
    assert [cell.method for cell in found] == ["dsh", "dsh: learning_rate = 0.0001", "dsh: loss.margin = 1"]
    assert found[2].recipe.loss == {"margin": 1}
    [single, two] = varied(place, "streams", method="csq")
    assert (single.recipe.groups, two.recipe.groups) == (0, 2)


def test_what_cannot_be_is_told_and_left_out(place: Path) -> None:
    told: list[str] = []
    [cell] = cells(place, bits=16)
    found = ablation.variants(cell, ablation.settings(["K"]), told.append)
    assert [each.method for each in found] == ["transhash", "transhash: K = 1"]
    assert len(told) == 1
    assert told[0].startswith("transhash: K = 4, 16 bits: left out (16 bits cannot be split over 4 local groups")
    found = ablation.variants(cell, ablation.settings(["streams=0,1,3"]), told.append)
    assert [each.method for each in found] == ["transhash", "transhash: streams = 1"]
    assert told[1:] == [
        f"transhash: streams = {count}, 16 bits: left out (a network with {count} streams)" for count in (0, 3)
    ]


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("transhash", "colour", "no values are given"),
        ("transhash", "colour=1", "transhash has no such setting"),
        ("dsh", "gamma", "dsh has no such setting"),
        ("lsh", "K", "lsh has no recipe to change"),
    ],
)
def test_what_is_no_setting_is_refused(place: Path, method: str, given: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        varied(place, given, method=method)


@pytest.fixture(scope="module")
def results(place: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("ablation")
    wanted = [
        variant
        for cell in cells(place, "transhash", seeds=2, epochs=1)
        for variant in ablation.variants(cell, ablation.settings(["K", "gamma=2,5"]), lambda sentence: None)
    ]
    half = compare.compare(wanted[:3], out, jobs=0, progress=silent)
    assert len(half["cells"]) == 3
    told: list[str] = []
    whole = compare.compare(wanted, out, jobs=0, progress=silent, report=lambda result: told.append(result["method"]))
    assert len(told) == len(wanted) - 3, "what was there is not run again"
    return whole


def test_the_table_has_every_value_and_what_it_is_ahead(results: dict[str, Any]) -> None:
    lines = ablation.markdown(results).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| transhash, as it is", "| K = 1", "| gamma = 2", "| gamma = 5",
    ]  # fmt: skip
    scores: dict[str, list[float]] = {}
    for cell in results["cells"]:
        scores.setdefault(cell["method"], []).append(cell["scores"]["map"])
    one, base = scores["transhash: K = 1"], scores["transhash"]
    ahead = 100 * (statistics.mean(one) - statistics.mean(base))
    deviation = 100 * ((statistics.variance(one) + statistics.variance(base)) / 2) ** 0.5
    mean = f"{statistics.mean(one):.4f} ± {statistics.stdev(one):.4f}".replace("0.", ".")
    assert lines[3] == f"| K = 1 | {mean}, {ahead:+.1f} ± {deviation:.1f} |"


def test_a_variant_of_what_the_method_was_before_is_not_held_against_what_it_is(results: dict[str, Any]) -> None:
    later = copy.deepcopy(results)
    for cell in later["cells"]:
        if cell["method"] in ("transhash", "transhash: gamma = 2"):
            cell["recipe"]["learning_rate"] = 0.001
    assert [(one.name, *one.rows) for one in ablation.ablations(later)] == [("gamma", 2, 20.0)]


def test_the_figure_has_a_panel_a_setting_with_its_error_bars(results: dict[str, Any], tmp_path: Path) -> None:
    files = draw_ablations(results, tmp_path)
    assert [file.name for file in files] == ["ablation.png", "ablation.svg"]
    found = {one.name: one for one in ablation.ablations(results)}
    assert list(found["K"].rows) == [1, 2]
    assert list(found["gamma"].rows) == [2, 5, 20.0]
    assert set(found["gamma"].own.values()) == {20.0}
    assert found["K"].rows[2] == found["gamma"].rows[20.0]


def test_a_difference_of_nothing_has_no_minus(results: dict[str, Any]) -> None:
    equal = {**results, "cells": [{**cell, "scores": {**cell["scores"], "map": 0.5}} for cell in results["cells"]]}
    equal["cells"][0]["scores"]["map"] -= 1e-5
    assert "-0.0" not in ablation.markdown(equal)


def test_a_value_that_one_code_length_has_as_it_is_is_shown_for_the_others(place: Path) -> None:
    made = []
    for bits, groups in ((16, 0), (32, 1)):
        for each in varied(place, "groups=0,1", bits=bits, groups=groups):
            score = {"map": 0.4 + each.recipe.groups / 10 + bits / 1000, "topk": 9}
            recipe = each.recipe.model_dump()
            made.append({"method": each.method, "bits": bits, "seed": 0, "scores": score, "recipe": recipe})
    results = {"cells": made, "dataset": "folder", "protocol": "folder"}
    lines = ablation.markdown(results).splitlines()
    assert lines[2:] == [
        "| transhash, as it is | .4160 | .5320 |",
        "| groups = 0 | .4160 | .4320, -10.0 |",
        "| groups = 1 | .5160, +10.0 | .5320 |",
    ]


def test_results_without_variants_have_none(place: Path) -> None:
    [cell] = cells(place)
    made = {"method": "transhash", "bits": 16, "seed": 0, "scores": {"map": 0.5}, "recipe": cell.recipe.model_dump()}
    assert not list(ablation.ablations({"cells": [made]}))
