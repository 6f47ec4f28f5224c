"""What a cell learns from and is scored on: the right images, and labels only for methods that have them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiny_cells import cells
from transhash.comparison import cells as matrix
from transhash.comparison import compare
from transhash.comparison import run as run_module
from transhash.comparison.run import prepare
from transhash.comparison.run import run as run_cell
from transhash.data.datasets import load_dataset
from transhash.data.protocols import PROTOCOLS, split, validation_split
from transhash.progress import silent


def test_validation_scores_held_out_training_images_only(place: Path, tmp_path: Path) -> None:
    [result] = compare.compare(cells(place, validation=0.4), tmp_path, jobs=0, progress=silent)["cells"]
    scores = result["scores"]
    training = len(split("folder", load_dataset("folder", place / "data")).train)
    assert 0 < scores["queries"] + scores["database"] < training / 2


def test_every_figure_is_that_of_both_halves(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []

    def half(*codes: Any, **how: Any) -> Any:
        share = 1 / (1 + len(found))  # as colours are told apart without a fault
        whole = evaluate(*codes, **how)
        curve = whole.precision_by_radius * share
        found.append(
            replace(whole, map=share, map_conventional=share, precision_at={1: share}, precision_by_radius=curve)
        )
        return found[-1]

    evaluate = run_module.evaluate
    monkeypatch.setattr(run_module, "evaluate", half)
    [cell] = cells(place, "lsh", validation=0.4)
    prepared = prepare(cell.recipe, tmp_path)
    prepared.tokens(cell.recipe).build(cell.recipe, prepared.images, silent)
    scores = run_cell(cell, prepared, tmp_path, tmp_path)["scores"]
    there, back = found
    for name in ("map", "map_conventional", "map_skipping", "precision_radius_2", "recall_radius_2"):
        assert scores[name] == (getattr(there, name) + getattr(back, name)) / 2
    curves = (there.precision_by_radius + back.precision_by_radius) / 2
    np.testing.assert_allclose(scores["precision_by_radius"], curves, atol=1e-6)
    assert scores["precision_at"]["1"] == pytest.approx((there.precision_at[1] + back.precision_at[1]) / 2)
    assert (scores["queries"], scores["database"]) == (there.queries, there.database)


def test_validation_cuts_the_ranking_at_the_share_of_the_protocol(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [cell] = cells(place, "lsh", validation=0.4)
    prepared = prepare(cell.recipe, tmp_path)
    prepared.tokens(cell.recipe).build(cell.recipe, prepared.images, silent)
    searched = len(prepared.split.database)
    monkeypatch.setitem(PROTOCOLS, "folder", replace(PROTOCOLS["folder"], topk=searched // 2))
    scores = run_cell(cell, prepared, tmp_path, tmp_path)["scores"]
    assert scores["topk"] == round(searched // 2 * scores["database"] / searched) > 0


def test_views_are_of_all_training_images_and_those_held_out_do_not_train(place: Path, tmp_path: Path) -> None:
    compare.compare(cells(place), tmp_path, jobs=0, progress=silent)
    [folder] = (tmp_path / "tokens").glob("views-*")
    images = load_dataset("folder", place / "data")
    rows = split("folder", images).train
    used, held_out = validation_split(rows, images.labels, 0.4, seed=0)

    def trained_without(rows_without_views: np.ndarray) -> Any:
        for path in folder.iterdir():
            views = np.load(path)
            views[np.searchsorted(rows, rows_without_views)] = 0
            np.save(path, views)
        [result] = compare.compare(cells(place, validation=0.4), tmp_path, jobs=0, progress=silent)["cells"]
        shutil.rmtree(tmp_path / "cells")
        (tmp_path / "results.json").unlink()
        return result["history"]

    history = trained_without(held_out)
    assert trained_without(held_out[:0]) == history
    assert trained_without(used[:1]) != history
    assert len(list((tmp_path / "tokens").glob("views-*"))) == 1


def test_methods_without_labels_are_one_word_and_get_none(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = cells(place, "unsupervised,ksh")
    assert [cell.method for cell in found] == [*matrix.GROUPS["unsupervised"], "ksh"]
    given: dict[str, bool] = {}

    def seen(name: str, method: Any) -> Any:
        def fit(features: np.ndarray, labels: Any, bits: int, *, seed: int) -> Any:
            given[name] = labels is not None
            return method(features, labels, bits, seed=seed)

        return fit

    for name, method in matrix.FEATURES.items():  # a probe has no place for labels
        monkeypatch.setitem(matrix.FEATURES, name, seen(name, method))
    compare.compare(found, tmp_path, jobs=0, progress=silent)
    assert given == {cell.method: cell.method == "ksh" for cell in found if cell.method in matrix.FEATURES}


def test_a_probe_learns_from_the_features_of_the_views_of_its_training_images(place: Path, tmp_path: Path) -> None:
    [cell] = cells(place, "crovca-unsupervised", validation=0.4)
    prepared = prepare(cell.recipe, tmp_path / "tokens")
    compare.compare([cell], tmp_path, jobs=0, progress=silent)
    [folder] = (tmp_path / "tokens").glob("views-*")
    path, rows = folder / "features.npy", prepared.split.train
    features = np.load(path)
    assert features.shape == (2, len(rows), 64)
    still, _ = cells(place, "crovca-unsupervised,lsh", crop_scale=1, crop_ratio=1, flip=False, jitter=0)
    compare.compare([still], tmp_path / "still", jobs=0, progress=silent)
    [unchanged] = (tmp_path / "still" / "tokens").glob("views-*/features.npy")
    own = prepared.tokens(cell.recipe).features()[prepared.places(rows)]
    np.testing.assert_allclose(np.load(unchanged), np.stack([own, own]), atol=2e-3)

    used, held_out = validation_split(rows, prepared.images.labels, 0.4, seed=0)
    first = run_cell(cell, prepared, folder, tmp_path)["scores"]
    features[:, np.searchsorted(rows, held_out)] = 99
    np.save(path, features)
    assert run_cell(cell, prepared, folder, tmp_path)["scores"] == first
    features[:, np.searchsorted(rows, used)] += np.random.default_rng(0).standard_normal((len(used), 64)) * 9
    np.save(path, features)
    assert run_cell(cell, prepared, folder, tmp_path)["scores"] != first
