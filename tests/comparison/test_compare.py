"""A comparison of methods: what is run, kept, continued and written."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tiny_cells import cells
from transhash.codes import pack
from transhash.comparison import cells as matrix
from transhash.comparison import compare, kept, processes
from transhash.comparison.run import prepare
from transhash.comparison.tokens import Tokens
from transhash.data.datasets import load_dataset
from transhash.data.protocols import split
from transhash.errors import RecipeError
from transhash.evaluation import evaluate
from transhash.nn.mgvt import MGVT
from transhash.nn.preprocessing import normalise
from transhash.progress import silent
from transhash.system import machine
from transhash.training.export import export_model
from transhash.training.loop import train


def test_a_cell_scores_as_training_and_encoding_by_hand_do(place: Path, tmp_path: Path) -> None:
    [cell] = cells(place)
    results = compare.compare([cell], tmp_path, jobs=1, progress=silent)
    trained = train(cell.recipe, tmp_path / "by hand")
    expected = map_of(pack(relaxed_of(trained.network, place)), place)
    assert results["cells"][0]["scores"]["map"] == pytest.approx(expected, abs=1e-6)
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


@pytest.mark.parametrize("blocks", ["last", "all"])
def test_of_a_network_with_several_lengths_each_cell_is_scored_on_its_own(
    blocks: str, place: Path, tmp_path: Path
) -> None:
    """A cell is what training and encoding by hand give, of the length that it is of."""
    for bits in (16, 32):
        [cell] = cells(place, bits=bits, lengths=(16, 32), blocks=blocks, epochs=1)
        [result] = compare.compare([cell], tmp_path / str(bits), jobs=0, progress=silent)["cells"]
        network = train(cell.recipe, tmp_path / f"by hand {bits}").network
        values = relaxed_of(network, place)
        assert values.shape == (28, 48)
        codes = pack(values[:, :16] if bits == 16 else values[:, 16:])
        assert result["scores"]["map"] == pytest.approx(map_of(codes, place), abs=1e-6)


def relaxed_of(network: MGVT, place: Path) -> np.ndarray:
    pictures = load_dataset("folder", place / "data").images.decode(np.arange(28), 28)
    return network(normalise(torch.from_numpy(pictures))).detach().numpy()


def map_of(codes: np.ndarray, place: Path) -> float:
    images = load_dataset("folder", place / "data")
    query, database = split("folder", images).query, split("folder", images).database
    return evaluate(codes[query], images.labels[query], codes[database], images.labels[database]).map


def test_without_a_method_that_reads_tokens_none_are_computed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tokens, "build", None)
    compare.compare(cells(place, blocks="all"), tmp_path, jobs=0, progress=silent)
    assert not list((tmp_path / "tokens").glob("all-*"))
    with pytest.raises(RecipeError, match="use last or all"):
        cells(place, blocks="some")


def test_no_cell_begins_after_the_time_that_there_is(place: Path, tmp_path: Path) -> None:
    wanted = cells(place, "lsh,itq,sh,bre", seeds=2)
    first = compare.compare(wanted, tmp_path, jobs=0, progress=silent, seconds=0)
    assert first["cells"] == []
    assert kept.read(tmp_path) == first
    assert (
        len(compare.compare(cells(place, "lsh,itq,sh,bre", seeds=2), tmp_path, jobs=0, progress=silent)["cells"]) == 8
    )


def test_results_are_whole_after_every_cell(place: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    count = lambda result: seen.append(len(kept.read(tmp_path)["cells"]))  # noqa: E731
    compare.compare(cells(place, "lsh,itq,sh"), tmp_path, jobs=0, progress=silent, report=count)
    assert seen == [1, 2, 3]


def test_what_a_user_should_know_is_said_once(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "data", tmp_path / "place" / "data")
    shutil.copyfile(place / "vit.safetensors", tmp_path / "place" / "vit.safetensors")
    (tmp_path / "place" / "data" / "alone").mkdir()
    shutil.copy(next(place.glob("data/*/*")), tmp_path / "place" / "data" / "alone")
    said: list[str] = []
    wanted = cells(tmp_path / "place", "csq,dch,lsh", seeds=2, warmup_steps=20)
    compare.compare(wanted, tmp_path, jobs=0, progress=silent, say=said.append, seconds=0)
    assert [sentence.partition(",")[0].partition(" (")[0] for sentence in said] == [
        "classes with one picture",
        "all 6 steps of training",
    ]


def test_workers_have_the_gpus_in_turn() -> None:
    assert [processes.one_of("", 2, number) for number in range(3)] == ["0", "1", "0"]
    assert [processes.one_of("3,5", 2, number) for number in range(3)] == ["3", "5", "3"]


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
    assert kept.read(tmp_path) == both
    other = compare.compare(cells(place, epochs=1), tmp_path, jobs=0, progress=silent, report=told.append)
    assert len(told) == 3
    assert [cell["method"] for cell in other["cells"]] == ["lsh", "transhash"], "the new settings take the place"


def test_of_a_method_with_several_settings_the_newest_counts(place: Path, tmp_path: Path) -> None:
    for settings in ({}, {"epochs": 3}):
        compare.compare(cells(place, **settings), tmp_path, jobs=0, progress=silent)
    results = compare.compare(cells(place, "lsh"), tmp_path, jobs=0, progress=silent)
    assert [cell["recipe"]["epochs"] for cell in results["cells"] if cell["method"] == "transhash"] == [3]
    assert len(list((tmp_path / "cells").iterdir())) == 3


def test_a_mean_is_not_of_seeds_with_different_settings(place: Path, tmp_path: Path) -> None:
    compare.compare(cells(place, seeds=2), tmp_path, jobs=0, progress=silent)
    one = compare.compare(cells(place, learning_rate=0.001), tmp_path, jobs=0, progress=silent)
    assert [(cell["seed"], cell["recipe"]["learning_rate"]) for cell in one["cells"]] == [(0, 0.001)]
    assert {before["seed"] for before in one["replaced"]} == {0, 1}
    both = compare.compare(cells(place, seeds=2), tmp_path, jobs=0, progress=silent)
    assert [cell["recipe"]["learning_rate"] for cell in both["cells"]] == [0.003, 0.003]


def test_what_was_read_of_the_queries_before_stays_on_record(place: Path, tmp_path: Path) -> None:
    first = compare.compare(cells(place), tmp_path, jobs=0, progress=silent)["cells"][0]
    again = compare.compare(cells(place, learning_rate=0.001), tmp_path, jobs=0, progress=silent)
    [before] = again["replaced"]
    assert (before["key"], before["scores"]["map"]) == (first["key"], first["scores"]["map"])
    assert before["recipe"]["learning_rate"] == first["recipe"]["learning_rate"] != 0.001
    shutil.rmtree(tmp_path / "cells")
    alone = compare.compare(cells(place, learning_rate=0.001), tmp_path, jobs=0, progress=silent)
    assert alone["replaced"] == again["replaced"]
    back = compare.compare(cells(place), tmp_path, jobs=0, progress=silent)
    assert [one["recipe"]["learning_rate"] for one in back["replaced"]] == [0.001]


@pytest.mark.parametrize(
    ("first", "then", "name"),
    [
        ({"methods": "csq"}, {"methods": "dch", "validation": 0.4}, "validation 0"),
        ({"methods": "lsh"}, {"methods": "ksh", "validation": 0.4}, "queries"),
        ({"methods": "csq,lsh", "validation": 0.4}, {"methods": "itq"}, "(queries|validation)"),
        ({"methods": "csq"}, {"methods": "dch", "epochs": 3}, "epochs 2"),
        ({"methods": "csq"}, {"methods": "dch", "blocks": "all"}, "freeze"),
    ],
)
def test_a_folder_has_results_of_one_table(
    first: dict[str, Any], then: dict[str, Any], name: str, place: Path, tmp_path: Path
) -> None:
    compare.compare(cells(place, **first), tmp_path, jobs=0, progress=silent)
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(RecipeError, match=f"holds results with {name}.*give another folder"):
        compare.compare(cells(place, **then), tmp_path, jobs=0, progress=silent)
    assert (tmp_path / "results.json").read_bytes() == before


def test_without_a_network_the_held_out_images_are_scored_too(place: Path, tmp_path: Path) -> None:
    """Not the queries, because these were scored before."""
    found = [
        compare.compare(cells(place, "lsh", **settings), tmp_path, jobs=0, progress=silent)["cells"][0]["scores"]
        for settings in ({}, {"validation": 0.4})
    ]
    assert found[0]["database"] > found[1]["database"]


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


@pytest.mark.parametrize("theirs", ['{"mine": 1}', "[1]", '{"cells": ', '{"cells": 3}'])
def test_a_file_of_that_name_that_is_of_no_comparison_is_not_written_over(
    theirs: str, place: Path, tmp_path: Path
) -> None:
    (tmp_path / "results.json").write_text(theirs)
    with pytest.raises(RecipeError, match=r"results\.json: not the results of a comparison; choose another folder"):
        compare.compare(cells(place, "lsh"), tmp_path, jobs=0, progress=silent)
    assert (tmp_path / "results.json").read_text() == theirs


@pytest.mark.parametrize("option", ["--out", "--tokens"])
def test_a_file_in_the_way_of_a_folder_is_named(option: str, place: Path, tmp_path: Path) -> None:
    folders = {"--out": tmp_path / "out", "--tokens": tmp_path / "tokens"}
    folders[option].write_text("")
    with pytest.raises(RecipeError, match=f"a file is in the way; choose another {option}"):
        compare.compare(cells(place), folders["--out"], tokens=folders["--tokens"], jobs=0, progress=silent)


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


def test_of_a_backbone_with_random_weights_all_tokens_are_of_the_same_ones(place: Path, tmp_path: Path) -> None:
    """Views without augmentation are the pictures as they are scored."""
    found = cells(place, "csq", epochs=1, cached_views=1, freeze=2, crop_scale=1, crop_ratio=1, flip=False, jitter=0)
    [cell] = [replace(one, recipe=one.recipe.model_copy(update={"backbone": "random"})) for one in found]
    compare.compare([cell], tmp_path, jobs=0, progress=silent)
    prepared = prepare(cell.recipe, tmp_path / "tokens")
    [views] = (tmp_path / "tokens").glob("views-*/view-000.npy")
    places = prepared.places(prepared.split.train)
    scored = np.concatenate(list(prepared.tokens(cell.recipe).batches(places)))
    np.testing.assert_allclose(np.load(views), scored, atol=2e-3)


def test_every_named_method_runs(place: Path, tmp_path: Path) -> None:
    wanted = cells(place, "all", epochs=1)
    results = compare.compare(wanted, tmp_path, jobs=0, progress=silent)
    assert {cell["method"] for cell in results["cells"]} == set(matrix.ALL)
    for cell in results["cells"]:
        assert 0 < cell["scores"]["map"] <= 1


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
