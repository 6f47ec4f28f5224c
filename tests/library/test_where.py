"""Filters: the language against an oracle in Python, its errors, and searches under a filter."""

from __future__ import annotations

import calendar
import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fake_model import FakeModel
from hypothesis import given, settings
from hypothesis import strategies as st

from transhash import Library
from transhash.errors import FilterError
from transhash.library.catalogue.database import Facts
from transhash.library.catalogue.kinds import Kind
from transhash.library.catalogue.pictures import Catalogue, Coded, File
from transhash.library.catalogue.where import MAX_CONDITIONS, parse

BASE = b"/home/me/photos"
FOLDERS = [b"", b"cat", b"Cat_1", b"cat/\xff%", b"/elsewhere", b"/"]
NAMES = [b"a.jpg", b"B.JPG", b"x'y.png", b"100%.png", b"a_b.jpg"]
NUMBERS = [0, 1, 799, 800, 800.5, 2_000_000, -3, 2**60]
TEXTS = ["", "cat", "Cat", "it's", "a_b", "50%", "straße", "a\\b", '"']
DATES = [
    "1969-12-31 23:59:59",
    "2023-12-31 23:59:59",
    "2024-01-01 00:00:00",
    "2024-02-29 12:30:00",
    "2024-05-01 00:00:07",
]
WRITTEN = ["1969", "2024", "2024-02", "2024-02-29", "2024-12-31 23:59", "2024-05-01 00:00:07", "2024-01-01"]
OWN = {"label": Kind.TEXT, "score": Kind.NUMBER, "good": Kind.BOOLEAN, "day": Kind.DATE, "and": Kind.NUMBER}
VALUES: dict[Kind, list[Any]] = {
    Kind.TEXT: TEXTS[1:],
    Kind.NUMBER: NUMBERS,
    Kind.BOOLEAN: [0, 1],
    Kind.DATE: [calendar.timegm(datetime.fromisoformat(date).timetuple()) for date in DATES],
}
COLUMNS = {"path": "path", "folder": "path", "name": "path", "width": "number", "height": "number", "size": "size"}
COLUMNS |= {"taken": "date", "modified": "date", **{name: kind.value for name, kind in OWN.items()}}


