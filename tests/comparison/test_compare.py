"""A comparison of methods: what is run, kept, continued and written."""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tiny_cells import SMALL, cells
from transhash.codes import pack
from transhash.comparison import cells as matrix
from transhash.comparison import compare, tables
from transhash.comparison.run import run as run_cell
from transhash.comparison.tokens import Tokens
from transhash.data.datasets import load_dataset
from transhash.data.protocols import PROTOCOLS, split, validation_split
from transhash.errors import RecipeError
from transhash.evaluation import evaluate
from transhash.losses import METHODS
from transhash.progress import silent
from transhash.system import machine
from transhash.training.export import export_model
from transhash.training.loop import train


def test_a_cell_scores_as_training_and_encoding_by_hand_do(place: Path, tmp_path: Path) -> None:
    [cell] = cells(place)
    results = compare.compare([cell], tmp_path, jobs=1, progress=silent)
    trained = train(cell.recipe, tmp_path / "by hand")
    images = load_dataset("folder", place / "data")
    parts = split("folder", images)
    from transhash.nn.preprocessing import normalise

    x = normalise(images.images.decode(np.arange(len(images.labels)), 28))
    codes = pack(trained.network(x).detach().numpy())
    expected = evaluate(
        codes[parts.query], images.labels[parts.query], codes[parts.database], images.labels[parts.database]
    )
    assert results["cells"][0]["scores"]["map"] == pytest.approx(expected.map, abs=1e-6)
    assert not list((tmp_path / "runs").iterdir())


def test_with_all_blocks_a_cell_is_training_and_encoding_from_pictures(place: Path, tmp_path: Path) -> None:
    found = cells(place, "transhash,dch,lsh", blocks="all", centre_crop=0.9)
    results = compare.compare(found, tmp_path, jobs=0, progress=silent)
    assert [cell["method"] for cell in results["cells"]] == ["dch", "lsh", "transhash"]
    [cell] = [cell for cell in found if cell.method == "transhash"]
    assert cell.recipe.freeze == cell.recipe.cached_views == 0
    trained = train(cell.recipe, tmp_path / "by hand")
    images = load_dataset("folder", place / "data")
    parts = split("folder", images)
    model = export_model(trained.network, tmp_path / "model", "whole", {}, crop=0.9)
    codes = model.encode(images.images.sources)
    expected = evaluate(
        codes[parts.query], images.labels[parts.query], codes[parts.database], images.labels[parts.database]
    )
    assert results["cells"][2]["scores"]["map"] == pytest.approx(expected.map, abs=1e-6)
    assert not list((tmp_path / "runs").iterdir())
    [lsh] = compare.compare(cells(place, "lsh", centre_crop=0.9), tmp_path / "last", jobs=0, progress=silent)["cells"]
    assert lsh["scores"] == results["cells"][1]["scores"]  # fitted to the backbone's features either way


def test_without_a_method_that_reads_tokens_none_are_computed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tokens, "build", None)
    compare.compare(cells(place, blocks="all"), tmp_path, jobs=0, progress=silent)
    assert not list((tmp_path / "tokens").glob("all-*"))
    with pytest.raises(RecipeError, match="use last or all"):
        cells(place, blocks="some")


def test_a_peer_has_one_stream_or_two_or_a_cell_for_each(place: Path) -> None:
    found = cells(place, "transhash,transhash-single,csq,lsh", streams=(1, 2))
    assert [cell.method for cell in found] == ["transhash", "transhash-single", "csq", "csq-dual", "lsh"]
    assert [cell.recipe.groups for cell in found][:4] == [2, 0, 0, 2]
    assert {cell.recipe.method for cell in found[2:4]} == {"csq"}
    assert [cell.method for cell in cells(place, "csq", streams=(2,))] == ["csq-dual"]
    assert cells(place, "csq-dual")[0] == found[3]
    with pytest.raises(RecipeError, match="one stream or two"):
        cells(place, streams=(3,))


def test_no_cell_begins_after_the_time_that_there_is(place: Path, tmp_path: Path) -> None:
    wanted = cells(place, "lsh,itq,sh,bre", seeds=2)
    first = compare.compare(wanted, tmp_path, jobs=0, progress=silent, seconds=0)
    assert first["cells"] == []
    assert compare.read(tmp_path) == first
    assert (
        len(compare.compare(cells(place, "lsh,itq,sh,bre", seeds=2), tmp_path, jobs=0, progress=silent)["cells"]) == 8
    )


