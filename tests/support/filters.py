"""A catalogue with something in every column, and random filters over it as trees and as they are written."""

from __future__ import annotations

import calendar
import os
from datetime import datetime
from typing import Any

import pytest
from hypothesis import strategies as st

from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import Facts
from transhash.library.catalogue.kinds import Kind
from transhash.library.catalogue.records import Coded, File

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
        columns = catalogue.columns.added(OWN)
        for number in range(len(FOLDERS) * len(NAMES)):
            folder, name = FOLDERS[number % len(FOLDERS)], NAMES[number // len(FOLDERS)]
            modified = VALUES[Kind.DATE][number % 5] * 10**9 + (number % 3) * 333_333_333
            taken = pick(VALUES[Kind.DATE], number * 5 + number // 6)
            width, height, size = 700 + number * 7, 800, number * 100_000
            catalogue.pictures.put(
                File(folder, name, size, modified, b"0" * 16), Coded(width, height, b"8 bytes.", None, None, taken)
            )
            id_ = catalogue.database.rows("SELECT MAX(id) FROM picture")[0][0]
            own = {key: pick(VALUES[kind], number * 7 + at) for at, (key, kind) in enumerate(OWN.items())}
            catalogue.columns.set_values([(id_, {columns[key].id: value for key, value in own.items()})])
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
