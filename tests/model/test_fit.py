"""Models that `transhash fit` makes: what of the base they keep, and what their library then does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.photographs.box import shipping
from kinds import LIKENESS
from transhash import Library
from transhash.errors import ModelError
from transhash.model import HashModel
from transhash.model.calibration import Calibration
from transhash.model.directory import EMBEDDING, HEAD, file_hash, read_config, write_config
from transhash.model.fit import fit
from transhash.model.fitted import fit_head
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig
from transhash.training.export import export_model

SHAPE = ViTConfig(image_size=28, patch_size=7, dim=32, depth=2, heads=4, mlp_dim=48)
LENGTHS, VALUES = (16, 32), 24
DISTANCES = Calibration(0.9, 6.0, 3.0, 1000, "a test")


def pictures(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, 28, 28, 3), dtype=np.uint8)


def made(folder: Path) -> HashModel:
    torch.manual_seed(0)
    network = MGVT(HashConfig(SHAPE, 32, 2, lengths=LENGTHS))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return export_model(network.eval(), folder, "base", {})


@pytest.fixture
def plain(tmp_path: Path) -> HashModel:
    """A trained model: its embeddings are its relaxed codes."""
    model = made(tmp_path / "plain")
    model.calibrate(dict.fromkeys(LENGTHS, DISTANCES), LIKENESS)
    return model


@pytest.fixture
def base(tmp_path: Path) -> HashModel:
    """A model with embeddings of its own, as the one in the box has them."""
    folder = made(tmp_path / "base").folder
    linear = np.random.default_rng(0).normal(size=(97, VALUES)).astype(np.float32)
    np.save(folder / EMBEDDING, linear)
    signs = np.random.default_rng(1).normal(size=(VALUES + 1, sum(LENGTHS)))
    shipping.keep(folder, shipping.Layers.rounded(np.empty((VALUES + 1, 0)), signs))
    model = HashModel(folder)
    model.calibrate(dict.fromkeys(LENGTHS, DISTANCES), LIKENESS)
    return model


def embeddings(model: HashModel, squares: np.ndarray) -> np.ndarray:
    return model.read_embeddings(squares)[1]


def test_a_fitted_model_has_the_embeddings_of_its_base_and_what_they_say(base: HashModel, tmp_path: Path) -> None:
    mine = fit(base, list(pictures(60)), 8, tmp_path / "mine")
    assert (mine.bits, mine.lengths, mine.embedding_values) == (8, (8,), VALUES)
    np.testing.assert_array_equal(embeddings(mine, pictures(9)), embeddings(base, pictures(9)))
    assert mine.likeness == base.likeness == LIKENESS
    assert mine.calibration is None  # its codes are others
    assert mine.fingerprint not in {base.fingerprint, base.at(16).fingerprint}


def test_its_codes_are_those_that_a_library_of_these_pictures_would_have(base: HashModel, tmp_path: Path) -> None:
    squares = pictures(60)
    head = fit_head(embeddings(base, squares), 16)
    mine = fit(base, list(squares), 16, tmp_path / "mine")
    np.testing.assert_array_equal(mine.encode(squares), head.codes(embeddings(base, squares)))
    np.testing.assert_array_equal(HashModel(mine.folder).encode(squares), mine.encode(squares))
    np.testing.assert_array_equal(base.fitted(head).encode(squares), mine.encode(squares))


def test_a_fitted_model_can_be_fitted_to_others_again(base: HashModel, tmp_path: Path) -> None:
    first = fit(base, list(pictures(60)), 16, tmp_path / "first")
    again = fit(first, list(pictures(60, seed=5)), 8, tmp_path / "again")
    assert (again.bits, again.likeness) == (8, LIKENESS)
    np.testing.assert_array_equal(embeddings(again, pictures(9)), embeddings(base, pictures(9)))


def test_embeddings_that_are_relaxed_codes_are_others_after_fitting_and_so_is_what_they_say(
    plain: HashModel, tmp_path: Path
) -> None:
    mine = fit(plain, list(pictures(60)), 16, tmp_path / "mine")
    assert mine.embedding_values == 16 != plain.embedding_values
    assert (mine.likeness, mine.calibration) == (None, None)


def test_more_bits_than_an_embedding_has_values_come_from_features(base: HashModel, tmp_path: Path) -> None:
    mine = fit(base, list(pictures(60)), 32, tmp_path / "mine")
    assert (mine.bits, mine.embedding_values, mine.likeness) == (32, 32, None)
    assert mine.encode(pictures(3)).shape == (3, 4)


def test_hash_layers_of_another_number_of_values_are_refused(base: HashModel, tmp_path: Path) -> None:
    mine = fit(base, list(pictures(60)), 8, tmp_path / "mine")
    np.save(mine.folder / HEAD, np.zeros((VALUES, 8), np.int64))
    config = read_config(mine.folder)
    config["sha256"][HEAD] = file_hash(mine.folder / HEAD)
    write_config(mine.folder, config)
    with pytest.raises(ModelError, match="not a linear map"):
        HashModel(mine.folder)


def test_a_library_leaves_the_codes_of_a_fitted_model_as_they_are_and_orders_by_its_embeddings(
    base: HashModel, tmp_path: Path
) -> None:
    squares = pictures(300)
    (tmp_path / "photos").mkdir()
    for number, pixels in enumerate(squares):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number:03d}.png")
    mine = fit(base, list(squares[:60]), 16, tmp_path / "mine")
    with Library.create(tmp_path / "library", mine) as library:
        assert library.index(tmp_path / "photos").fitted == 0
        assert (library.fingerprint, library.fitted_to) == (mine.fingerprint, 0)
    with Library.create(tmp_path / "other", base.at(16)) as other, Library.open(tmp_path / "library") as library:
        assert other.index(tmp_path / "photos").fitted == 300
        query = tmp_path / "photos" / "007.png"
        hits, expected = (each.search(query, 20, min_probability=0.01) for each in (library, other))
        assert [(hit.path, hit.probability) for hit in hits] == [(hit.path, hit.probability) for hit in expected]
        assert library.fit() == library.fitted_to == 300  # on purpose, it is
