"""Filters as SQL: a tree of `transhash.library.catalogue.where` becomes a condition on `picture` and its parameters.

The text is put together from the constants here alone; whatever a user wrote is a parameter. Users' own columns are
subqueries on the index of their values, so that a selective one is not paid for with a look at every picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from transhash.library.catalogue.kinds import Kind
from transhash.library.catalogue.where import Condition, Junction, Literal, Tree

Compiled: TypeAlias = "tuple[str, list[Any]]"

_NUMBERS = {"width": "picture.width", "height": "picture.height", "size": "picture.size", "taken": "picture.taken"}
_NUMBERS["modified"] = "picture.mtime_ns"
_OPERATORS = {"=", "!=", "<", "<=", ">", ">="}
_LIKE = {"like": "LIKE", "not like": "NOT LIKE"}

# A folder's path as it is stored, and absolute; then what precedes a name in that folder. `?` is the folder that
# contains the library, without and with a separator. Paths are blobs, and become texts where they are joined.
_FOLDER = "path"
_ABSOLUTE_FOLDER = (
    "CAST(CASE WHEN length(path) = 0 THEN ? WHEN substr(path, 1, 1) = x'2F' THEN path ELSE ? || path END AS BLOB)"
)
_BEFORE = "CASE WHEN length(path) = 0 OR path = x'2F' THEN path ELSE path || '/' END"
_ABSOLUTE_BEFORE = (
    "CASE WHEN length(path) = 0 THEN ? WHEN path = x'2F' THEN path"
    " WHEN substr(path, 1, 1) = x'2F' THEN path || '/' ELSE ? || path || '/' END"
)
_PATH = "(SELECT CAST({} || picture.name AS BLOB) FROM folder WHERE folder.id = picture.folder)"


def compiled(tree: Tree, own: Mapping[str, int], base: bytes) -> Compiled:
    """The condition and its parameters; `own`: ids of users' own columns, `base`: the folder that has the library."""
    if isinstance(tree, Junction):
        parts = [compiled(part, own, base) for part in tree.parts]
        sql = f" {tree.word.upper()} ".join(sql for sql, _ in parts)
        return f"({sql})", [parameter for _, parameters in parts for parameter in parameters]
    if tree.column in own:
        return _own(tree, own[tree.column])
    if tree.kind == Kind.PATH:
        return _path(tree, base)
    return _compared(_NUMBERS[tree.column], tree, 10**9 if tree.column == "modified" else 1)


def _own(condition: Condition, column: int) -> Compiled:
    values = "(SELECT picture FROM own_value WHERE own_column = ?"
    if condition.operator == "null":
        return f"picture.id NOT IN {values})", [column]
    if condition.operator == "not null":
        return f"picture.id IN {values})", [column]
    sql, parameters = _compared("value", condition)
    return f"picture.id IN {values} AND {sql})", [column, *parameters]


def _path(condition: Condition, base: bytes) -> Compiled:
    if condition.operator in ("null", "not null"):
        return ("1" if condition.operator == "not null" else "0"), []
    if condition.column == "name":
        return _compared("picture.name", condition, literal=_bytes)
    prefix = os.path.join(base, b"")
    stored, absolute = (_FOLDER, _ABSOLUTE_FOLDER) if condition.column == "folder" else (_BEFORE, _ABSOLUTE_BEFORE)
    if condition.column == "folder":
        known: dict[bool, Compiled] = {False: (stored, []), True: (absolute, [base, prefix])}
    else:
        known = {False: (_PATH.format(stored), []), True: (_PATH.format(absolute), [prefix, prefix])}
    parts = []
    for is_absolute, (expression, parameters) in known.items():
        literals = tuple(each for each in condition.literals if cast(str, each).startswith(os.sep) == is_absolute)
        if literals:
            own = Condition(condition.column, condition.kind, condition.operator, literals)
            sql, more = _compared(expression, own, literal=_folder if condition.column == "folder" else _bytes)
            if condition.column == "folder":
                sql = f"picture.folder IN (SELECT id FROM folder WHERE {sql})"
            parts.append((sql, [*parameters, *more]))
    joined = (" AND " if condition.operator == "not in" else " OR ").join(sql for sql, _ in parts)
    return f"({joined})", [parameter for _, parameters in parts for parameter in parameters]


def _compared(
    expression: str, condition: Condition, unit: int = 1, literal: Callable[[Literal], Any] = lambda each: each
) -> Compiled:
    operator, literals = condition.operator, condition.literals
    if operator in ("null", "not null"):
        return f"{expression} IS {operator.upper()}", []
    if condition.kind == Kind.DATE:
        spans = [cast("tuple[int, int]", each) for each in literals]
        return _dates(expression, operator, [(_held(first * unit), _held(end * unit)) for first, end in spans])
    if operator in _LIKE:
        like = f"{_LIKE[operator]} CAST(? AS TEXT) ESCAPE '\\'"  # cast: some builds of SQLite match no blobs
        return f"CAST({expression} AS TEXT) {like}", [literal(_pattern(cast(str, literals[0])))]
    if operator in ("in", "not in"):
        places = ", ".join("?" * len(literals))
        return f"{expression} {operator.upper()} ({places})", [literal(each) for each in literals]
    assert operator in _OPERATORS  # the parser knows no other
    return f"{expression} {operator} ?", [literal(literals[0])]


def _dates(expression: str, operator: str, spans: list[tuple[int, int]]) -> Compiled:
    """Moments compared with spans of time: `= '2024'` is any moment of that year."""
    if operator in ("=", "in"):
        sql = " OR ".join([f"{expression} >= ? AND {expression} < ?"] * len(spans))
        return f"({sql})", [bound for span in spans for bound in span]
    if operator in ("!=", "not in"):
        sql = " AND ".join([f"({expression} < ? OR {expression} >= ?)"] * len(spans))
        return f"({sql})", [bound for span in spans for bound in span]
    ((first, end),) = spans
    comparison, bound = {"<": ("<", first), "<=": ("<", end), ">": (">=", end), ">=": (">=", first)}[operator]
    return f"{expression} {comparison} ?", [bound]


def _held(moment: int) -> int:
    """A bound as SQLite can take it; moments are in the catalogue within the same bounds (`modified`)."""
    return max(-(2**63), min(moment, 2**63 - 1))


def _pattern(text: str) -> str:
    """A pattern of ours as one of SQL's: * and % stand for anything, and nothing else does."""
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("*", "%")


def _bytes(literal: Literal) -> bytes:
    return os.fsencode(cast(str, literal))


def _folder(literal: Literal) -> bytes:
    """A folder as it is stored: without a separator at its end, the one with the library as nothing."""
    text = cast(str, literal)
    return os.fsencode("" if text == "." else text.rstrip(os.sep) or text[:1])
