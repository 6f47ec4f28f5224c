"""A run goes on only with what it began with."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from tiny_run import recipe
from transhash.errors import RecipeError
from transhash.model import DEFAULT, PRETRAINED
from transhash.training import loop
from transhash.training.facts import alone
from transhash.training.loop import train
from transhash.training.network import backbone_digest


@pytest.fixture
def begun(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own with a run that was broken off."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    shutil.copytree(place / "data", tmp_path / "data")
    shutil.copyfile(place / "vit.safetensors", tmp_path / "vit.safetensors")
    train(recipe(tmp_path), tmp_path / "run", stop_at=4)
    return tmp_path


def add(place: Path) -> None:
    Image.new("RGB", (32, 32)).save(place / "data" / "red" / "new.png")


def remove(place: Path) -> None:
    (place / "data" / "blue" / "03.png").unlink()


def change(place: Path) -> None:
    Image.new("RGB", (32, 32)).save(place / "data" / "blue" / "03.png")


def swap(place: Path) -> None:
    (place / "data" / "red").rename(place / "data" / "x")
    (place / "data" / "blue").rename(place / "data" / "red")
    (place / "data" / "x").rename(place / "data" / "blue")


def rename(place: Path) -> None:
    (place / "data" / "red").rename(place / "data" / "scarlet")


def other_backbone(place: Path) -> None:
    state = load_file(place / "vit.safetensors")
    save_file(
        {name: 2 * value for name, value in state.items()}, place / "vit.safetensors", {"num_attention_heads": "1"}
    )


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (add, "number of pictures"),
        (remove, "number of pictures"),
        (change, "another pictures"),
        (swap, "another pictures"),
        (rename, "another classes"),
        (other_backbone, "another backbone"),
    ],
)
def test_a_run_whose_data_changed_is_refused_by_name(happens, words: str, begun: Path) -> None:
    happens(begun)
    with pytest.raises(RecipeError, match=words):
        train(recipe(begun), begun / "run")


def test_a_run_whose_data_moved_goes_on(begun: Path) -> None:
    before = train(recipe(begun), begun / "run", stop_at=5)
    for path in (begun / "data").rglob("*.png"):
        path.touch()
    after = train(recipe(begun, device="cpu"), begun / "run", stop_at=5)  # a setting of the machine may change, too
    np.testing.assert_array_equal(before.seen, after.seen)


def test_a_run_goes_on_where_its_data_and_its_backbone_have_another_path(begun: Path) -> None:
    before = train(recipe(begun), begun / "run", stop_at=5)
    (begun / "data").rename(begun / "pictures")
    (begun / "vit.safetensors").rename(begun / "other.safetensors")
    moved = recipe(begun, data=begun / "pictures", backbone=str(begun / "other.safetensors"))
    after = train(moved, begun / "run", stop_at=5)
    np.testing.assert_array_equal(before.seen, after.seen)


@pytest.mark.skipif(os.name != "posix", reason="folders are locked on POSIX alone")
def test_two_commands_do_not_train_in_one_folder(tmp_path: Path) -> None:
    with alone(tmp_path / "run"):
        with pytest.raises(RecipeError, match="another command trains here"), alone(tmp_path / "run"):
            pass
        assert (tmp_path / "run").is_dir()
    assert not (tmp_path / "run").exists()  # nothing was trained
    with alone(tmp_path / "run"):
        (tmp_path / "run" / "file").touch()
    with alone(tmp_path / "run"):
        pass
    assert (tmp_path / "run" / "file").exists()


def test_a_model_stays_the_same_start_when_its_card_says_more(tmp_path: Path) -> None:
    shutil.copytree(PRETRAINED / DEFAULT, tmp_path / "model")
    card = json.loads((tmp_path / "model" / "config.json").read_text("utf-8"))
    before = backbone_digest(str(tmp_path / "model"))
    card["about"]["measured"] = {"mAP": "0.9"}
    (tmp_path / "model" / "config.json").write_text(json.dumps(card), "utf-8")
    assert backbone_digest(str(tmp_path / "model")) == before
    card["network"]["vit"]["heads"] = 3
    (tmp_path / "model" / "config.json").write_text(json.dumps(card), "utf-8")
    assert backbone_digest(str(tmp_path / "model")) != before
