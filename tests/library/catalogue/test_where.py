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
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_model import FakeModel
from filters import BASE, COLUMNS, OWN, filled, trees, written
from transhash import Library
from transhash.errors import FilterError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.where import MAX_CONDITIONS, parse

__all__ = ["filled"]  # a fixture


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
    assert sorted(catalogue.columns.matching(written(tree), BASE).tolist()) == expected


@settings(max_examples=300, deadline=None)
@given(st.text("()'\"<>=!,* aAnNdDoOrR%019.MBwidthlabel-", max_size=30) | st.text(max_size=20))
def test_any_text_is_a_filter_or_an_error_with_a_position(
    filled: tuple[Catalogue, dict[int, dict[str, Any]]], text: str
) -> None:
    message = ""
    try:
        filled[0].columns.matching(text, BASE)
    except FilterError as error:
        message = str(error)
    assert not message or re.search(r", character \d+: expected .*, but found ", message, re.DOTALL)


def test_precedence_is_not_and_or(filled: tuple[Catalogue, dict[int, dict[str, Any]]]) -> None:
    def ids(where: str) -> list[int]:
        return filled[0].columns.matching(where, BASE).tolist()

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
    assert len(catalogue.columns.matching(longest, BASE)) == len(known)
    assert len(catalogue.columns.matching(f"width in ({', '.join(map(str, range(9000)))})", BASE)) == len(known)
    dates = " or ".join(["taken = '1969'"] * (MAX_CONDITIONS // 2 + 1))  # each is two conditions in SQLite
    for text in (
        "(" * 200,
        "not " * 200,
        " or ".join(["width > 0"] * 600),
        "width in (" + "1, " * 20_000 + "1)",
        dates,
    ):
        with pytest.raises(FilterError, match="expected at most"):
            catalogue.columns.matching(text, BASE)


def test_moments_that_no_file_can_have_are_compared(filled: tuple[Catalogue, dict[int, dict[str, Any]]]) -> None:
    catalogue, known = filled
    for text in ("modified > '0001'", "modified <= '9999-12-31'", "not modified = '2500'"):
        assert len(catalogue.columns.matching(text, BASE)) == len(known)


@pytest.mark.parametrize("text", ["path = '\ud800'", "path like '\ud800*'", "name in ('\ud800')"])
def test_a_text_that_no_path_can_have_is_an_error(text: str) -> None:
    with pytest.raises(FilterError, match="expected a text"):
        parse(text, OWN)


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
