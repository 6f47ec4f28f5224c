"""Pictures in JSON, put together by SQLite, while Python's other threads go on.

What is in any way odd is left to Python: names that are not UTF-8, addresses of the web, moments in no year of four
digits, what no indexing run writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from transhash.library.catalogue.database import Database

_BLOBS, _NUMBERS = ("path", "name", "digest", "code"), ("size", "mtime_ns", "width", "height")
_CONDITIONS = [
    *(f"typeof({each}) = 'blob'" for each in _BLOBS),
    *(f"typeof({each}) = 'integer' AND {each} >= 0" for each in _NUMBERS),
    "length(name) > 0 AND name NOT IN (x'2E', x'2E2E') AND instr(name, x'2F') = 0 AND instr(name, x'00') = 0",
    # no NUL, no two dots, no colon; and no slash at its end
    *(f"instr(path, x'{each}') = 0" for each in ("00", "2E2E", "3A")),
    "substr(path, -1) <> x'2F'",
    "(taken IS NULL OR (typeof(taken) = 'integer' AND taken BETWEEN -62135596800 AND 253402300799))",
]
_PATH = "CASE length(path) WHEN 0 THEN name ELSE path || '/' || name END"


def _text(blob: str) -> str:
    return f"json_quote(CAST({blob} AS TEXT))"


def _moment(seconds: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch')"


_PARTS = [
    "'{{\"id\":' || picture.id",  # two braces, for `Database.chosen` makes one of them
    f"',\"path\":' || {_text(_PATH)}",
    f"',\"folder\":' || {_text('path')}",
    f"',\"name\":' || {_text('name')}",
    "',\"width\":' || width || ',\"height\":' || height || ',\"bytes\":' || size",
    f"',\"taken\":' || CASE WHEN taken IS NULL THEN 'null' ELSE '\"' || {_moment('taken')} || '\"' END",
    f'\',"modified":"\' || {_moment("mtime_ns / 1000000000")}',
    '\'Z","code":"\' || lower(hex(code)) || \'","columns":\'',
]
_LINES = " || char(10) || ".join(["picture.id", " || ".join(_PARTS), "lower(hex(substr(digest, 1, 6)))"])
_SQL = (  # one row for all of them: before each, Python lets its other threads go on, and then waits for them
    f"SELECT CAST(group_concat({_LINES}, char(10)) AS BLOB) FROM picture JOIN folder ON folder.id = picture.folder"
    f" WHERE code IS NOT NULL AND vanished IS NULL AND {' AND '.join(_CONDITIONS)} AND picture.id IN ({{}})"
)


def written(database: Database, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Those of some pictures that are plain and that search can find, by id.

    Each as `transhash.library.Picture.to_dict` has it, in JSON, up to and with the key of users' own columns; and its
    version, which comes after them.
    """
    if os.sep != "/":
        return {}
    found: dict[int, tuple[str, str]] = {}
    with suppress(ValueError):  # not UTF-8, or not as expected: those pictures are left to Python
        for (text,) in database.chosen(_SQL, ids):
            lines = [] if text is None else text.decode().split("\n")  # JSON has no line break within a text
            found.update(zip(map(int, lines[::3]), zip(lines[1::3], lines[2::3], strict=True), strict=True))
    return found
