"""Cells of one comparison whose settings differ: each on tokens of its own, and all scored on the same images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tiny_cells import SMALL, cells
from transhash.comparison import ablation, compare
from transhash.comparison.cells import Cell, check_alike
from transhash.errors import RecipeError
from transhash.progress import silent


def scores(wanted: list[Cell], out: Path) -> dict[str, Any]:
    """What each cell has of the figures that tell most, by its method."""
    results = compare.compare(wanted, out, jobs=0, progress=silent)
    return {cell["method"]: (cell["scores"], cell["history"], cell["precision"]) for cell in results["cells"]}


def test_a_recipe_that_freezes_other_blocks_is_scored_on_tokens_of_its_own(place: Path, tmp_path: Path) -> None:
    """The named methods freeze all blocks but the last."""
    text = "\n".join(f"{name}: {value}" for name, value in {**SMALL, "freeze": 1, "centre_crop": 0.6}.items())
    (tmp_path / "mine.yaml").write_text(f"{text}\nvalidation: 0\n")
    file = str(tmp_path / "mine.yaml")
    both = scores(cells(place, f"csq,lsh,{file}"), tmp_path / "both")
    alone = {**scores(cells(place, file), tmp_path / "mine"), **scores(cells(place, "csq,lsh"), tmp_path / "named")}
    assert both == alone


@pytest.mark.parametrize("change", ["freeze=1", "image_size=42", "centre_crop=0.6", "precision=bfloat16"])
def test_an_ablation_of_what_tokens_depend_on_is_the_method_with_that_setting(
    change: str, place: Path, tmp_path: Path
) -> None:
    [cell] = cells(place, "csq", epochs=1)
    wanted = ablation.variants(cell, ablation.settings([change]), lambda sentence: None)
    assert len(wanted) == 2
    together = scores(wanted, tmp_path / "together")
    for number, each in enumerate(wanted):
        assert scores([each], tmp_path / str(number)) == {each.method: together[each.method]}


@pytest.mark.parametrize("name", ["split_seed", "heads", "protocol", "validation", "data"])
def test_cells_of_several_tables_are_refused(name: str, place: Path, tmp_path: Path) -> None:
    one, other = cells(place, "csq,lsh")
    value = {"protocol": "folder-20", "data": tmp_path, "validation": 0.5}.get(name, 1)
    changed = replace(other, recipe=other.recipe.model_copy(update={name: value}))
    with pytest.raises(RecipeError, match=rf"{name} is .* for csq and .* for another method.*compare each by itself"):
        check_alike([one, changed])
    with pytest.raises(RecipeError, match="no table has both"):
        compare.compare([one, changed], tmp_path, jobs=0, progress=silent)


@pytest.mark.parametrize("word", ["split_seed=0,1", "bits=16,32", "seed=1", "heads=2", "backbone=random", "bits"])
def test_an_ablation_of_what_all_have_alike_names_the_option(word: str) -> None:
    with pytest.raises(RecipeError, match=r"is the same for all of a comparison; give --\w+.*--out"):
        ablation.settings([word])
