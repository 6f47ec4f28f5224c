"""Measuring and calibrating a model on images that it was not trained on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinds import draw
from tiny_run import recipe
from transhash.comparison import measure
from transhash.data.datasets import load_dataset
from transhash.data.protocols import split
from transhash.data.sets import Images
from transhash.data.trained import trained_rows
from transhash.errors import DataError
from transhash.library import Library
from transhash.model import HashModel
from transhash.model.fitted import cosines, embedding
from transhash.model.likeness import fit, of_embeddings
from transhash.nn.tables import UnsafeStepsError
from transhash.training import export
from transhash.training.calibrate import calibrate, left_over
from transhash.training.loop import Trained, train
from transhash.training.ship import ship


@pytest.fixture(scope="module")
def run(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(recipe(place, split_seed=3, validation=0.2, epochs=1), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def model(run: Trained, tmp_path_factory: pytest.TempPathFactory) -> HashModel:
    return ship(run, tmp_path_factory.mktemp("model"), "tiny")


def test_the_rows_that_a_model_was_trained_on_are_found_again(run: Trained, model: HashModel) -> None:
    np.testing.assert_array_equal(trained_rows(model.config["about"], run.images), np.sort(run.seen))


def test_on_its_own_data_a_model_is_measured_under_its_own_split(place: Path, model: HashModel) -> None:
    own = measure(model, "folder", place / "data")
    assert own.split_seed == 3
    assert own.notes == ()


def test_queries_that_a_model_was_trained_on_are_counted(place: Path, run: Trained, model: HashModel) -> None:
    other = measure(model, "folder", place / "data", split_seed=5)
    queries = split("folder", run.images, seed=5).query
    count = np.isin(queries, run.seen).sum()
    assert count
    [note] = other.notes
    assert f"trained on {count} of the {len(queries)} queries" in note
    assert "--split-seed 3" in note


def test_a_set_that_has_changed_is_not_taken_for_the_one_that_a_model_was_trained_on(
    place: Path, model: HashModel, tmp_path: Path
) -> None:
    """Its split is another one, and which of its queries were trained on is not known."""
    shutil.copytree(place / "data", tmp_path / "grown")
    shutil.copy(tmp_path / "grown/red/00.png", tmp_path / "grown/red/99.png")
    shutil.copytree(place / "data", tmp_path / "other")
    for file in (tmp_path / "other").rglob("*.png"):
        Image.open(file).rotate(90, expand=True).save(file)
    shutil.copytree(tmp_path / "other", tmp_path / "wider")
    shutil.copytree(tmp_path / "wider" / "red", tmp_path / "wider" / "green")
    for name in ("grown", "other", "wider"):
        [note] = measure(model, "folder", tmp_path / name).notes
        assert "not the pictures that this model was trained on" in note
        images, rows = left_over(model, "folder", tmp_path / name)
        assert len(rows) == len(split("folder", images).database)  # and what is new can be calibrated on
    for file in ("red", "blue"):
        (tmp_path / "other" / file).rename(tmp_path / "other" / f"dark {file}")
    assert measure(model, "folder", tmp_path / "other").notes == ()  # another set altogether


def test_a_picture_held_out_that_cannot_be_used_ends_no_run_without_its_model(run: Trained, tmp_path: Path) -> None:
    sources = list(run.images.images.sources)
    sources[run.held_out[0]] = b""
    said: list[str] = []
    broken = replace(run, images=replace(run.images, images=Images(sources)))
    model = ship(broken, tmp_path / "model", "tiny", say=said.append)
    assert model.calibration is None
    assert "gives no probabilities" in said[-1]
    assert [error.reason for error in broken.images.images.unusable()] == ["empty file"]


def test_a_model_is_calibrated_on_what_it_was_not_trained_on(place: Path, run: Trained, model: HashModel) -> None:
    images, rows = left_over(model, "folder", place / "data")
    assert not np.isin(rows, run.seen).any()
    assert not np.isin(rows, split("folder", images, seed=3).query).any()
    found = calibrate(model, images, rows)
    assert found.distances[16].pairs == len(rows) * (len(rows) - 1) // 2
    assert found.likeness.pairs == len(rows) * (len(rows) - 1)  # fewer than are shown: each with all others


def test_a_trained_model_keeps_probabilities_when_a_library_fits_its_codes(model: HashModel, tmp_path: Path) -> None:
    paths = draw(tmp_path / "photos", 300)
    assert model.calibration is not None
    with Library.create(tmp_path / "library", model) as library:
        assert library.index(tmp_path / "photos").fitted == 300
        hits = library.search(paths[3], k=5, min_probability=0.001)
    assert hits[0].path == paths[3]
    assert all(hit.probability is not None for hit in hits)


def test_where_all_of_the_nearest_are_relevant_the_curve_still_falls() -> None:
    random = np.random.default_rng(0)
    kinds = np.repeat(np.arange(4), 150)
    kept = embedding(random.normal(size=(4, 64))[kinds] + 0.2 * random.normal(size=(600, 64)))
    found = of_embeddings(kept, kinds[:, None] == kinds[None], "made")
    assert found.probability(0.95) > 0.95
    assert found.probability(0.3) < 0.05


def test_the_curve_of_cosines_is_that_of_the_pairs_that_a_search_shows() -> None:
    random = np.random.default_rng(1)
    kinds = random.integers(0, 5, 90)
    kept = embedding(random.normal(size=(5, 16))[kinds] + random.normal(size=(90, 16)))
    shown, relevant = [], []
    for one in range(90):  # by loops
        others = [other for other in range(90) if other != one]
        cosine = {other: float(cosines(kept[one], kept[other : other + 1])[0]) for other in others}
        nearest = sorted(others, key=lambda other: -cosine[other])
        for other in nearest[: max(50, 2 * sum(kinds[other] == kinds[one] for other in others))]:
            shown.append(cosine[other])
            relevant.append(kinds[other] == kinds[one])
    expected = fit([np.array(shown)], [np.array(relevant)], "made")
    found = of_embeddings(kept, kinds[:, None] == kinds[None], "made")
    assert (found.pairs, found.data) == (expected.pairs, "made")
    assert (found.slope, found.offset) == pytest.approx((expected.slope, expected.offset), rel=1e-3)


def test_on_other_data_of_the_same_kind_nothing_is_left_out(place: Path, model: HashModel, tmp_path: Path) -> None:
    for name in ("green", "yellow"):
        shutil.copytree(place / "data" / "red", tmp_path / name)
    images, rows = left_over(model, "folder", tmp_path)
    np.testing.assert_array_equal(rows, split("folder", images).database)


def test_nothing_left_to_calibrate_on_is_said_before_anything_is_encoded(
    place: Path, run: Trained, model: HashModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(model.config["about"]["recipe"], "validation", 0.0)
    with pytest.raises(DataError, match=r"0 images are left.*validation=0.1"):
        left_over(model, "folder", place / "data")


def test_images_of_one_class_are_not_enough(place: Path, model: HashModel, tmp_path: Path) -> None:
    shutil.copytree(place / "data" / "red", tmp_path / "red")
    (tmp_path / "one").mkdir()
    shutil.copyfile(place / "data" / "blue" / "00.png", tmp_path / "one" / "00.png")
    shutil.copyfile(place / "data" / "blue" / "01.png", tmp_path / "one" / "01.png")
    images, rows = left_over(model, "folder", tmp_path)
    single = rows[load_dataset("folder", tmp_path).labels[rows] == 1]
    with pytest.raises(DataError, match=r"all pairs .* are relevant"):
        calibrate(model, images, single)


def test_a_network_whose_values_do_not_fit_into_8_bits_still_becomes_a_model(
    run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsafe(*_: object) -> None:
        raise UnsafeStepsError("no scale near 0.001 is safe for GELU")

    monkeypatch.setattr(export, "prepare", unsafe)
    said: list[str] = []
    model = ship(run, tmp_path / "model", "tiny", say=said.append)
    [sentence] = said
    assert "float32" in sentence
    assert model.encode([run.images.images.sources[0]]).shape == (1, 2)
