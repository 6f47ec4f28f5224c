"""Libraries, indexes and models of every version that was released are opened by this one."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import formats
from fake_model import FakeModel
from transhash import HammingIndex, Library
from transhash.codes import hamming
from transhash.library.catalogue.database import CATALOGUE
from transhash.library.catalogue.migrations import MIGRATIONS
from transhash.model import HashModel

STORED = Path(__file__).resolve().parents[1] / "formats"


@pytest.fixture(params=sorted(path.name for path in STORED.iterdir()))
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of what a version wrote: a library may be migrated."""
    return Path(shutil.copytree(STORED / request.param, tmp_path / "stored"))


def answers(stored: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((stored / "answers.json").read_text("utf-8"))
    return found


def test_libraries(stored: Path) -> None:
    with Library.open(stored / "library", FakeModel()) as library:
        ids = library.passing().tolist()
        assert {each.path.name: each.columns for each in library.pictures(ids).values()} == answers(stored)["columns"]
        assert library.codes().reconstruct(np.array(ids)).tolist() == answers(stored)["codes"]
        assert library.passing("rating >= 3 and label like 'name*'").tolist() == ids[3:]
        assert library.verify().problems == []


def test_what_is_only_read_stays_as_it_is_until_something_is_written(stored: Path, tmp_path: Path) -> None:
    catalogue = stored / "library" / CATALOGUE
    before = catalogue.read_bytes()
    with Library.open(stored / "library", FakeModel()) as library:
        library.info()
        library.search(formats.pictures()[0])
        library.export(tmp_path / "all.parquet")
        assert library.verify().problems == []
    assert catalogue.read_bytes()[:100] == before[:100]
    assert version(catalogue) == int.from_bytes(before[60:64])
    with Library.open(stored / "library", FakeModel()) as library, Library.open(stored / "library") as reader:
        assert reader.info().calibrated_by == ""
        library.annotate([{"path": "nowhere", "label": "x"}])
        assert version(catalogue) == len(MIGRATIONS)
        library.catalogue.database.execute(
            "INSERT INTO calibration VALUES ('label', ?, 1.0, 0.0, 9, '')", [library.fingerprint]
        )
        assert reader.info().calibrated_by == "label"


def version(catalogue: Path) -> int:
    """The format of a catalogue."""
    with sqlite3.connect(catalogue) as database:
        ((found,),) = database.execute("PRAGMA user_version")
    database.close()
    return int(found)


@pytest.mark.parametrize("mapped", [False, True])
def test_indexes(stored: Path, mapped: bool) -> None:
    distances, ids = HammingIndex.open(stored / "index.hamming", mmap=mapped).search(formats.codes()[:3], 4)
    assert (distances.tolist(), ids.tolist()) == (answers(stored)["distances"], answers(stored)["ids"])


def test_models(stored: Path) -> None:
    model = HashModel(stored / "model")
    assert model.fingerprint == answers(stored)["fingerprint"]
    differing = hamming(model.encode(formats.pictures()), np.array(answers(stored)["encoded"], np.uint8)).diagonal()
    assert (differing <= 1).all()  # floats may round otherwise on another processor
