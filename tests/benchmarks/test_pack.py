"""Class folders packed into Parquet are the same data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.photographs import pack
from tiny_run import recipe
from transhash.data.datasets import load_dataset
from transhash.errors import DataError
from transhash.training.loop import train
from transhash.training.recipe import Recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "box-gpu.yaml"


@pytest.fixture
def packed(place: Path, tmp_path: Path) -> Path:
    pack.main([str(place / "data"), "--to", str(tmp_path / "packed"), "--side", "64", "--file-bytes", "8000"])
    return tmp_path / "packed"


def test_packed_pictures_have_their_labels_and_class_names(place: Path, packed: Path) -> None:
    before, after = load_dataset("folder", place / "data"), load_dataset("folder", packed)
    assert after.classes == ("data/blue", "data/red")
    assert np.bincount(after.labels).tolist() == np.bincount(before.labels).tolist()
    files = sorted(packed.glob("*.parquet"))
    assert len(files) > 2
    pixels = after.images.decode(np.arange(len(after.labels)), 28).mean(axis=(1, 2))
    assert (pixels[:, 2] > pixels[:, 0]).tolist() == (after.labels == 0).tolist()  # blue ones are blue


def test_large_pictures_become_smaller_and_small_jpegs_stay_as_they_are(tmp_path: Path) -> None:
    for name, size in {"large": (300, 200), "small": (30, 20)}.items():
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("RGB", size, (10, 200, 30)).save(tmp_path / "set" / name / "a.jpg")
    assert pack.packed(tmp_path / "set" / "small" / "a.jpg", 100, 90) == (tmp_path / "set/small/a.jpg").read_bytes()
    found = pack.packed(tmp_path / "set" / "large" / "a.jpg", 100, 90)
    assert isinstance(found, bytes)
    (tmp_path / "b.jpg").write_bytes(found)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.size == (150, 100)


def test_a_folder_with_something_in_it_is_refused(place: Path, packed: Path) -> None:
    with pytest.raises(DataError, match="choose another --to"):
        pack.main([str(place / "data"), "--to", str(packed)])


@pytest.mark.parametrize("cores", [False, True], ids=["all blocks", "two cores"])
def test_the_recipe_of_the_box_trains_on_packed_data(cores: bool, place: Path, packed: Path, tmp_path: Path) -> None:
    small = {"data": packed, "backbone": recipe(place).backbone, "image_size": 28, "batch_size": 8, "epochs": 2}
    smaller = {"freeze": 2, "cached_views": 2} if cores else {}
    wanted = Recipe.read(RECIPE, **small, **smaller, lengths=(16, 64), validation=0.3, device="cpu")
    trained = train(wanted, tmp_path / "run")
    assert trained.network.config.code_lengths == (16, 64)
    assert 0 <= trained.history[-1]["map"] <= 1
