"""Cells of a comparison: which methods they are of, and their keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_cells import SMALL, cells
from transhash.comparison import cells as matrix
from transhash.comparison import compare
from transhash.comparison import tokens as token_files
from transhash.data.datasets import load_dataset
from transhash.errors import RecipeError
from transhash.losses import METHODS


def test_a_peer_has_one_stream_or_two_or_a_cell_for_each(place: Path) -> None:
    found = cells(place, "transhash,transhash-single,csq,lsh", streams=(1, 2))
    assert [cell.method for cell in found] == ["transhash", "transhash-single", "csq", "csq-dual", "lsh"]
    assert [cell.recipe.groups for cell in found][:4] == [2, 0, 0, 2]
    assert {cell.recipe.method for cell in found[2:4]} == {"csq"}
    assert [cell.method for cell in cells(place, "csq", streams=(2,))] == ["csq-dual"]
    assert cells(place, "csq-dual")[0] == found[3]
    with pytest.raises(RecipeError, match="one stream or two"):
        cells(place, streams=(3,))


def test_a_recipe_file_is_a_method_of_its_own_name(place: Path, tmp_path: Path) -> None:
    text = "\n".join(f"{name}: {value}" for name, value in SMALL.items())
    (tmp_path / "mine.yaml").write_text(f"validation: 0\n{text}\nfreeze: 2\nloss:\n  gamma: 7\n")
    [cell] = cells(place, str(tmp_path / "mine.yaml"))
    assert (cell.method, cell.recipe.loss, cell.bits) == ("mine", {"gamma": 7}, 16)
    [cell] = cells(place, str(tmp_path / "mine.yaml"), compile="off", epochs=7)
    assert (cell.recipe.compile, cell.recipe.epochs) == ("off", 2), "of the changes only those of the machine"
    [cell] = cells(place, str(tmp_path / "mine.yaml"), validation=0.25)
    assert cell.recipe.validation == 0.25  # no recipe reads the queries where the others do not
    (tmp_path / "mine.yaml").write_text("freeze: 0\n")
    with pytest.raises(RecipeError, match="freeze and cached_views"):
        cells(place, str(tmp_path / "mine.yaml"))


def test_a_recipe_file_with_the_name_of_another_method_is_refused(place: Path, tmp_path: Path) -> None:
    text = "\n".join(f"{name}: {value}" for name, value in {**SMALL, "freeze": 2}.items())
    files = [tmp_path / name for name in ("csq.yaml", "csq-dual.yaml", "itq.yml", "a/mine.yaml", "b/mine.yml")]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    for file in files[:3]:
        with pytest.raises(RecipeError, match=f"a method is called '{file.stem}', too; give the file another name"):
            cells(place, str(file))
    with pytest.raises(RecipeError, match=f"b/mine.yml: has the name of {files[3]}"):
        cells(place, f"{files[3]},{files[4]}")
    assert len(cells(place, f"{files[3]},{files[3]}")) == 1


@pytest.mark.parametrize("name", matrix.FLAGS)
def test_a_setting_that_has_an_option_is_refused_with_its_name(place: Path, name: str) -> None:
    with pytest.raises(RecipeError, match=f"--set {name}: .*use {matrix.FLAGS[name]}$"):
        matrix.cells(["lsh"], [16], 1, {}, changes={name: 1})


def test_groups_are_for_methods_of_transhash_and_streams_for_the_others(place: Path) -> None:
    assert cells(place, "transhash", groups=1)[0].recipe.groups == 1
    for method in ("csq", "transhash,csq-dual"):
        with pytest.raises(RecipeError, match=r"--set groups: csq.* use --streams"):
            cells(place, method, groups=1)


def test_an_unknown_method_is_named(place: Path) -> None:
    with pytest.raises(RecipeError, match=r"'nohash'.*transhash-sigmoid"):
        cells(place, "nohash")


def test_a_method_that_the_labels_do_not_suit_is_told_or_left_out(place: Path) -> None:
    images = load_dataset("folder", place / "data")
    several = replace(images, labels=np.eye(2, dtype=np.uint8)[images.labels])
    greedy, plain = cells(place, "greedyhash,transhash")
    with pytest.raises(RecipeError, match="one class each"):
        compare.is_defined(greedy, several, 9, None)
    told: list[str] = []
    assert not compare.is_defined(greedy, several, 9, lambda cell, reason: told.append(f"{cell.method}: {reason}"))
    assert told[0].startswith("greedyhash: GreedyHash is defined for images with one class each")
    assert compare.is_defined(plain, several, 9, None)


def test_keys_tell_cells_apart_and_do_not_depend_on_places(place: Path) -> None:
    one, other = cells(place, seeds=2)
    facts = {"split_sha256": "a"}
    moved = matrix.Cell(one.method, one.bits, one.seed, one.recipe.model_copy(update={"data": Path("elsewhere")}))
    assert one.key(facts) == moved.key(facts)
    assert len({one.key(facts), other.key(facts), one.key({"split_sha256": "b"})}) == 3


@pytest.mark.parametrize("change", [{"heads": 2}, {"centre_crop": 0.5}, {"precision": "bfloat16"}])
def test_what_changes_the_features_changes_the_key_and_the_place_of_the_tokens(
    change: dict[str, object], place: Path
) -> None:
    [cell] = cells(place, "lsh", precision="auto")
    other = replace(cell, recipe=cell.recipe.model_copy(update=change))
    assert cell.key({}) != other.key({})
    augmented = [False] if "centre_crop" in change else [False, True]  # views are not cropped so
    for each in augmented:
        names = {token_files.place(one.recipe, {}, augmented=each, rows=np.arange(3)) for one in (cell, other)}
        assert len(names) == 2 or change == {"precision": "bfloat16"}  # which auto may mean


def test_keys_and_places_of_what_is_stored_stay(place: Path) -> None:
    about = {"data": Path("data"), "backbone": "", "dataset": "cifar10", "protocol": "cifar10", "image_size": 70}
    network, shallow = matrix.cells(["transhash", "lsh"], [64], 1, about, changes={"precision": "float32"})
    auto = replace(shallow, recipe=shallow.recipe.model_copy(update={"precision": "auto"}))
    assert (network.key({"a": "b"}), auto.key({"a": "b"})) == ("994c7e3ef82c1931", "c5b6c6d13f4a18cd")
    places = [
        token_files.place(network.recipe, {"a": "b"}, augmented=each, rows=np.arange(3)) for each in (False, True)
    ]
    assert places == ["all-d87ad072280a", "views-fc462de0eabf"]


def test_a_method_that_is_normalised_since_has_another_key_than_before(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = cells(place, "orthohash,csq")
    now = [cell.key({}) for cell in both]
    monkeypatch.setattr(METHODS["orthohash"], "normalised", False)
    assert [cell.key({}) == key for cell, key in zip(both, now, strict=True)] == [False, True]
