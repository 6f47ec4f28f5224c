"""What training refuses in a sentence: damaged files, what cannot be written, networks that cannot be."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from tiny_run import SHAPE, recipe
from transhash.errors import ModelError, RecipeError
from transhash.model import DEFAULT, PRETRAINED, HashModel
from transhash.model.fit import fit
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.training.export import export_model, load_network
from transhash.training.facts import FACTS, RECIPE, check_facts, check_recipe, write_text
from transhash.training.network import initial_network
from transhash.training.recipe import Recipe


@pytest.mark.parametrize("content", [b"", b"{", b"3", b"\xff"])
def test_facts_of_a_run_that_are_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FACTS).write_bytes(content)
    with pytest.raises(RecipeError, match="remove the folder to start the run again"):
        check_facts(tmp_path, {})


def test_a_run_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file, not a folder")
    with pytest.raises(RecipeError, match="cannot be written"):
        write_text(tmp_path / "run" / "run.yaml", "bits: 64")


@pytest.mark.parametrize("theirs", ["pictures", "tokens", "model", "checkpoint-500", "writing-samples"])
def test_what_is_a_users_own_is_not_taken_for_a_run_s(theirs: str, place: Path, tmp_path: Path) -> None:
    """A run empties or writes over what has these names, so that a folder of someone's pictures would be gone."""
    check_recipe(tmp_path, recipe(place))
    (tmp_path / theirs / "cats").mkdir(parents=True)
    with pytest.raises(RecipeError, match=rf"holds {theirs}.*choose another --out"):
        check_recipe(tmp_path, recipe(place))
    (tmp_path / RECIPE).write_text(recipe(place).dump())
    check_recipe(tmp_path, recipe(place))


def test_a_folder_in_which_no_model_could_be_opened(place: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(ModelError, match="not UTF-8; give the folder another name"):
        check_recipe(odd, recipe(place))
    with pytest.raises(ModelError, match="not UTF-8"):
        fit(HashModel(PRETRAINED / DEFAULT), [], 16, odd)
    shutil.copytree(PRETRAINED / DEFAULT, odd)
    with pytest.raises(ModelError, match="not UTF-8"):
        HashModel(odd)


def test_classes_whose_names_are_not_utf8_come_back_from_a_model(tmp_path: Path) -> None:
    names = [os.fsdecode(b"caf\xe9"), "猫"]
    export_model(MGVT(HashConfig(SHAPE, bits=16)), tmp_path, "odd", {"classes": names})
    assert HashModel(tmp_path).config["about"]["classes"] == names
    assert "猫" in (tmp_path / "config.json").read_text("utf-8")


def test_a_recipe_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(b"bits: \xff\xfe")
    with pytest.raises(RecipeError, match="not YAML"):
        Recipe.read(tmp_path / "recipe.yaml")


def test_a_network_of_which_nothing_is_left_to_train(place: Path) -> None:
    with pytest.raises(RecipeError, match=f"leaves nothing of {SHAPE.depth} blocks to train; use at most 2"):
        initial_network(recipe(place, freeze=SHAPE.depth))


def test_weights_that_are_not_finite_make_no_model(tmp_path: Path) -> None:
    network = MGVT(HashConfig(SHAPE, bits=16))
    with torch.no_grad():
        network.global_hash.bias[3] = torch.nan
    with pytest.raises(ModelError, match=r"global_hash\.bias is not finite"):
        export_model(network, tmp_path / "model", "tiny", {})


def test_a_model_whose_settings_are_of_another_network(tmp_path: Path) -> None:
    export_model(MGVT(HashConfig(SHAPE, bits=16)), tmp_path, "tiny", {})
    settings = json.loads((tmp_path / "config.json").read_text())
    settings["network"]["vit"]["mlp_dim"] = 32
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="not of the network in"):
        load_network(tmp_path)
