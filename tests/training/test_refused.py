"""What training refuses in a sentence: damaged files, what cannot be written, networks that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tiny_run import SHAPE, recipe
from transhash.errors import ModelError, RecipeError
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.training.export import export_model, load_network
from transhash.training.facts import FACTS, check_facts, write_text
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
