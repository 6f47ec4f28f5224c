"""Whether a catalogue is sound: as a file of SQLite, and in what its rows hold."""

from __future__ import annotations

from transhash.library.catalogue.database import Database
from transhash.library.catalogue.kinds import YEARS


def damages(database: Database) -> list[str]:
    """What SQLite finds wrong with the file: pages, indexes, constraints, references."""
    lines = [line for (text,) in database.rows("PRAGMA integrity_check(10)") for line in str(text).splitlines()]
    found = [line for line in lines if line != "ok" and not line.startswith("***")]
    return found + [f"a row of {row[0]} refers to no {row[2]}" for row in database.rows("PRAGMA foreign_key_check")]


def misfits(database: Database, width: int) -> dict[str, int]:
    """How many pictures have something that no indexing run writes, by what it is; `width`: bytes of a code."""
    row = database.rows(
        "SELECT TOTAL(code IS NOT NULL AND (typeof(code) <> 'blob' OR length(code) <> ?)),"
        " TOTAL(typeof(digest) <> 'blob' OR length(digest) <> 16),"
        " TOTAL(typeof(name) <> 'blob' OR length(name) = 0 OR name IN (x'2E', x'2E2E') OR instr(name, x'2F') > 0),"
        " TOTAL(typeof(size) <> 'integer' OR typeof(mtime_ns) <> 'integer' OR typeof(width) <> 'integer'"
        " OR typeof(height) <> 'integer' OR typeof(taken) NOT IN ('integer', 'null'))"
        " FROM picture",
        (width,),
    )[0]
    kinds = ("codes of another length", "no proper digest", "no proper name", "sizes or times that are no numbers")
    (folders,) = database.rows(
        "SELECT COUNT(*) FROM picture JOIN folder ON folder.id = picture.folder WHERE typeof(path) <> 'blob'"
        " OR instr(x'2F' || CAST(path AS TEXT) || '/', '/../') > 0"
    )[0]
    counts = {**dict(zip(kinds, map(int, row), strict=True)), "a folder outside the library's": folders}
    (embeddings,) = database.rows(
        "SELECT COUNT(*) FROM embedding WHERE typeof(kept) <> 'blob' OR length(kept) <>"
        " (SELECT length(kept) FROM embedding GROUP BY length(kept) ORDER BY COUNT(*) DESC LIMIT 1)"
    )[0]
    return {**counts, "embeddings of another length": embeddings}


def unfit_columns(database: Database) -> dict[str, int]:
    """Users' own columns with values that are not of the column's kind, and how many."""
    rows = database.rows(
        "SELECT name, COUNT(*) FROM own_value JOIN own_column ON own_column.id = own_column"
        " WHERE NOT CASE kind WHEN 'text' THEN typeof(value) = 'text'"
        " WHEN 'number' THEN typeof(value) IN ('integer', 'real') WHEN 'boolean' THEN value IN (0, 1)"
        f" WHEN 'date' THEN typeof(value) = 'integer' AND value >= {YEARS[0]} AND value < {YEARS[1]} ELSE 0 END"
        " GROUP BY own_column.id ORDER BY own_column.id"
    )
    return {str(name): count for name, count in rows}
