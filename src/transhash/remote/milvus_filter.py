"""Filters as Milvus's expressions, with the meaning that `catalogue.sql` gives them in SQL.

Milvus compares letters as they are, so that a text is stored once more in small letters for `like`. A picture's values
for users' own columns lie in one JSON field: `own["value"]`, `own["lower"]` and, where it has none, `own["absent"]`.
Paths are stored as the library has them; a pattern for absolute paths is first walked through the folder that contains
the library, and what remains of it is matched with the relative path.
"""

from __future__ import annotations

import math
import os
import string
from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

from transhash.library.catalogue.kinds import BUILT_IN, Kind
from transhash.library.catalogue.where import Condition, Junction, Literal, Tree

EVERY, NONE = "id >= 0", "id < 0"
NEVER = -(2**62)  # `taken` of a picture that has no such date
ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})
_GREATEST = 1.7976931348623157e308
_SIGNS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_ABSOLUTE, _RELATIVE = '({0} >= "/" and {0} < "0")', '({0} < "/" or {0} >= "0")'
_RESULTS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
_Compare: TypeAlias = Callable[[str, str, Sequence[Literal]], str]


def expression(tree: Tree, base: str) -> str:
    """A filter as Milvus's expression; `base`: the folder that contains the library."""
    if isinstance(tree, Junction):
        return _joined(tree.word, [expression(part, base) for part in tree.parts])
    if tree.column == "name":
        return _texts("name", tree.operator, tree.literals)
    if tree.kind == Kind.PATH:
        return _path(tree, base)
    if tree.column in BUILT_IN:
        return _taken(tree) if tree.column == "taken" else _built_in(tree)
    return _own(tree)


def _taken(condition: Condition) -> str:
    if condition.operator in ("null", "not null"):
        return f"taken {'==' if condition.operator == 'null' else '>'} {NEVER}"
    return f"(taken > {NEVER} and {_built_in(condition)})"


def _own(condition: Condition) -> str:
    key = _quoted(condition.column)
    if condition.operator in ("null", "not null"):
        return f'own["absent"][{key}] == {int(condition.operator == "null")}'
    value, lower = f'own["value"][{key}]', f'own["lower"][{key}]'
    if condition.kind == Kind.TEXT:
        compared = _texts(value, condition.operator, condition.literals, lower)
    elif condition.kind == Kind.DATE:
        compared = _dates(value, condition, 1, _real)
    else:
        compared = _real(value, condition.operator, condition.literals)
    return f'(own["absent"][{key}] == 0 and {compared})'


def _built_in(condition: Condition) -> str:
    if condition.operator in ("null", "not null"):
        return NONE if condition.operator == "null" else EVERY
    if condition.kind == Kind.DATE:
        return _dates(condition.column, condition, 10**9 if condition.column == "modified" else 1, _whole)
    return _whole(condition.column, condition.operator, condition.literals)


def _dates(field: str, condition: Condition, unit: int, compare: _Compare) -> str:
    """Moments compared with spans of time: `= '2024'` is any moment of that year."""
    spans = [(first * unit, end * unit) for first, end in cast("tuple[tuple[int, int], ...]", condition.literals)]
    if condition.operator in ("=", "in", "!=", "not in"):
        inside = condition.operator in ("=", "in")
        parts = [
            _joined("and", [compare(field, ">=", [first]), compare(field, "<", [end])])
            if inside
            else _joined("or", [compare(field, "<", [first]), compare(field, ">=", [end])])
            for first, end in spans
        ]
        return _joined("or" if inside else "and", parts)
    ((first, end),) = spans
    sign, bound = {"<": ("<", first), "<=": ("<", end), ">": (">=", end), ">=": (">=", first)}[condition.operator]
    return compare(field, sign, [bound])


def _whole(field: str, operator: str, literals: Sequence[Literal]) -> str:
    """A field of whole numbers, which Milvus compares with whole numbers only."""
    numbers = [cast(float, each) for each in literals]
    if operator in ("in", "not in", "=", "!="):
        fitting = [int(each) for each in numbers if math.isfinite(each) and each == int(each) and abs(each) < 2**63]
        negated = operator in ("not in", "!=")
        if not fitting:
            return EVERY if negated else NONE
        return f"{field} {'not in' if negated else 'in'} {fitting}"
    (number,) = numbers
    if abs(number) >= 2**63:
        return EVERY if (number > 0) == (operator in ("<", "<=")) else NONE
    bound = math.ceil(number) if operator in ("<", ">=") else math.floor(number)
    return f"{field} {operator} {bound}"


def _real(field: str, operator: str, literals: Sequence[Literal]) -> str:
    """Numbers in JSON, which may be whole or not; a list must be of one sort."""
    numbers = [number(max(-_GREATEST, min(_GREATEST, cast(float, each)))) for each in literals]
    if operator in ("in", "not in"):
        sorts = [[each for each in numbers if isinstance(each, sort)] for sort in (int, float)]
        parts = [f"{field} {operator} {each}" for each in sorts if each]
        return _joined("and" if operator == "not in" else "or", parts)
    return f"{field} {_SIGNS[operator]} {numbers[0]}"