def pick(options: list[Any], seed: int) -> Any:
    """One of some options, or nothing."""
    return (*options, None)[seed % (len(options) + 1)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, dict[int, dict[str, Any]]]:
    """A catalogue of 30 pictures, and what the oracle knows of them."""
    catalogue = Catalogue(tmp_path_factory.mktemp("where") / "c", new=Facts("m", "f", 64, b"/", "2026"))
    known: dict[int, dict[str, Any]] = {}
    with catalogue.writing():
        columns = {name: catalogue.add_column(name, kind) for name, kind in OWN.items()}
        for number in range(len(FOLDERS) * len(NAMES)):
            folder, name = FOLDERS[number % len(FOLDERS)], NAMES[number // len(FOLDERS)]
            modified = VALUES[Kind.DATE][number % 5] * 10**9 + (number % 3) * 333_333_333
            taken = pick(VALUES[Kind.DATE], number * 5 + number // 6)
            width, height, size = 700 + number * 7, 800, number * 100_000
            catalogue.put(
                File(folder, name, size, modified, b"0" * 16), Coded(width, height, b"8 bytes.", None, None, taken)
            )
            id_ = catalogue.rows("SELECT MAX(id) FROM picture")[0][0]
            own = {key: pick(VALUES[kind], number * 7 + at) for at, (key, kind) in enumerate(OWN.items())}
            catalogue.set_values(id_, {columns[key].id: value for key, value in own.items()})
            known[id_] = {"name": name, "width": width, "height": height, "size": size, "taken": taken, **own}
            known[id_] |= {"modified": modified / 10**9, "folder": folder, "path": os.path.join(folder, name)}
    return catalogue, known


# A tree: ("AND" | "OR", left, right), ("NOT", tree), or (column, operator, written literals)

plain = {
    "path": st.sampled_from(
        ["", ".", "cat", "cat/", "Cat_1", "/elsewhere", "/", "/home/me/photos", "/home/me/photos/cat"]
    )
    | st.sampled_from(["a.jpg", "b.jpg", "cat/a.jpg", "/a.jpg", "/home/me/photos/x'y.png", "cat/\udcff%/a_b.jpg"]),
    "text": st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    "date": st.sampled_from(WRITTEN),
}
quoted = {kind: texts.map(lambda text: "'" + text.replace("'", "''") + "'") for kind, texts in plain.items()}
literals = {
    **quoted,
    "number": st.sampled_from(["0", "-3", "800", "800.5", "1e3", "+1", str(2**60), str(2**70), "1e999"]),
    "size in bytes": st.sampled_from(["0", "2MB", "1.5mb", "500 KB".replace(" ", ""), "1MiB", "2000000", "1tb"]),
    "size": st.sampled_from(["0", "2MB", "1.5mb", "500KB", "1MiB", "2000000", "1tb"]),
    "boolean": st.sampled_from(["true", "false", "TRUE"]),
}
patterns = st.text("*%_aAbBcCtT/.\\'?1", max_size=6) | st.sampled_from(["/home/*", "*/a*", "cat*", "%straß%", "/*"])


@st.composite
def conditions(draw: st.DrawFn) -> tuple[Any, ...]:
    column = draw(st.sampled_from(sorted(COLUMNS)))
    kind = COLUMNS[column]
    operators = ["=", "!=", "in", "not in", "null", "not null"]
    operators += ["<", "<=", ">", ">="] if kind != "boolean" else []
    operators += ["like", "not like"] if kind in ("path", "text") else []
    operator = draw(st.sampled_from(operators))
    if "null" in operator:
        return column, operator, []
    if "like" in operator:
        return column, operator, ["'" + draw(patterns).replace("'", "''") + "'"]
    most = 4 if "in" in operator else 1
    return column, operator, draw(st.lists(literals[kind], min_size=1, max_size=most))


trees = st.recursive(
    conditions(),
    lambda inner: st.tuples(st.sampled_from(["AND", "OR"]), inner, inner) | st.tuples(st.just("NOT"), inner),
    max_leaves=6,
)


def written(tree: tuple[Any, ...]) -> str:
    """A tree as text, with more parentheses than needed."""
    if tree[0] == "NOT":
        return f"NOT ({written(tree[1])})"
    if tree[0] in ("AND", "OR"):
        return f"({written(tree[1])}) {tree[0]} ({written(tree[2])})"
    column, operator, texts = tree
    name = '"and"' if column == "and" else column
    if "null" in operator:
        return f"{name} is {operator}"
    return f"{name} {operator} " + (f"({', '.join(texts)})" if "in" in operator else texts[0])


def truth(tree: tuple[Any, ...], row: dict[str, Any]) -> bool | None:
    """Three-valued logic: None is unknown."""
    if tree[0] == "NOT":
        value = truth(tree[1], row)
        return None if value is None else not value
    if tree[0] in ("AND", "OR"):
        values = [truth(tree[1], row), truth(tree[2], row)]
        decisive = tree[0] == "OR"
        return decisive if decisive in values else None if None in values else not decisive
    column, operator, texts = tree
    value = row[column]
    if "null" in operator:
        return (value is None) == (operator == "null")
    if value is None:
        return None
    found = [compare(column, operator.removeprefix("not "), value, text) for text in texts]
    return any(found) != operator.startswith("not ") if operator != "!=" else not any(found)


def compare(column: str, operator: str, value: Any, text: str) -> bool:
    kind = COLUMNS[column]
    if text.startswith("'"):
        text = text[1:-1].replace("''", "'")
    if kind == "date":
        first, end = span(text)
        tests = {"<": value < first, "<=": value < end, ">": value >= end, ">=": value >= first}
        return tests.get(operator, first <= value < end)
    if kind == "path":
        if column != "name" and text.startswith("/"):
            value = os.path.join(BASE, value).removesuffix(b"/") or b"/"
        if column == "folder" and operator != "like":
            text = "" if text == "." else text.rstrip("/") or text[:1]
        if operator == "like":
            value = os.fsdecode(value)
        else:
            text = os.fsencode(text)
    if operator == "like":
        parts = [re.escape(part) for part in re.split(r"[*%]", text)]
        return re.fullmatch(".*".join(parts).lower(), lower(value), re.DOTALL) is not None
    if kind in ("number", "size"):
        text = size(text)
    if kind == "boolean":
        text = text.lower() == "true"
    tests: dict[str, Callable[[Any, Any], bool]] = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b}
    tests |= {">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
    return tests.get(operator, lambda a, b: a == b)(value, text)


def lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def size(text: str) -> float:
    units = {"kb": 1000, "mb": 1000**2, "tb": 1000**4, "mib": 1024**2}
    number, unit = re.fullmatch(r"(.*?)([a-z]*)", text.lower().replace("e", "E")).groups()
    value = float(number) if re.search(r"[.E]", number) or abs(int(number)) >= 2**63 else int(number)
    return value * units.get(unit, 1)


def span(text: str) -> tuple[int, int]:
    """By filling up what is missing with the least and the greatest that is possible."""
    least = text + "0000-01-01 00:00:00"[len(text) :]
    if len(text) == 7:
        greatest = f"{text}-{calendar.monthrange(int(text[:4]), int(text[5:]))[1]} 23:59:59"
    else:
        greatest = text + "0000-12-31 23:59:59"[len(text) :]
    first, last = (calendar.timegm(datetime.fromisoformat(each).timetuple()) for each in (least, greatest))
    return first, last + 1


@settings(max_examples=600, deadline=None)
@given(trees)
def test_a_filter_means_what_the_oracle_says(
    filled: tuple[Catalogue, dict[int, dict[str, Any]]], tree: tuple[Any, ...]
) -> None:
    catalogue, known = filled
    expected = [id_ for id_, row in known.items() if truth(tree, row)]
    assert sorted(catalogue.matching(written(tree), BASE).tolist()) == expected


@settings(max_examples=300, deadline=None)
@given(st.text("()'\"<>=!,* aAnNdDoOrR%019.MBwidthlabel-", max_size=30) | st.text(max_size=20))
def test_any_text_is_a_filter_or_an_error_with_a_position(
    filled: tuple[Catalogue, dict[int, dict[str, Any]]], text: str
) -> None:
    message = ""
    try:
        filled[0].matching(text, BASE)
    except FilterError as error:
        message = str(error)
    assert not message or re.search(r", character \d+: expected .*, but found ", message, re.DOTALL)


def test_precedence_is_not_and_or(filled: tuple[Catalogue, dict[int, dict[str, Any]]]) -> None:
    def ids(where: str) -> list[int]:
        return filled[0].matching(where, BASE).tolist()

    assert ids("width < 720 or width > 880 and not label = 'cat' and size > 0") == ids(
        "(width < 720) or ((width > 880) and (not (label = 'cat')) and (size > 0))"
    )
    assert ids("LABEL == 'cat' AND Width <> 700") == ids("label = 'cat' and width != 700")


@pytest.mark.parametrize(
    ("text", "character", "expected", "found"),
    [
        ("", 1, "a column, `not` or `(`", "the end"),
        ("width >> 800", 8, "a number, such as 800", "'> 800'"),
        ("width > 2MB", 9, "a number, such as 800", "'2MB'"),
        ("size > 2XB", 8, "a size, such as 2MB", "'2XB'"),
        ("size > '2MB'", 8, "a size, such as 2MB", "\"'2MB'\""),
        ("taken < 2024", 9, "a date in single quotes, such as '2024' or '2024-05-01'", "'2024'"),
        ("taken < '2024-13'", 9, "a date in single quotes, such as '2024' or '2024-05-01'", "\"'2024-13'\""),
        ("label = cat", 9, "a text in single quotes", "'cat'"),
        ("label = 'cat", 9, "a closing '", '"\'cat"'),
        ("label 'cat'", 7, "an operator (=, !=, <, <=, >, >=, like, in, is null)", "\"'cat'\""),
        ("width like '8*'", 7, "=, <, `in` or the like, for the column holds a number", "\"like '8*'\""),
        ("good > true", 6, "= or !=, for the column holds true and false", "'> true'"),
        ("label in ()", 11, "a text in single quotes", "')'"),
        ("label in ('a' 'b')", 15, "`,` or `)`", "\"'b')\""),
        ("label is cat", 10, "`null` or `not null`", "'cat'"),
        ("label not = 'a'", 11, "`like` or `in`", "\"= 'a'\""),
        ("(width > 1", 11, "`and`, `or` or `)`", "the end"),
        ("width > 1 height > 1", 11, "`and`, `or` or the end", "'height > 1'"),
        ("width > 1; DROP TABLE picture", 10, "a column, an operator or a literal", "'; DROP TABLE picture'"),
        (
            "lable = 'cat'",
            1,
            "a column, of which there are and, day, folder, good, height, label, modified, name, path, score, size, "
            "taken, width",
            "\"lable = 'cat'\"",
        ),
    ],
)
def test_an_error_says_where_and_what(text: str, character: int, expected: str, found: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, OWN)
    assert str(caught.value) == f"filter {text!r}, character {character}: expected {expected}, but found {found}"


def test_a_filter_of_any_size_is_answered_or_refused(filled: tuple[Catalogue, dict[int, dict[str, Any]]]) -> None:
    catalogue, known = filled
    longest = " or ".join(["taken = '1969'", "label = 'none'"] * (MAX_CONDITIONS // 4) + ["width > 0"])
    assert len(catalogue.matching(longest, BASE)) == len(known)
    assert len(catalogue.matching(f"width in ({', '.join(map(str, range(9000)))})", BASE)) == len(known)
    for text in ("(" * 200, "not " * 200, " or ".join(["width > 0"] * 600), "width in (" + "1, " * 20_000 + "1)"):
        with pytest.raises(FilterError, match="expected at most"):
            catalogue.matching(text, BASE)


def test_search_finds_the_nearest_of_those_that_pass(library: Library, photos: Path, model: FakeModel) -> None:
    library.index(photos)
    query = photos / "cat" / "cat-0.png"
    everything = library.search(query, k=10)
    dogs = [hit for hit in everything if hit.path.parent.name == "dog"]

    assert library.search(query, k=10, where="folder = 'dog'") == dogs
    assert library.search(query, k=2, where=f"path like '{photos}/dog/*'") == dogs[:2]
    assert library.search(query, k=1, max_distance=dogs[0].distance, where="name like 'DOG*'") == dogs[:1]
    assert library.search([query], where="width > 24") == [[]]
    with pytest.raises(FilterError, match="character 1"):
        library.search(query, where="colour = 'red'")