def test_results_are_whole_after_every_cell(place: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    count = lambda result: seen.append(len(compare.read(tmp_path)["cells"]))  # noqa: E731
    compare.compare(cells(place, "lsh,itq,sh"), tmp_path, jobs=0, progress=silent, report=count)
    assert seen == [1, 2, 3]


def test_workers_have_the_gpus_in_turn() -> None:
    assert [compare.one_of("", 2, number) for number in range(3)] == ["0", "1", "0"]
    assert [compare.one_of("3,5", 2, number) for number in range(3)] == ["3", "5", "3"]


def test_what_is_done_is_not_run_again_and_a_larger_matrix_adds_to_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    compare.compare(cells(place), tmp_path, jobs=0, progress=silent, report=told.append)
    assert len(told) == 1
    monkeypatch.setattr(Tokens, "build", None)
    again = compare.compare(cells(place), tmp_path, jobs=0, progress=silent, report=told.append)
    assert len(told) == 1
    monkeypatch.undo()
    both = compare.compare(cells(place, "lsh"), tmp_path, jobs=0, progress=silent, report=told.append)
    assert [result["method"] for result in told] == ["transhash", "lsh"]
    assert [cell["method"] for cell in both["cells"]] == ["lsh", "transhash"]
    assert again["cells"] == [cell for cell in both["cells"] if cell["method"] == "transhash"]
    assert compare.read(tmp_path) == both
    other = compare.compare(cells(place, epochs=1), tmp_path, jobs=0, progress=silent, report=told.append)
    assert len(told) == 3
    assert [cell["method"] for cell in other["cells"]] == ["lsh", "transhash"], "the new settings take the place"


def test_of_a_method_with_several_settings_the_newest_counts(place: Path, tmp_path: Path) -> None:
    for settings in ({}, {"epochs": 3}):
        compare.compare(cells(place, **settings), tmp_path, jobs=0, progress=silent)
    results = compare.compare(cells(place, "lsh"), tmp_path, jobs=0, progress=silent)
    assert [cell["recipe"]["epochs"] for cell in results["cells"] if cell["method"] == "transhash"] == [3]
    assert len(list((tmp_path / "cells").iterdir())) == 3


def _other_pictures(place: Path) -> None:
    for number, path in enumerate(sorted((place / "data").rglob("*.png"))):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (32, 40, 3), dtype=np.uint8)).save(path)


def _other_labels(place: Path) -> None:
    red, blue = place / "data" / "red", place / "data" / "blue"
    for number in range(0, 14, 2):
        (red / f"{number:02d}.png").rename(place / "held")
        (blue / f"{number:02d}.png").rename(red / f"{number:02d}.png")
        (place / "held").rename(blue / f"{number:02d}.png")


def _other_backbone(place: Path) -> None:
    state = {name: torch.randn_like(value) for name, value in load_file(place / "vit.safetensors").items()}
    save_file(state, place / "vit.safetensors", {"num_attention_heads": "1"})


@pytest.mark.parametrize("happens", [_other_pictures, _other_labels, _other_backbone])
def test_results_and_tokens_are_of_the_content_that_is_there_now(happens, place: Path, tmp_path: Path) -> None:
    """Names, numbers and the split stay the same."""
    there = tmp_path / "place"
    shutil.copytree(place / "data", there / "data")
    shutil.copyfile(place / "vit.safetensors", there / "vit.safetensors")
    wanted = cells(there, "itq")
    compare.compare(wanted, tmp_path / "out", tokens=tmp_path / "tokens", jobs=0, progress=silent)
    happens(there)
    again = compare.compare(wanted, tmp_path / "out", tokens=tmp_path / "tokens", jobs=0, progress=silent)
    fresh = compare.compare(wanted, tmp_path / "fresh", jobs=0, progress=silent)
    assert [cell["scores"] for cell in again["cells"]] == [cell["scores"] for cell in fresh["cells"]]


def test_a_result_tells_the_machine_and_the_precision_that_it_comes_from(place: Path, tmp_path: Path) -> None:
    half = {"precision": "bfloat16", "epochs": 1}
    for settings in ({"epochs": 1}, half):
        results = compare.compare(cells(place, **settings), tmp_path, jobs=0, progress=silent)
    [cell] = results["cells"]
    assert cell["precision"] == "torch.bfloat16"
    assert cell["machine"] == machine()
    assert cell["device"] == "cpu"
    assert "machine" not in {name for name in results if name != "cells"}


