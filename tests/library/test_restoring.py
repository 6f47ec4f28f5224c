"""A backup takes the place of a catalogue, as docs/catalogue.md has it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.library.catalogue.database import CATALOGUE


@pytest.fixture
def crashed(library: Library, photos: Path, tmp_path: Path) -> Path:
    """A library whose program was killed: the last writings wait next to the catalogue. `backup.sqlite` is older."""
    library.index(photos)
    library.search(photos / "cat" / "cat-0.png")
    copied = sqlite3.connect(tmp_path / "backup.sqlite")
    with sqlite3.connect(library.path / CATALOGUE) as database:
        database.backup(copied)
    database.close()
    copied.close()
    for seed in range(60, 66):
        draw(photos / f"{seed}.png", seed)
        library.index(photos)
        library.annotate({f"{seed}.png": {f"column {seed}": "x" * 5000}})
    shutil.copytree(photos, tmp_path / "after")
    library.close()
    assert Path(tmp_path, "after", ".transhash", f"{CATALOGUE}-wal").stat().st_size
    return tmp_path / "after" / ".transhash"


def test_what_the_error_says_restores_a_backup(crashed: Path, model: FakeModel) -> None:
    for name in (f"{CATALOGUE}-wal", f"{CATALOGUE}-shm"):
        (crashed / name).unlink()
    shutil.copy(crashed.parent.parent / "backup.sqlite", crashed / CATALOGUE)

    with Library.open(crashed, model) as library:
        assert library.verify(deep=True).problems == []
        assert len(library.search(crashed.parent / "60.png", k=20)) == 6
        assert library.index(crashed.parent).added == 6
        assert library.info().columns == {}


def test_a_whole_copy_has_what_was_written_last(crashed: Path, model: FakeModel) -> None:
    with Library.open(crashed, model) as library:
        assert library.verify(deep=True).problems == []
        assert (len(library), len(library.info().columns)) == (12, 6)
