"""What SQLite leaves behind of a large transaction."""

from __future__ import annotations

from pathlib import Path

import pytest

from fake_model import FakeModel
from transhash import Library


def test_the_journal_of_a_large_transaction_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 1 << 20
    monkeypatch.setattr("transhash.library.catalogue.database.JOURNAL", most)
    with Library.create(tmp_path / "library", FakeModel()) as library:  # type: ignore[arg-type]
        database, journal = library.catalogue.database, library.path / "catalogue.sqlite-wal"
        with library.catalogue.writing():
            database.execute("CREATE TABLE much (kept BLOB)")
            for _ in range(48):
                database.execute("INSERT INTO much VALUES (randomblob(1000000))")
        assert journal.stat().st_size > 40 * most
        for _ in range(3):
            with library.catalogue.writing():
                database.execute("INSERT INTO much VALUES (randomblob(1000))")
        assert journal.stat().st_size <= most