def test_results_alone_are_enough_to_go_on_from(place: Path, tmp_path: Path) -> None:
    told: list[Any] = []
    first = compare.compare(cells(place, "lsh,itq"), tmp_path, jobs=0, progress=silent)
    shutil.rmtree(tmp_path / "cells")
    second = compare.compare(cells(place, "lsh,itq,sh"), tmp_path, jobs=0, progress=silent, report=told.append)
    assert [result["method"] for result in told] == ["sh"]
    assert [cell for cell in second["cells"] if cell["method"] != "sh"] == first["cells"]


@pytest.mark.parametrize("part", ["tokens", "features", "views"])
def test_lost_tokens_are_computed_again(place: Path, tmp_path: Path, part: str) -> None:
    first = compare.compare(cells(place, "transhash,itq"), tmp_path, jobs=0, progress=silent)
    pattern = "views-*/*.npy" if part == "views" else f"all-*/{part}-*.npy"
    for path in (tmp_path / "tokens").glob(pattern):
        path.unlink()
    shutil.rmtree(tmp_path / "cells")
    (tmp_path / "results.json").unlink()
    second = compare.compare(cells(place, "transhash,itq"), tmp_path, jobs=0, progress=silent)
    for one, other in zip(first["cells"], second["cells"], strict=True):
        assert one["scores"] == other["scores"]


def test_every_named_method_runs(place: Path, tmp_path: Path) -> None:
    wanted = cells(place, "all", epochs=1)
    results = compare.compare(wanted, tmp_path, jobs=0, progress=silent)
    assert {cell["method"] for cell in results["cells"]} == set(matrix.ALL)
    for cell in results["cells"]:
        assert 0 < cell["scores"]["map"] <= 1


def test_validation_scores_held_out_training_images_only(place: Path, tmp_path: Path) -> None:
    [result] = compare.compare(cells(place, validation=0.4), tmp_path, jobs=0, progress=silent)["cells"]
    scores = result["scores"]
    training = len(split("folder", load_dataset("folder", place / "data")).train)
    assert 0 < scores["queries"] + scores["database"] < training / 2


