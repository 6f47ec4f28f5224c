"""Libraries, indexes and models of every version that was released are opened by this one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import formats
from fake_model import FakeModel
from transhash import HammingIndex, Library
from transhash.codes import hamming
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


@pytest.mark.parametrize("mapped", [False, True])
def test_indexes(stored: Path, mapped: bool) -> None:
    distances, ids = HammingIndex.open(stored / "index.hamming", mmap=mapped).search(formats.codes()[:3], 4)
    assert (distances.tolist(), ids.tolist()) == (answers(stored)["distances"], answers(stored)["ids"])


def test_models(stored: Path) -> None:
    model = HashModel(stored / "model")
    assert model.fingerprint == answers(stored)["fingerprint"]
    differing = hamming(model.encode(formats.pictures()), np.array(answers(stored)["encoded"], np.uint8)).diagonal()
    assert (differing <= 1).all()  # floats may round otherwise on another processor
