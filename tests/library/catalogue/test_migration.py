"""A library made under the first schema is found whole under the present one."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.library.catalogue.database import CATALOGUE
from transhash.library.catalogue.migrations import MIGRATIONS

VERSION_1 = """
CREATE TABLE library (
    model TEXT NOT NULL, fingerprint TEXT NOT NULL, bits INTEGER NOT NULL, model_folder BLOB NOT NULL,
    created TEXT NOT NULL, revision BLOB NOT NULL
);
CREATE TABLE folder (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE fault (id INTEGER PRIMARY KEY, reason TEXT NOT NULL, remedy TEXT NOT NULL, UNIQUE (reason, remedy));
CREATE TABLE picture (
    id INTEGER PRIMARY KEY AUTOINCREMENT, folder INTEGER NOT NULL REFERENCES folder, name BLOB NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest BLOB NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, code BLOB, fault INTEGER REFERENCES fault, vanished INTEGER,
    UNIQUE (folder, name), CHECK ((code IS NULL) <> (fault IS NULL))
);
CREATE INDEX picture_digest ON picture (digest);
CREATE INDEX picture_vanished ON picture (vanished) WHERE vanished IS NOT NULL;
PRAGMA application_id = 0x54486C62;
PRAGMA user_version = 1;
"""


@pytest.fixture
def old(tmp_path: Path, model: FakeModel) -> Path:
    """A library of version 1: three pictures, one broken file, one vanished picture."""
    folder = tmp_path / "photos"
    (folder / ".transhash").mkdir(parents=True)
    with sqlite3.connect(folder / ".transhash" / CATALOGUE) as database:
        database.executescript(VERSION_1)
        facts = (model.name, model.fingerprint, 64, b"/nowhere/fake", "2026-01-01T00:00:00+00:00", b"revision")
        database.execute("INSERT INTO library VALUES (?, ?, ?, ?, ?, ?)", facts)
        database.execute("INSERT INTO folder VALUES (1, x'')")
        database.execute("INSERT INTO fault VALUES (1, 'broken file', 'restore it')")
        broken = folder / "broken.png"
        broken.write_bytes(b"no picture")
        for number in range(3):
            path = draw(folder / f"{number}.png", number)
            insert(database, path, model.encode([path])[0].tobytes(), None, None)
        insert(database, broken, None, 1, None)
        gone = draw(folder / "gone.png", 9)
        insert(database, gone, model.encode([gone])[0].tobytes(), None, 77)
        gone.unlink()
    database.close()
    return folder


def insert(database: sqlite3.Connection, path: Path, code: bytes | None, fault: int | None, vanished: int | None):
    status = os.stat(path)
    row = (os.fsencode(path.name), status.st_size, status.st_mtime_ns, b"0" * 16, 24, 24, code, fault, vanished)
    sql = (
        "INSERT INTO picture (folder, name, size, mtime_ns, digest, width, height, code, fault, vanished)"
        " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    database.execute(sql, row)


def test_everything_is_found(old: Path, model: FakeModel) -> None:
    model.decoded.clear()
    with Library.open(old, model) as library:
        info = library.info()
        assert (info.pictures, info.skipped, info.vanished) == (3, 1, 1)
        hits = library.search(old / "1.png", k=10)
        assert (hits[0].path, hits[0].distance, len(hits)) == (old / "1.png", 0, 3)
        model.decoded.clear()
        report = library.index(old)
        assert (report.unchanged, len(report.skipped), report.seen) == (3, 1, 4)
        assert model.decoded == []  # nothing is done again
    with sqlite3.connect(old / ".transhash" / CATALOGUE) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert database.execute("SELECT DISTINCT taken FROM picture").fetchall() == [(None,)]


def test_a_picture_that_changes_gets_its_date(old: Path, model: FakeModel) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 12:30:45"
    Image.open(old / "1.png").save(old / "1.png", exif=exif)
    with Library.open(old, model) as library:
        assert library.index(old).updated == 1
    with sqlite3.connect(old / ".transhash" / CATALOGUE) as database:
        taken = database.execute("SELECT taken FROM picture WHERE name = ?", (b"1.png",)).fetchone()
    assert taken == (1_714_566_645,)