def test_validation_cuts_the_ranking_at_the_share_of_the_protocol(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [cell] = cells(place, "lsh", validation=0.4)
    prepared, _ = compare.prepare(cell.recipe, tmp_path)
    prepared.tokens.build(cell.recipe, prepared.images, silent)
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


def test_a_recipe_file_is_a_method_of_its_own_name(place: Path, tmp_path: Path) -> None:
    text = "\n".join(f"{name}: {value}" for name, value in SMALL.items())
    (tmp_path / "mine.yaml").write_text(f"validation: 0\n{text}\nfreeze: 2\nloss:\n  gamma: 7\n")
    [cell] = cells(place, str(tmp_path / "mine.yaml"))
    assert (cell.method, cell.recipe.loss, cell.bits) == ("mine", {"gamma": 7}, 16)
    [cell] = cells(place, str(tmp_path / "mine.yaml"), compile="off", epochs=7)
    assert (cell.recipe.compile, cell.recipe.epochs) == ("off", 2), "of the changes only those of the machine"
    (tmp_path / "mine.yaml").write_text("freeze: 0\n")
    with pytest.raises(RecipeError, match="freeze and cached_views"):
        cells(place, str(tmp_path / "mine.yaml"))


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
    prepared, _ = compare.prepare(cell.recipe, tmp_path / "tokens")
    compare.compare([cell], tmp_path, jobs=0, progress=silent)
    [folder] = (tmp_path / "tokens").glob("views-*")
    path, rows = folder / "features.npy", prepared.split.train
    features = np.load(path)
    assert features.shape == (2, len(rows), 64)
    still, _ = cells(place, "crovca-unsupervised,lsh", crop_scale=1, crop_ratio=1, flip=False, jitter=0)
    compare.compare([still], tmp_path / "still", jobs=0, progress=silent)
    [unchanged] = (tmp_path / "still" / "tokens").glob("views-*/features.npy")
    own = prepared.tokens.features()[prepared.places(rows)]
    np.testing.assert_allclose(np.load(unchanged), np.stack([own, own]), atol=2e-3)

    used, held_out = validation_split(rows, prepared.images.labels, 0.4, seed=0)
    first = run_cell(cell, prepared, folder, tmp_path)["scores"]
    features[:, np.searchsorted(rows, held_out)] = 99
    np.save(path, features)
    assert run_cell(cell, prepared, folder, tmp_path)["scores"] == first
    features[:, np.searchsorted(rows, used)] += np.random.default_rng(0).standard_normal((len(used), 64)) * 9
    np.save(path, features)
    assert run_cell(cell, prepared, folder, tmp_path)["scores"] != first


def test_an_unknown_method_is_named(place: Path) -> None:
    with pytest.raises(RecipeError, match=r"'nohash'.*transhash-sigmoid"):
        cells(place, "nohash")


def test_a_method_that_the_labels_do_not_suit_is_told_or_left_out(place: Path) -> None:
    images = load_dataset("folder", place / "data")
    several = replace(images, labels=np.eye(2, dtype=np.uint8)[images.labels])
    prepared = compare.Prepared(several, split("folder", images), Tokens(place, np.arange(1)), place)
    greedy, plain = cells(place, "greedyhash,transhash")
    with pytest.raises(RecipeError, match="one class each"):
        compare.is_defined(greedy, prepared, None)
    told: list[str] = []
    assert not compare.is_defined(greedy, prepared, lambda cell, reason: told.append(f"{cell.method}: {reason}"))
    assert told[0].startswith("greedyhash: GreedyHash is defined for images with one class each")
    assert compare.is_defined(plain, prepared, None)


def test_keys_tell_cells_apart_and_do_not_depend_on_places(place: Path) -> None:
    one, other = cells(place, seeds=2)
    facts = {"split_sha256": "a"}
    moved = matrix.Cell(one.method, one.bits, one.seed, one.recipe.model_copy(update={"data": Path("elsewhere")}))
    assert one.key(facts) == moved.key(facts)
    assert len({one.key(facts), other.key(facts), one.key({"split_sha256": "b"})}) == 3


def test_a_method_that_is_normalised_since_has_another_key_than_before(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = cells(place, "orthohash,csq")
    now = [cell.key({}) for cell in both]
    monkeypatch.setattr(METHODS["orthohash"], "normalised", False)
    assert [cell.key({}) == key for cell, key in zip(both, now, strict=True)] == [False, True]


def results(**scores: list[float]) -> dict[str, Any]:
    made = [
        {
            "method": method, "bits": 16, "seed": seed, "seconds": {"train": 1.0, "encode": 2.0},
            "scores": {
                "map": value, "map_conventional": value, "map_skipping": value, "precision_radius_2": value,
                "recall_radius_2": value, "topk": 1000,
            },
        }
        for method, values in scores.items()
        for seed, value in enumerate(values)
    ]  # fmt: skip
    return {"dataset": "d", "protocol": "p", "cells": made}


def test_tables_have_means_and_deviations_and_the_best_in_bold() -> None:
    found = results(transhash=[0.8, 0.9], mine=[0.95, 0.97], lsh=[0.5])
    deviation = f"{statistics.stdev([0.8, 0.9]):.4f}".removeprefix("0")
    lines = tables.markdown(found).splitlines()
    assert "mAP@1,000" in lines[0]
    assert lines[2:] == ["| mine | .9600 ± .0141 |", f"| transhash | .8500 ± {deviation} |", "| lsh | .5000 |"]
    del found["cells"][-1]
    found["cells"][1]["scores"]["map"] = 0.82
    assert tables.markdown(found).splitlines()[2] == "| mine | **.9600 ± .0141** |"
    assert r"mine & \textbf{.9600 $\pm$ .0141} \\" in tables.latex(found)
    assert tables.comma_separated(found).splitlines()[1] == "transhash,16,0,0.8,0.8,0.8,0.8,0.8,1.0,2.0"


@pytest.mark.parametrize(("mine", "is_bold"), [([0.86, 0.88], True), ([0.82, 0.88], False), ([0.87], False)])
def test_a_lead_of_less_than_two_deviations_is_not_bold(mine: list[float], is_bold: bool) -> None:
    assert ("**" in tables.markdown(results(transhash=[0.83, 0.84], mine=mine))) == is_bold


def test_a_mean_of_one_keeps_its_one() -> None:
    assert "| 1.0000 |" in tables.markdown(results(transhash=[1.0]))


def test_results_are_json_with_everything_a_reader_needs(place: Path, tmp_path: Path) -> None:
    compare.compare(cells(place), tmp_path, jobs=0, progress=silent)
    whole = json.loads((tmp_path / "results.json").read_text())
    assert {"split_sha256", "backbone_sha256", "packages"} <= set(whole)
    assert whole["packages"]["torch"]
    [cell] = whole["cells"]
    assert cell["machine"]  # cells of one comparison may come from several
    assert cell["precision"] in {"torch.float32", "torch.bfloat16"}
    assert cell["recipe"]["loss"] == {}
    assert str(tmp_path.parent) not in json.dumps(whole)
