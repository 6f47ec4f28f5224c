"""Libraries half made, just being made, and on media that may only be read."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.errors import LibraryError
from transhash.library.catalogue.database import CATALOGUE

NOBODY = 65534
OLD = Path(__file__).resolve().parents[1] / "formats" / "0.1" / "library"  # which has no calibration


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that other users may read, with two pictures and their library."""
    home = Path(tempfile.mkdtemp(prefix="transhash-"))
    home.chmod(0o755)
    draw(home / "photos" / "a.png", 1)
    draw(home / "photos" / "b.png", 2)
    with Library.create(home / "photos" / ".transhash", FakeModel()) as library:
        library.index(home / "photos")
    yield home / "photos"
    shutil.rmtree(home)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Whatever is below a folder may be read and not written, by the superuser neither."""
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if superuser:
            os.seteuid(0)
        for path in everything:
            if path.exists():
                path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_library_that_may_only_be_read_is_searched(elsewhere: Path) -> None:
    with read_only(elsewhere):
        with Library.open(elsewhere, FakeModel()) as library:
            assert library.info().pictures == 2
            assert [hit.path for hit in library.search(elsewhere / "b.png", k=1)] == [elsewhere / "b.png"]
            assert library.index(elsewhere).unchanged == 2
        assert sorted(path.name for path in (elsewhere / ".transhash").iterdir()) == [CATALOGUE, "codes.hamming"]


def test_a_library_of_an_older_format_that_may_only_be_read_is_used_as_it_is(elsewhere: Path) -> None:
    old = Path(shutil.copytree(OLD, elsewhere / "old"))
    with read_only(elsewhere), Library.open(old, FakeModel()) as library:
        assert library.info().pictures == len(library.passing()) == len(library.search(elsewhere / "b.png", k=99)) > 2
        assert library.verify().problems == []
        with pytest.raises(LibraryError, match="may not be written"):
            library.annotate([{"path": "nowhere", "label": "x"}])
    assert (old / CATALOGUE).read_bytes() == (OLD / CATALOGUE).read_bytes()


def test_indexing_into_a_library_that_may_only_be_read_is_one_sentence(elsewhere: Path) -> None:
    draw(elsewhere / "c.png", 3)
    with (
        read_only(elsewhere),
        Library.open(elsewhere, FakeModel()) as library,
        pytest.raises(LibraryError, match=r"catalogue\.sqlite: may not be written; check the permissions"),
    ):
        library.index(elsewhere)


def test_a_read_only_library_that_was_not_closed_is_read_with_what_waits_beside_it(elsewhere: Path) -> None:
    draw(elsewhere / "c.png", 3)
    copy = elsewhere.parent / "copy"
    with Library.open(elsewhere, FakeModel()) as library:
        library.index(elsewhere)
        shutil.copytree(elsewhere, copy)  # as after a power cut
    with read_only(copy), Library.open(copy, FakeModel()) as library:
        assert len(library) == 3


def test_a_read_only_library_is_not_read_without_what_waits_beside_it(elsewhere: Path) -> None:
    draw(elsewhere / "c.png", 3)
    copy = elsewhere.parent / "copy"
    with Library.open(elsewhere, FakeModel()) as library:
        library.index(elsewhere)
        shutil.copytree(elsewhere, copy)
    (copy / ".transhash" / f"{CATALOGUE}-shm").unlink()
    with read_only(copy), pytest.raises(LibraryError, match=r"catalogue\.sqlite: .*; "):
        Library.open(copy, FakeModel())


def test_an_empty_catalogue_is_a_library_still_to_be_made(photos: Path, model: FakeModel) -> None:
    (photos / ".transhash").mkdir()
    (photos / ".transhash" / CATALOGUE).touch()

    assert not Library.exists(photos)
    with pytest.raises(LibraryError, match="no library here; make one with `transhash index`"):
        Library.open(photos)
    with pytest.raises(LibraryError, match="this library is not made yet; run `transhash index`"):
        Library.open(photos / ".transhash")
    with Library.create(photos / ".transhash", model) as library:
        assert library.index(photos).added == 6


def test_a_making_that_was_cut_short_is_begun_anew(photos: Path, model: FakeModel, tmp_path: Path) -> None:
    """The first transaction has written the file but not ended; its journal says so."""
    made = tmp_path / "made"
    made.mkdir()
    database = sqlite3.connect(made / CATALOGUE, isolation_level=None)
    database.execute("PRAGMA cache_size = 1")  # pages are written before the end
    database.execute("BEGIN EXCLUSIVE")
    database.execute("CREATE TABLE library (x)")
    database.execute(
        "INSERT INTO library WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 9999)"
        " SELECT randomblob(100) FROM n"
    )
    shutil.copytree(made, photos / ".transhash")
    database.close()
    assert Library.exists(photos)

    with pytest.raises(LibraryError, match="this library is not made yet; run `transhash index`"):
        Library.open(photos)
    with Library.create(photos / ".transhash", model) as library:
        assert library.index(photos).added == 6
