"""Pictures to index, and a model that needs no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from collection import draw
from fake_model import FakeModel
from milvus_lite import HOW, program, serving

from transhash import Library


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six pictures in two class folders."""
    folder = tmp_path / "photos"
    for i in range(3):
        draw(folder / "cat" / f"cat-{i}.png", i)
        draw(folder / "dog" / f"dog-{i}.png", 10 + i)
    return folder


@pytest.fixture
def library(photos: Path, model: FakeModel) -> Iterator[Library]:
    """A library of them, still empty."""
    with Library.create(photos / ".transhash", model) as library:
        yield library


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a Milvus server."""
    pytest.importorskip("pymilvus", reason="no pymilvus: pip install 'transhash[milvus]'")
    if program() is None:
        pytest.skip(f"no Milvus to test against: {HOW}")
    with serving(tmp_path_factory.mktemp("milvus")) as address:
        yield address
