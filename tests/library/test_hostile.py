"""Libraries that someone hands you: whatever stands in a cell, the answer is one sentence, nothing else is touched."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_model import FakeModel
from transhash import HammingIndex, Library
from transhash.errors import LibraryError, TransHashError
from transhash.library.catalogue.database import CATALOGUE
from transhash.library.opening import CODES

CELLS = {
    "library": ["model", "fingerprint", "bits", "model_folder", "created", "revision"],
    "folder": ["id", "path"],
    "fault": ["id", "reason", "remedy"],
    "picture": ["id", "folder", "name", "size", "mtime_ns", "digest", "width", "height", "code", "fault", "vanished"],
}


@pytest.fixture
def filled(library: Library, photos: Path) -> Path:
    """A closed library of six pictures and a broken one."""
    (photos / "broken.png").write_bytes(b"no picture")
    library.index(photos)
    library.close()
    return library.path


def alter(path: Path, *statements: str, parameters: tuple[object, ...] = ()) -> None:
    """Change a catalogue as no transhash would, and take away the codes that were derived from it."""
    database = sqlite3.connect(path / CATALOGUE, isolation_level=None)
    database.execute("PRAGMA ignore_check_constraints = ON")
    for statement in statements:
        database.execute(statement, parameters)
    database.close()
    (path / CODES).unlink(missing_ok=True)


def use(path: Path) -> None:
    """All that one does with a library."""
    with Library.open(path, FakeModel()) as library:
        library.info()
        library.search(path.parent / "cat" / "cat-0.png", k=100)
        library.index(path.parent, retry=True)


def complaint(path: Path) -> str:
    """What `use` says when it refuses the library."""
    try:
        use(path)
    except TransHashError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE picture SET name = CAST('../cat-0.png' AS BLOB) WHERE id = 1",
        "UPDATE picture SET name = CAST('a/b.png' AS BLOB) WHERE id = 1",
        "UPDATE picture SET name = CAST('..' AS BLOB) WHERE id = 1",
        "UPDATE picture SET name = CAST('cat-0.png' AS TEXT) WHERE id = 1",
        "UPDATE folder SET path = CAST('../elsewhere' AS BLOB) WHERE id = 1",
        "UPDATE folder SET path = 7 WHERE id = 1",
        "UPDATE picture SET code = x'00'",
        "UPDATE picture SET code = 'text of8'",
        "UPDATE picture SET width = -1",
        "UPDATE picture SET width = 'wide'",
        "UPDATE library SET bits = 1000000000000",
        "UPDATE library SET bits = 'many'",
        "UPDATE library SET bits = 128",
        "UPDATE library SET model = CAST(x'ff' AS TEXT)",
        "UPDATE library SET model_folder = NULL",
        "UPDATE revision SET name = NULL",
        "INSERT INTO library SELECT * FROM library",
        "DELETE FROM library",
        "DROP TABLE folder",
        "ALTER TABLE picture DROP COLUMN width",
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER t AFTER UPDATE ON library BEGIN DELETE FROM picture; END",
    ],
)
def test_a_cell_that_no_library_has_is_damage(filled: Path, statement: str) -> None:
    if "NULL" in statement:
        with sqlite3.connect(filled / CATALOGUE) as database:
            column = statement.split()[3]
            database.execute("PRAGMA writable_schema = ON")
            database.execute(f"UPDATE sqlite_schema SET sql = replace(sql, '{column} BLOB NOT NULL', '{column} BLOB')")
    alter(filled, statement)

    said = r"catalogue\.sqlite: the catalogue is damaged; restore it from a copy \(remove catalogue\.sqlite-wal and "
    with pytest.raises(LibraryError, match=said):
        use(filled)


def test_codes_of_another_catalogue_are_named(filled: Path, model: FakeModel) -> None:
    index = HammingIndex.open(filled / CODES)
    other = HammingIndex(64, meta=index.meta)
    other.add(index.reconstruct(index.ids), index.ids + 1000)
    other.save(filled / CODES)

    with Library.open(filled, model) as library, pytest.raises(LibraryError, match="not of its catalogue; delete that"):
        library.search(filled.parent / "cat" / "cat-0.png")


values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(max_size=12),
    st.text(max_size=12),
    st.sampled_from([b"../x", b"/", b"\0", "\0", b"", "", b"x" * 5000]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cell=st.sampled_from([(table, column) for table in CELLS for column in CELLS[table]]), value=values, data=st.data()
)
def test_any_value_in_any_cell_is_used_or_refused(filled: Path, cell: tuple[str, str], value: object, data) -> None:
    sound = (filled / CATALOGUE).read_bytes()
    table, column = cell
    try:
        alter(filled, f"UPDATE OR IGNORE {table} SET {column} = ?", parameters=(value,))
        said = complaint(filled)
        assert not said or "; " in said
        assert "\n" not in said
        assert sorted(path.name for path in filled.parent.parent.iterdir()) == ["photos"]
    except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError):
        pass  # SQLite itself takes no such value there
    finally:
        for file in filled.iterdir():
            file.unlink(missing_ok=True)  # SQLite removes its own when a connection is collected
        (filled / CATALOGUE).write_bytes(sound)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), bits=st.binary(min_size=1, max_size=40), cut=st.booleans())
def test_damaged_bytes_are_used_or_refused(filled: Path, where: float, bits: bytes, cut: bool) -> None:
    sound = (filled / CATALOGUE).read_bytes()
    at = int(where * len(sound))
    damaged = sound[:at] if cut else (sound[:at] + bits + sound[at + len(bits) :])[: len(sound)]
    try:
        (filled / CATALOGUE).write_bytes(damaged)
        (filled / CODES).unlink(missing_ok=True)
        said = complaint(filled)
        assert not said or "; " in said
    finally:
        for file in filled.iterdir():
            file.unlink()
        (filled / CATALOGUE).write_bytes(sound)
