"""The files of a library: damage, age, foreign models, other places, other processes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.errors import LibraryError, TransHashWarning
from transhash.library.catalogue.database import CATALOGUE
from transhash.library.catalogue.migrations import MIGRATIONS
from transhash.library.opening import CODES


@pytest.fixture
def filled(library: Library, photos: Path) -> Path:
    """A closed library of the six pictures."""
    library.index(photos)
    library.close()
    return library.path


def query(path: Path, model: FakeModel) -> list[tuple[Path, int]]:
    with Library.open(path, model) as library:
        return [(hit.path, hit.distance) for hit in library.search(path.parent / "cat" / "cat-0.png", k=6)]


def test_a_missing_library_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="no library here; make one with `transhash index`"):
        Library.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_open_takes_the_folder_that_contains_the_library(filled: Path) -> None:
    with Library.open(filled.parent) as library:
        assert library.path == filled


def test_create_refuses_what_is_there_unless_told(filled: Path, model: FakeModel) -> None:
    with pytest.raises(LibraryError, match="there is a library already"):
        Library.create(filled, model)
    with Library.create(filled, model, exist_ok=True) as library:
        assert len(library) == 6


def test_create_names_the_place_where_nothing_can_be_made(photos: Path, model: FakeModel) -> None:
    with pytest.raises(LibraryError, match=r"cat-0\.png/lib: no library can be made here \(Not a directory\)"):
        Library.create(photos / "cat" / "cat-0.png" / "lib", model)


@pytest.mark.parametrize("damage", ["text", "middle"])
def test_a_damaged_catalogue_is_an_error_with_a_remedy(filled: Path, damage: str, model: FakeModel) -> None:
    catalogue = filled / CATALOGUE
    content = bytearray(catalogue.read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    catalogue.write_bytes({"text": b"hello" * 1000, "middle": bytes(content)}[damage])

    with pytest.raises(LibraryError, match=r"catalogue\.sqlite: the catalogue is damaged"):
        query(filled, model)


def test_a_foreign_database_is_left_alone(tmp_path: Path, model: FakeModel) -> None:
    with sqlite3.connect(tmp_path / CATALOGUE) as foreign:
        foreign.execute("CREATE TABLE accounts (name TEXT)")

    with pytest.raises(LibraryError, match="not the catalogue of a library"):
        Library.open(tmp_path)
    with pytest.raises(LibraryError, match="not the catalogue of a library"):
        Library.create(tmp_path, model, exist_ok=True)
    assert foreign.execute("SELECT name FROM sqlite_master").fetchall() == [("accounts",)]


def test_a_newer_catalogue_asks_for_an_update(filled: Path) -> None:
    with sqlite3.connect(filled / CATALOGUE) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    with pytest.raises(LibraryError, match="written by a newer transhash; update transhash"):
        Library.open(filled)


def test_an_older_catalogue_climbs_the_ladder(filled: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    step = "CREATE TABLE note (picture INTEGER, text TEXT);\nINSERT INTO note VALUES (1, 'x');\n"
    monkeypatch.setattr("transhash.library.catalogue.database.MIGRATIONS", (*MIGRATIONS, step))

    with Library.open(filled, model) as library:
        for seed in (60, 61):  # a step is taken once
            draw(filled.parent / f"{seed}.png", seed)
            assert library.index(filled.parent).added == 1
    with sqlite3.connect(filled / CATALOGUE) as database:
        assert database.execute("SELECT * FROM note").fetchall() == [(1, "x")]


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "altered", "other"])
def test_a_damaged_index_file_is_built_anew(filled: Path, model: FakeModel, damage: str, tmp_path: Path) -> None:
    expected = query(filled, model)
    codes = filled / CODES
    content = codes.read_bytes()
    if damage == "other":  # a sound file of another library
        with Library.create(tmp_path / "other", model) as other:
            other.index(tmp_path / "photos" / "dog")
        shutil.copy(tmp_path / "other" / CODES, codes)
    else:
        codes.unlink()
        altered = bytes([content[0], *content[1:-1], content[-1] ^ 1])
        damaged = {"missing": None, "empty": b"", "cut": content[: len(content) // 2], "altered": altered}[damage]
        if damaged is not None:
            codes.write_bytes(damaged)

    assert query(filled, model) == expected
    assert expected[0] == (filled.parent / "cat" / "cat-0.png", 0)


def test_an_index_file_that_fits_is_used(filled: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.library.catalogue.pictures.Pictures.codes", None)  # building would call it

    assert len(query(filled, model)) == 6


def test_another_process_sees_what_is_added(filled: Path, model: FakeModel) -> None:
    with Library.open(filled, model) as reader, Library.open(filled, model) as writer:
        new = draw(filled.parent / "new.png", 50)
        assert reader.search(new, max_distance=0) == []
        writer.index(filled.parent)
        assert [hit.path for hit in reader.search(new, max_distance=0)] == [new]


def test_a_library_of_another_model_is_refused(filled: Path) -> None:
    with pytest.raises(LibraryError, match=r"come from model fake .* cannot be compared with those of other"):
        Library.open(filled, FakeModel("other"))
    with pytest.raises(LibraryError, match="cannot be compared"):
        Library.create(filled, FakeModel("other"), exist_ok=True)


def test_its_own_model_is_found_again_or_asked_for(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = {"fake": FakeModel("fake")}
    monkeypatch.setattr("transhash.model.pretrained", lambda: list(loaded))
    monkeypatch.setattr("transhash.model.load", lambda place, bits=None: loaded[place.name])
    assert len(query(filled, None)) == 6  # type: ignore[arg-type]

    loaded["fake"] = FakeModel("the same name in another version")
    monkeypatch.setattr("transhash.model.load", lambda name, bits=None: loaded["fake"])
    with pytest.raises(
        LibraryError, match=r"its model fake .* is that of another version .*; index the pictures into a"
    ):
        query(filled, None)  # type: ignore[arg-type]
    monkeypatch.setattr("transhash.model.pretrained", list)
    with pytest.raises(LibraryError, match=r"its model fake .* is neither with the package nor in"):
        query(filled, None)  # type: ignore[arg-type]


def test_a_folder_moves_with_its_library(filled: Path, model: FakeModel, tmp_path: Path) -> None:
    shutil.move(filled.parent, tmp_path / "elsewhere" / "pictures")
    moved = tmp_path / "elsewhere" / "pictures"
    model.decoded.clear()

    with Library.open(moved, model) as library:
        report = library.index(moved)
        assert (report.unchanged, report.seen, report.removed) == (6, 6, 0)
        assert model.decoded == []
    assert query(moved / ".transhash", model)[0] == (moved / "cat" / "cat-0.png", 0)


def test_a_writer_that_waits_too_long_says_so(filled: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.library.catalogue.database.LOCK_SECONDS", 0.05)
    draw(filled.parent / "new.png", 50)
    holder = sqlite3.connect(filled / CATALOGUE, isolation_level=None)
    with Library.open(filled, model) as library:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryError, match="another process is writing to this library; try again"):
            library.add([filled.parent / "new.png"])
        assert len(query(filled, model)) == 6  # reading goes on
        holder.execute("ROLLBACK")
        assert len(library.add([filled.parent / "new.png"])) == 1
    holder.close()


@pytest.mark.parametrize(
    "work",
    [
        lambda library: library.index(library.path.parent),
        lambda library: library.annotate({"cat-0.png": {"label": "x"}}),
        lambda library: Library.import_(library.path.parent / "all.parquet", library.path, FakeModel())[0].close(),
    ],
)
def test_long_work_waits_for_another_writer_and_says_so(
    filled: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch, work: Callable[[Library], object]
) -> None:
    monkeypatch.setattr("transhash.library.catalogue.database.LOCK_SECONDS", 0.05)
    monkeypatch.setattr("transhash.library.catalogue.database.SAID_AFTER", 50)
    holder = sqlite3.connect(filled / CATALOGUE, isolation_level=None, check_same_thread=False)
    with Library.open(filled, model) as library:
        library.export(filled.parent / "all.parquet")
        draw(filled.parent / "new.png", 50)
        before = library.catalogue.revision().number
        holder.execute("BEGIN IMMEDIATE")
        release = Timer(0.4, lambda: holder.execute("ROLLBACK"))
        release.start()
        with pytest.warns(TransHashWarning, match="another process is writing to this library; waiting until it has"):
            work(library)
        release.join()
        assert library.catalogue.revision().number > before
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryError, match="another process is writing"):  # other work is as impatient as before
            library.remove([1])
    holder.close()


def test_a_full_disk_keeps_what_was_saved(filled: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(100, 140):
        draw(filled.parent / f"{seed}-{'long' * 50}.png", seed)
    monkeypatch.setattr("transhash.library.files.indexing.ROWS", 4)
    with Library.open(filled, model) as library:
        pages = library.catalogue.database.rows("PRAGMA page_count")[0][0]
        library.catalogue.database.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(LibraryError, match="the disk is full; make room and run again"):
            library.index(filled.parent)
        kept = len(library)
    assert 6 < kept < 46
    with Library.open(filled, model) as library:
        assert library.index(filled.parent).added == 46 - kept


def test_processes_that_index_at_once_lose_nothing(photos: Path, model: FakeModel) -> None:
    for seed in range(200, 260):
        draw(photos / f"{seed}.png", seed)
    program = (
        "import sys, transhash.library.files.indexing as i\n"
        "from fake_model import FakeModel; from transhash import Library\n"
        "i.ROWS = 3\n"
        "with Library.create(sys.argv[1] + '/.transhash', FakeModel(), exist_ok=True) as library:\n"
        "    report = library.index(sys.argv[1]); assert report.seen == 66 and not report.skipped, report\n"
    )
    command = [sys.executable, "-c", program, os.fspath(photos)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) for _ in range(3)]

    assert [(process.communicate()[1], process.returncode) for process in running] == [("", 0)] * 3
    with Library.open(photos, model) as library:
        assert len(library) == 66
        assert library.index(photos).unchanged == 66
