"""The verbs of a person who works on hashing, end to end over tiny data and a tiny backbone."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from benchmarks.common import program
from benchmarks.evaluation import transfer as on_others
from program import run_here
from transhash.cli.fit import fit
from transhash.errors import ModelError
from transhash.model import load
from transhash.model.fitted import SAMPLE
from transhash.nn.vit import ViT, ViTConfig
from transhash.nn.weights import load_vit
from transhash.shallow import smoothed_itq
from transhash.training.network import settled
from transhash.training.recipe import Recipe

CLASSES = ("blue", "red")
PER_CLASS = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data/` (two classes that colour tells apart) and `vit.safetensors`."""
    place = tmp_path_factory.mktemp("train")
    random = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        (place / "data" / name).mkdir(parents=True)
        for i in range(PER_CLASS):
            pixels = random.integers(0, 80, (30, 30, 3), dtype=np.uint8)
            pixels[..., 2 - 2 * number] += 150
            Image.fromarray(pixels).save(place / "data" / name / f"{i:02d}.png")
    torch.manual_seed(0)
    vit = ViT(ViTConfig(image_size=28, patch_size=14, dim=64, depth=2, heads=1, mlp_dim=64))
    state = {name: torch.randn_like(value) * 0.05 for name, value in vit.state_dict().items()}
    save_file(state, place / "vit.safetensors", {"num_attention_heads": "1"})
    return place


transfer = partial(run_here, main=partial(program, on_others.main))  # the benchmark on data that nothing was trained on


RECIPE = """
dataset: folder
protocol: folder
data: data
backbone: vit.safetensors
image_size: 28
bits: 16
epochs: 6
batch_size: 8
warmup_steps: 2
learning_rate: 0.003
validation: 0.2
"""


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    (place / "recipe.yaml").write_text(RECIPE)
    command = [sys.executable, "-m", "transhash", "train", "recipe.yaml", "--out", "run", "--evaluate", "--json"]
    result = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (place / "train.json").write_text(result.stdout)
    return place


def test_train_leaves_a_model_that_tells_colours_apart(trained: Path) -> None:
    result = json.loads((trained / "train.json").read_text())
    assert result["scores"]["map"] > 0.95
    assert result["scores"]["database"] == 2 * PER_CLASS - 2
    assert result["history"][-1]["epoch"] == 6
    assert {path.name for path in (trained / "run" / "model").iterdir()} == {
        "config.json",
        "model.safetensors",
        "model.onnx",
    }


def test_evaluate_repeats_what_train_measured(trained: Path) -> None:
    result = run_here("evaluate", "run/model", "--dataset", "folder", "--data", "data", "--json", cwd=trained)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == json.loads((trained / "train.json").read_text())["scores"]


def test_training_calibrates_on_what_it_held_out(trained: Path) -> None:
    model = load(trained / "run" / "model")
    assert model.calibration is not None
    assert (model.calibration.pairs, model.calibration.data) == (6, "folder")  # two images of each class
    near, far = model.calibration.probability([0, model.bits])
    assert near > 0.5 > far
    other = replace(model.calibration, gamma=3.5)
    model.calibrate({model.bits: other})
    again = load(trained / "run" / "model")
    assert (again.calibration, again.fingerprint) == (other, model.fingerprint)

    config = trained / "run" / "model" / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"gamma": 3.5', '"gamma": -3.5'))
    with pytest.raises(ModelError, match="not the settings of a model"):
        load(trained / "run" / "model")
    config.write_text(text)


def test_calibrating_takes_what_the_model_was_not_trained_on(trained: Path) -> None:
    asked = ("evaluate", "run/model", "--dataset", "folder", "--data", "data", "--calibrate")
    result = run_here(*asked, cwd=trained)
    assert result.returncode == 0, result.stderr  # on what this model was not trained on
    assert "16 bits" in result.stdout
    assert json.loads((trained / "run/model/config.json").read_text())["calibrations"]


def test_evaluate_prints_a_table_for_people(trained: Path) -> None:
    result = run_here("evaluate", "run/model", "--dataset", "folder", "--data", "data", cwd=trained)
    assert "2 queries, 22 items in the database, 16 bits" in result.stdout


