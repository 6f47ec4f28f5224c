"""Pictures in JSON, put together by SQLite, while Python's other threads go on.

What is in any way odd is left to Python: names that are not UTF-8, addresses of the web, moments in no year of four
digits, what no indexing run writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from transhash.library.catalogue.database import Database
from transhash.library.catalogue.kinds import YEARS

_BLOBS, _NUMBERS = ("path", "name", "digest", "code"), ("size", "mtime_ns", "width", "height")
_CONDITIONS = [
    *(f"typeof({each}) = 'blob'" for each in _BLOBS),
    *(f"typeof({each}) = 'integer' AND {each} >= 0" for each in _NUMBERS),
    "length(name) > 0 AND name NOT IN (x'2E', x'2E2E') AND instr(name, x'2F') = 0 AND instr(name, x'00') = 0",
    # no NUL, no two dots, no colon; and no slash at its end
    *(f"instr(path, x'{each}') = 0" for each in ("00", "2E2E", "3A")),
    "substr(path, -1) <> x'2F'",
    f"(taken IS NULL OR (typeof(taken) = 'integer' AND taken >= {YEARS[0]} AND taken < {YEARS[1]}))",
]
_PATH = "CASE length(path) WHEN 0 THEN name ELSE path || '/' || name END"


def _text(blob: str) -> str:
    return f"CAST({blob} AS TEXT)"


def _moment(seconds: str, zone: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%S{zone}', {seconds}, 'unixepoch')"


_VALUES = {
    "id": "picture.id",
    "path": _text(_PATH),
    "folder": _text("path"),
    "name": _text("name"),
    "width": "width",
    "height": "height",
    "bytes": "size",
    "taken": _moment("taken", ""),
    "modified": _moment("mtime_ns / 1000000000", "Z"),
    "code": "lower(hex(code))",
    "columns": "json('{{}}')",  # two braces, for `Database.chosen` makes one of them
    "version": "lower(hex(substr(digest, 1, 6)))",
}
_JSON = ", ".join(f"'{key}', {value}" for key, value in _VALUES.items())
_SQL = (  # one row for all of them: before each, Python lets its other threads go on, and then waits for them
    f"SELECT group_concat(picture.id, ' '), CAST(group_concat(json_object({_JSON}), char(10)) AS BLOB)"
    " FROM picture JOIN folder ON folder.id = picture.folder"
    f" WHERE code IS NOT NULL AND vanished IS NULL AND {' AND '.join(_CONDITIONS)} AND picture.id IN ({{}})"
)


def written(database: Database, ids: Iterable[int]) -> dict[int, str]:
    """Those of some pictures that are plain and that search can find, by id.

    Each as `transhash.library.Picture.to_dict` has it, in JSON, without users' own columns.
    """
    if os.sep != "/":
        return {}
    found: dict[int, str] = {}
    with suppress(ValueError):  # not UTF-8, or not as expected: those pictures are left to Python
        for some, texts in database.chosen(_SQL, ids):
            if some is not None:  # JSON has no line break within a text
                found.update(zip(map(int, some.split(" ")), texts.decode().split("\n"), strict=True))
    return found
