"""The settings schema."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from transhash.errors import RecipeError
from transhash.training.recipe import Recipe, from_yaml

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_of_the_project_are_recipes(path: Path) -> None:
    assert Recipe.read(path).bits == 64


def test_a_dumped_recipe_is_the_same_recipe_and_explains_every_setting(tmp_path: Path) -> None:
    recipe = Recipe.read(None, loss={"gamma": 7.5}, bits=32, backbone="a/b", data="x y")
    (tmp_path / "r.yaml").write_text(recipe.dump(), "utf-8")
    assert Recipe.read(tmp_path / "r.yaml") == recipe
    lines = recipe.dump().splitlines()
    assert len(lines) == len(Recipe.model_fields)
    assert all("  # " in line for line in lines)


@pytest.mark.parametrize(
    "text", ["a # b", "a: b", " a ", "é😀", "a\nb", "x " * 100, "'", '"', "yes", "1e3", "- a", "{a}", "~"]
)
def test_any_text_comes_back_from_a_dumped_recipe(text: str, tmp_path: Path) -> None:
    recipe = Recipe(backbone=text, data=text)
    (tmp_path / "r.yaml").write_text(recipe.dump(), "utf-8")
    assert Recipe.read(tmp_path / "r.yaml") == recipe


def test_changes_overrule_the_file(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("bits: 32\nloss:\n  gamma: 5\n  quantization: 0.5\n")
    recipe = Recipe.read(tmp_path / "r.yaml", **{"loss.gamma": 9})
    assert (recipe.bits, recipe.loss) == (32, {"gamma": 9, "quantization": 0.5})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gama: 3", "gama"),
        ("epochs: 0", "epochs"),
        ("loss: {likelihood: gauss}", "cauchy"),
        ("bits: 20", "cannot be packed"),
        ("bits: 520", "codes of 520 bits; use a multiple of 8 up to 512"),
        ("lengths: [64, 1024]", "codes of 1024 bits"),
        ("bits: 16\ngroups: 4", "cannot be split"),
        ("cached_views: 3", "needs frozen blocks"),
        ("lengths: [16, 32]", "contain bits"),
        ("lengths: [8, 64]", "cannot be split"),
        ("lengths: 64", "lengths"),
        ("- a\n- b", "not a recipe"),
        ("a: [", "not YAML"),
        ("1: 2", "not a recipe"),
        ("loss: {gamma: .nan}", r"yaml: loss\.gamma: must be a finite number, a text, true or false; `"),
        ("loss: {gamma: }", r"yaml: loss\.gamma: must be a finite number, a text, true or false; `"),
        ("learning_rate: .inf", "learning_rate"),
        ("seed: -1", "seed"),
        ("seed: 99999999999999999999", "seed: input should be less than"),
        ("split_seed: -1", "split_seed"),
        ("epochs: 1.5", "epochs"),
        ("a: !!python/object:os.system x", "not YAML"),
        ("bits: 32\nepochs: 3\nbits: 48", r"line 3: bits stands twice"),
        ("loss: {gamma: 3, gamma: 4}", "gamma stands twice"),
        ("loss:\n\tgamma: 3", "line 2: found character"),
        ("false", "not a recipe"),
        ("? [a]\n: b", "not YAML"),
        ("dataset: null", r"dataset: input should be a valid string; `"),  # and nothing of what follows from it
        ("epoch: 3", "epoch: no setting has this name"),
    ],
)
def test_a_bad_recipe_is_one_sentence_that_names_it(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError, match=words) as caught:
        Recipe.read(tmp_path / "r.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'r.yaml'}: ")


@pytest.mark.parametrize("name", ["path", "cls"])
def test_a_change_of_any_name_is_read_as_a_setting(name: str) -> None:
    with pytest.raises(RecipeError, match=f"{name}: no setting has this name"):
        Recipe.read(None, **{name: 1})


def test_a_hyper_parameter_is_added_to_others_that_are_changed() -> None:
    assert Recipe.read(None, loss={"gamma": 5}, **{"loss.quantization": 0.5}).loss == {"gamma": 5, "quantization": 0.5}


@pytest.mark.parametrize(("text", "number"), [("1e-4", 1e-4), ("2E3", 2e3), ("-.5e+1", -5.0), ("1.e2", 1e2)])
def test_a_number_may_be_written_with_an_exponent(text: str, number: float) -> None:
    assert from_yaml(f"gamma: {text}", "") == {"gamma": number}


@pytest.mark.parametrize("text", ["1e", "e1", "1e5x", "0x1e", "1.2.3e4"])
def test_what_only_looks_like_a_number_stays_a_text(text: str) -> None:
    assert from_yaml(text, "") == yaml.safe_load(text)


def test_a_text_that_looks_like_a_number_comes_back_from_a_dumped_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(Recipe(backbone="1e-4").dump())
    assert Recipe.read(tmp_path / "r.yaml").backbone == "1e-4"


def test_a_missing_recipe_is_named() -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.yaml: cannot be read"):
        Recipe.read("nowhere.yaml")


def test_settings_are_plain_yaml() -> None:
    assert yaml.safe_load(Recipe().dump())["data"] == "data"


def test_auto_gives_a_short_code_one_stream_and_a_long_one_two(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("groups: auto\n")
    assert [Recipe.read(tmp_path / "r.yaml", bits=bits).groups for bits in (16, 24, 32, 64)] == [0, 0, 1, 1]
    assert "groups: 0 " in Recipe.read(tmp_path / "r.yaml", bits=16).dump()


def test_compile_is_a_word_where_yaml_reads_a_boolean(tmp_path: Path) -> None:
    (tmp_path / "off.yaml").write_text("compile: off\n")
    assert Recipe.read(tmp_path / "off.yaml").compile == "off"
    assert Recipe.build({"compile": True}).compile == "on"
    with pytest.raises(RecipeError, match="compile"):
        Recipe.build({"compile": 1})