def test_transfer_sets_codes_beside_other_methods_and_changes_queries(trained: Path) -> None:
    asked = ("run/model", "--dataset", "folder", "--data", "data")
    result = transfer(*asked, "--beside", "--change", "jpeg:30", "--backbone", "vit.safetensors", "--json", cwd=trained)
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    rows = {line["method"]: line for line in lines if "method" in line}
    measured = json.loads((trained / "train.json").read_text())["scores"]["map"]
    assert rows["transhash"]["map"] == pytest.approx(measured)
    assert rows["features of the backbone, cosine"]["bytes"] == 256
    assert {"ITQ, fitted to the database", "LSH, fitted to the database"} < rows.keys()
    changed = {line["change"]: line for line in lines if "change" in line}
    assert changed[""]["16"] == pytest.approx(measured)
    assert changed["jpeg:30"].keys() == {"change", "16", "cosine"}


def test_transfer_finds_copies_and_draws_what_probabilities_are_worth(trained: Path) -> None:
    asked = ("run/model", "--dataset", "folder", "--data", "data", "--copies", "--change", "resize:1")
    result = transfer(*asked, "--reliability", "drawn.svg", cwd=trained)
    assert result.returncode == 0, result.stderr
    assert "| change | 16 bits | cosine |" in result.stdout
    assert "expected calibration error" in result.stdout
    assert "drawn: drawn.png, drawn.svg" in result.stderr
    assert (trained / "drawn.svg").read_text().startswith("<?xml")


def test_a_change_that_there_is_not_is_named_before_anything_is_read(trained: Path) -> None:
    result = transfer("run/model", "--data", "nowhere", "--change", "melt:3", cwd=trained)
    assert result.returncode == 2
    assert "no change is called 'melt'" in result.stderr


def test_the_model_indexes_and_searches(trained: Path) -> None:
    assert run_here("index", "data", "--model", "run/model", cwd=trained).returncode == 0
    result = run_here("search", "data/red/00.png", "-k", "12", "--json", cwd=trained)
    hits = json.loads(result.stdout)["hits"]
    assert hits[0]["distance"] == 0
    assert sum("red" in hit["path"] for hit in hits) >= 10


def test_fit_makes_a_model_of_a_collection_without_labels(trained: Path) -> None:
    (trained / "data" / "red" / "broken.png").write_bytes(b"no picture")
    asked = ("fit", "data", "--bits", "8", "--model", "run/model", "--out", "fitted")
    made = run_here(*asked, "--json", cwd=trained)
    assert made.returncode == 0, made.stderr
    assert "broken.png" in made.stderr
    (trained / "data" / "red" / "broken.png").unlink()
    facts = json.loads(made.stdout)
    assert (facts["bits"], facts["pictures"], facts["base"]) == (8, 2 * PER_CLASS, "run")

    base, model = load(trained / "run" / "model"), load(trained / "fitted")
    assert model.fingerprint == facts["fingerprint"] != base.fingerprint
    assert model.calibration is None
    pictures = sorted((trained / "data").rglob("*.png"))
    features = np.stack([one.features for batch in base.stream(pictures) for one in batch])
    head = np.load(trained / "fitted" / "head.npy")
    np.testing.assert_allclose(head, smoothed_itq(features, 8), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.values(pictures), features @ head[:-1] + head[-1], atol=1e-4)
    codes = np.unpackbits(model.encode(pictures), axis=1)
    assert (codes.mean(axis=0) > 0.1).all()
    assert (codes.mean(axis=0) < 0.9).all()

    indexed = run_here("index", "data", "--model", "fitted", "--library", "other", cwd=trained)
    assert indexed.returncode == 0, indexed.stderr
    assert run_here(*asked, cwd=trained).returncode == 2  # it is there already
    (trained / "fitted" / "head.npy").write_bytes(b"")
    with pytest.raises(ModelError, match=r"head\.npy"):
        load(trained / "fitted")


def test_fit_encodes_no_more_pictures_than_are_learned_from() -> None:
    assert inspect.signature(fit).parameters["most"].default == SAMPLE


def test_dump_recipe_reads_back_as_the_same_recipe(trained: Path) -> None:
    first = run_here("train", "recipe.yaml", "--bits", "32", "--set", "loss.gamma=7", "--dump-recipe", cwd=trained)
    assert "gamma: 7" in first.stdout
    assert "bits: 32" in first.stdout
    (trained / "dumped.yaml").write_text(first.stdout)
    assert run_here("train", "dumped.yaml", "--dump-recipe", cwd=trained).stdout == first.stdout


