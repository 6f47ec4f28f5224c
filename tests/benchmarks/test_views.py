"""The same thing from several sides: which pictures show it, and how many of them are found."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.common import RESULTS, ROOT
from benchmarks.photographs.views import VIEWS, found, main, markdown, measure
from transhash.codes import pack
from transhash.model.fitted import embedding


def test_of_equal_distances_each_has_its_part() -> None:
    things = np.array([0, 0, 1, 1])
    distances = np.array([[0, 1, 1, 3], [9, 0, 3, 3], [1, 1, 0, 1], [7, 8, 9, 0]])
    # of one other view each: half of two equal ones, none, a third of three, none
    assert found(distances, things) == pytest.approx(((1 / 2 + 0 + 1 / 3 + 0) / 4,) * 2)
    assert found(np.abs(np.subtract.outer(things, things)), things) == (1.0, 1.0)


def test_a_folder_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["views", "--photographs", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit):
        main()
    assert "nowhere is no folder" in capsys.readouterr().err


def test_a_thing_that_is_seen_once_does_not_ask() -> None:
    assert found(np.array([[0, 1, 2], [1, 0, 2], [1, 2, 0]]), np.array([0, 0, 1])) == (1.0, 1.0)


def test_things_are_read_from_names_and_sides_are_drawn_evenly(tmp_path: Path) -> None:
    for number in (3, 4):
        save(tmp_path / f"views/ukbench/ukbench{number:05d}.jpg")
    for name in ("books/Query/001", "books/Reference/001", "paintings/Query/001"):
        save(tmp_path / f"views/smvs/{name}.jpg")
    for angle in range(0, 360, 30):
        save(tmp_path / f"views/eth80/1/1/cup1-000-{angle:03d}.png")
    files, things = VIEWS["UKBench"].files(tmp_path)
    assert things.tolist() == [0, 1]
    files, things = VIEWS["Seen again"].files(tmp_path)
    assert [file.parent.name for file in files] == ["Query", "Reference", "Query"]
    assert things.tolist() == [0, 0, 1]
    files, things = VIEWS["ETH-80"].files(tmp_path)
    assert things.tolist() == [0] * 8
    assert [file.stem for file in files[:3]] == ["cup1-000-000", "cup1-000-030", "cup1-000-090"]


def test_every_way_to_find_is_measured() -> None:
    random = np.random.default_rng(0)
    things = np.repeat(np.arange(60), 5)
    features = random.normal(size=(60, 64))[things] + 0.8 * random.normal(size=(300, 64))
    general = pack(features[:, :64] + random.normal(size=(300, 64)))
    ways = measure(features.astype(np.float32), general, embedding(features))
    assert list(ways) == ["floats", "as hits are ordered", "fitted, 64 bits", "general, 64 bits"]
    shares = {name: found(distances, things)[0] for name, distances in ways.items()}
    assert shares["floats"] == pytest.approx(shares["as hits are ordered"], abs=0.02)
    assert 0.1 < shares["general, 64 bits"] < shares["fitted, 64 bits"] < shares["floats"] <= 1
    assert list(measure(features.astype(np.float32), None, None)) == list(ways)[:3]
    text = markdown([{"set": "cups", "network": "ours", "codes": "floats", "views": 0.5, "first": 1.0}])
    assert text.splitlines()[-1] == "| floats | ours | .500 (1.000) |"


def test_the_documents_have_the_stored_figures() -> None:
    rows = json.loads((RESULTS / "views.json").read_text("utf-8"))["rows"]
    assert markdown(rows) in (ROOT / "docs/models.md").read_text("utf-8")


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
