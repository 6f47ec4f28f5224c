"""Tables of a comparison: means, deviations, and bold for a lead of two deviations."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from transhash.comparison import tables


def results(**scores: list[float]) -> dict[str, Any]:
    made = [
        {
            "method": method, "bits": 16, "seed": seed, "seconds": {"train": 1.0, "encode": 2.0},
            "scores": {
                "map": value, "map_conventional": value, "map_skipping": value, "precision_radius_2": value,
                "recall_radius_2": value, "topk": 1000,
            },
        }
        for method, values in scores.items()
        for seed, value in enumerate(values)
    ]  # fmt: skip
    return {"dataset": "d", "protocol": "p", "cells": made}


def test_tables_have_means_and_deviations_and_the_best_in_bold() -> None:
    found = results(transhash=[0.8, 0.9], mine=[0.95, 0.97], lsh=[0.5])
    deviation = f"{statistics.stdev([0.8, 0.9]):.4f}".removeprefix("0")
    lines = tables.markdown(found).splitlines()
    assert "mAP@1,000" in lines[0]
    assert lines[2:] == ["| mine | .9600 ± .0141 |", f"| transhash | .8500 ± {deviation} |", "| lsh | .5000 |"]
    del found["cells"][-1]
    found["cells"][1]["scores"]["map"] = 0.82
    assert tables.markdown(found).splitlines()[2] == "| mine | **.9600 ± .0141** |"
    assert r"mine & \textbf{.9600 $\pm$ .0141} \\" in tables.latex(found)
    assert tables.comma_separated(found).splitlines()[1] == "transhash,16,0,0.8,0.8,0.8,0.8,0.8,1.0,2.0"


@pytest.mark.parametrize(("mine", "is_bold"), [([0.86, 0.88], True), ([0.82, 0.88], False), ([0.87], False)])
def test_a_lead_of_less_than_two_deviations_is_not_bold(mine: list[float], is_bold: bool) -> None:
    assert ("**" in tables.markdown(results(transhash=[0.83, 0.84], mine=mine))) == is_bold


def test_a_title_says_how_many_seeds_and_which_trials_there_were() -> None:
    found = results(csq=[0.8, 0.9], lsh=[0.5])
    assert tables.title(found, "map").endswith("; 1 to 2 seeds")
    recipe = {"method": "csq", "loss": {"quantization": 0.1}, "groups": 0}
    for cell in found["cells"]:
        cell["recipe"] = recipe if cell["method"] == "csq" else None
    own = {"learning_rate": 1e-3, "loss": {"quantization": 0.4}, "groups": 0, "validation": 0.2}
    tried = [own, {**own, "groups": 2}, {**own, "loss": {"centres": "bch"}}]
    found["trials"] = [{"method": "csq", "bits": 16, "seed": 0, "recipe": each} for each in tried]
    assert tables.title(found, "map").endswith("; 1 to 2 seeds; 1 trial each")


def test_a_mean_of_one_keeps_its_one() -> None:
    assert "| 1.0000 |" in tables.markdown(results(transhash=[1.0]))


def test_the_name_of_a_recipe_file_takes_no_row_apart() -> None:
    found = results(**{"50%_a&b|c": [0.5]})
    assert tables.markdown(found).splitlines()[2] == r"| 50%_a&b\|c | .5000 |"
    assert r"50\%\_a\&b|c & .5000 \\" in tables.latex(found)