def test_the_data_set_and_its_split_are_options(place: Path) -> None:
    asked = ("train", "--dataset", "folder", "--data", "data", "--protocol", "folder", "--split-seed", "3")
    recipe = yaml.safe_load(run_here(*asked, "--dump-recipe", cwd=place).stdout)
    assert (recipe["dataset"], recipe["protocol"], recipe["split_seed"], recipe["data"]) == (
        "folder",
        "folder",
        3,
        "data",
    )


@pytest.mark.parametrize(("patch", "side"), [(14, 70), (16, 80), (32, 96)])
def test_the_image_size_is_one_that_the_patches_of_the_backbone_divide(place: Path, patch: int, side: int) -> None:
    vit = ViT(ViTConfig(image_size=2 * patch, patch_size=patch, dim=64, depth=2, heads=1, mlp_dim=64))
    save_file(vit.state_dict(), place / f"vit{patch}.safetensors")
    backbone = str(place / f"vit{patch}.safetensors")
    assert settled(Recipe(backbone=backbone, heads=1)).image_size == side
    assert settled(Recipe(backbone=backbone, heads=1, image_size=3 * patch)).image_size == 3 * patch


def test_backbone_converts_to_half_precision_under_the_same_names(place: Path) -> None:
    result = run_here("backbone", "vit.safetensors", "--to", "out/half.safetensors", cwd=place)
    assert result.returncode == 0, result.stderr
    before, after = load_file(place / "vit.safetensors"), load_file(place / "out" / "half.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value.half()) for name, value in before.items())


def test_backbone_keeps_the_heads_and_the_epsilon_that_the_tensors_do_not_tell(place: Path) -> None:
    (place / "hub").mkdir()
    (place / "hub" / "model.safetensors").write_bytes((place / "vit.safetensors").read_bytes())
    (place / "hub" / "config.json").write_text('{"num_attention_heads": 4, "layer_norm_eps": 1e-12}')
    result = run_here("backbone", "hub", "--to", "out/four.safetensors", cwd=place)
    assert "4 heads" in result.stdout
    loaded = load_vit(place / "out" / "four.safetensors").config
    assert (loaded.heads, loaded.norm_eps) == (4, 1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bits", "24", "--set", "groups=4"], "24 bits cannot be split over 4 local groups"),
        (["--bits", "12"], "cannot be packed in bytes"),
        (["--set", "gama=3"], "gama"),
        (["--set", "gamma"], "NAME=VALUE"),
        (["--set", "epochs=0"], "epochs"),
        (["--data", "nowhere"], "nowhere: no such file or folder"),
        (["--backbone", "nowhere.safetensors"], "nowhere.safetensors: no such checkpoint"),
        (["--set", "batch_size=100"], "lower it"),
        (["--set", "freeze=2"], "leaves nothing"),
    ],
)
def test_a_bad_setting_is_one_sentence(place: Path, arguments: list[str], words: str) -> None:
    (place / "bad.yaml").write_text(RECIPE)
    result = run_here("train", "bad.yaml", "--out", "bad-run", *arguments, cwd=place)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_all_pictures_that_cannot_be_used_are_named(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "data", tmp_path / "data")
    for name in ("blue/03.png", "red/07.png"):
        (tmp_path / "data" / name).write_bytes(b"")
    (tmp_path / "data" / "red" / "08.png").write_text("text")
    asked = ("train", trained / "recipe.yaml", "--backbone", trained / "vit.safetensors", "--data", tmp_path / "data")
    for verb in ((*asked, "--out", tmp_path / "run"), ("evaluate", trained / "run/model", "--dataset", "folder",
                 "--data", tmp_path / "data")):  # fmt: skip
        result = run_here(*verb, cwd=trained)
        assert result.returncode == 2
        first, *others = result.stderr.splitlines()[-4:]
        assert first == "3 pictures of the data set cannot be used:"
        assert [name in line for name, line in zip(("03.png", "07.png", "08.png"), others, strict=True)] == [True] * 3


def test_another_recipe_does_not_mix_with_a_run(trained: Path) -> None:
    result = run_here("train", "recipe.yaml", "--out", "run", "--epochs", "7", cwd=trained)
    assert result.returncode == 2
    assert "holds a run with another epochs" in result.stderr


def test_without_the_extra_the_error_names_the_command(place: Path) -> None:
    hidden = "import sys; sys.modules['torch'] = sys.modules['yaml'] = None; from transhash.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", hidden, "train"], cwd=place, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert "pip install 'transhash[train]'" in result.stderr