def number(value: float) -> float:
    """A number as it is stored: a whole one as such."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _texts(field: str, operator: str, literals: Sequence[Literal], lower: str = "") -> str:
    texts = [stored_text(cast(str, each)) for each in literals]
    if operator in ("null", "not null"):
        return NONE if operator == "null" else EVERY
    if operator in ("like", "not like"):
        return _like(lower or f"{field}_lower", operator, texts[0])
    if operator in ("in", "not in"):
        return f"{field} {operator} [{', '.join(map(_quoted, texts))}]"
    return f"{field} {_SIGNS[operator]} {_quoted(texts[0])}"


def _like(field: str, operator: str, pattern: str) -> str:
    pattern = pattern.translate(ASCII_LOWER).replace("*", "%")
    positive = operator == "like"
    if "%" not in pattern:
        return f"{field} {'==' if positive else '!='} {_quoted(pattern)}"
    start = pattern.rstrip("%")
    if not start:
        return EVERY if positive else NONE
    if "%" not in start:  # as a range: it needs no `not`, and Milvus Lite takes an escape here for itself
        low, high = _quoted(start), _quoted(start + "\U0010ffff")
        return f"({field} >= {low} and {field} < {high})" if positive else f"({field} < {low} or {field} >= {high})"
    escaped = pattern.replace("\\", "\\\\").replace("_", "\\_")
    return f"{'' if positive else 'not '}({field} like {_quoted(escaped)})"


def _path(condition: Condition, base: str) -> str:
    """A path or a folder: literals that begin with / are absolute, others relative to `base`."""
    field, operator = condition.column, condition.operator
    if operator in ("null", "not null"):
        return NONE if operator == "null" else EVERY
    literals = [cast(str, each) for each in condition.literals]
    if field == "folder":
        literals = ["" if each == "." else each.rstrip(os.sep) or each[:1] for each in literals]
    absolute = [each for each in literals if each.startswith(os.sep)]
    relative = [each for each in literals if not each.startswith(os.sep)]
    parts = [_texts(field, operator, relative)] if relative else []
    if absolute:
        below = _absolute(field, operator, absolute, stored_text(base))
        outside = _joined("and", [_ABSOLUTE.format(field), _texts(field, operator, absolute)])
        parts.append(_joined("or", [outside, _joined("and", [_RELATIVE.format(field), below])]))
    return _joined("and" if operator == "not in" else "or", parts)


def _absolute(field: str, operator: str, literals: list[str], base: str) -> str:
    """Of pictures below `base`, those whose absolute path compares so."""
    prefix = base.rstrip("/") + "/"
    itself = f'{field} == ""'  # the folder that contains the library is stored as nothing, and has no / after it
    if operator in ("like", "not like"):
        pattern = literals[0].translate(ASCII_LOWER).replace("*", "%")
        rests = {pattern[at:] for at in _walked(pattern, prefix.translate(ASCII_LOWER))}
        word = "or" if operator == "like" else "and"
        none = NONE if operator == "like" else EVERY
        below = _joined(word, [_like(field + "_lower", operator, rest) for rest in sorted(rests)]) if rests else none
        if field == "folder":
            is_base = len(pattern) in _closed(pattern, _walked(pattern, base.translate(ASCII_LOWER)))
            of_base = EVERY if is_base == (operator == "like") else NONE
            below = _joined("or", [f'({field} != "" and {below})', f"({itself} and {of_base})"])
        return below
    if operator in ("in", "not in"):
        same, word = ("=", "or") if operator == "in" else ("!=", "and")
        return _joined(word, [_absolute(field, same, [each], base) for each in literals])
    (literal,) = literals
    if literal.startswith(prefix):
        below = _texts(field, operator, [literal[len(prefix) :]])
    else:  # the comparison is decided before a relative path begins
        below = EVERY if _RESULTS[operator](prefix, literal) else NONE
    if field == "folder":
        of_base = EVERY if _RESULTS[operator](base, literal) else NONE
        below = _joined("or", [f'({field} != "" and {below})', f"({itself} and {of_base})"])
    return below


def _walked(pattern: str, text: str) -> set[int]:
    """Where in a pattern one may be after it has matched all of a text."""
    places = {0}
    for letter in text:
        places = {at if pattern[at] == "%" else at + 1 for at in _closed(pattern, places)
                  if at < len(pattern) and pattern[at] in ("%", letter)}  # fmt: skip
    return places


def _closed(pattern: str, places: set[int]) -> set[int]:
    """With the places past any % that stands for nothing more."""
    found = set(places)
    for at in places:
        while at < len(pattern) and pattern[at] == "%":
            at += 1
            found.add(at)
    return found


def _joined(word: str, parts: list[str]) -> str:
    """Conditions joined in pairs of pairs: engines nest one inside another, and have a limit."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_joined(word, parts[:half])} {word} {_joined(word, parts[half:])})"


def stored_text(text: str) -> str:
    """A text as it is stored: what is not UTF-8 in a path becomes a question mark on a diamond."""
    return os.fsencode(text).decode("utf-8", "replace")


def _quoted(text: str) -> str:
    """A text in double quotes; other signs than these stand for themselves, in Milvus Lite they must."""
    return '"' + text.translate(_ESCAPES) + '"'
