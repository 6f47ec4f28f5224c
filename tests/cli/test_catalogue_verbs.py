"""Verbs about what is known of pictures: filters, own columns, verifying, export and import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def indexed(run, photos: Path) -> Path:
    run("index", "photos")
    return photos


def test_search_where(run, indexed: Path) -> None:
    asked = ("search", "photos/cat/cat-0.png", "-l", "photos", "--max-distance", 0)

    assert run(*asked, "--where", "folder = 'cat' and width < 100").out == "   0  photos/cat/cat-0.png\n"
    nothing = run(*asked, "--where", "folder = 'dog'")
    assert (nothing.code, nothing.out) == (0, "")
    wrong = run(*asked, "--where", "folder = dog")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err == ("filter 'folder = dog', character 10: expected a text in single quotes, but found 'dog'\n")


def test_annotate(run, indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("path,label,day,name\ncat-0.png,tabby,2024-05-01,x\nnowhere.png,none,,y\n")
    result = run("annotate", "own.csv", "-l", "photos")

    assert (result.code, result.out) == (1, "1 of 2 rows matched: label (text), day (date)\n")
    assert result.err == (
        "column name left out: every picture has that of itself; rename it to keep it\n"
        "nowhere.png: no picture of the library, or several of this name; give its path\n"
    )
    found = run("search", "photos/cat/cat-0.png", "-k", 1, "-l", "photos", "--json", "--where", "label = 'tabby'")
    hit = json.loads(found.out)["hits"][0]
    assert hit["columns"] == {"label": "tabby", "day": "2024-05-01T00:00:00"}
    assert "columns   label (text), day (date)\n" in run("info", "-l", "photos").out

    assert run("annotate", "own.csv", "-l", "photos", "--key", "name").code == 2
    assert run("annotate", "-l", "photos").code == 2
    dropped = run("annotate", "-l", "photos", "--drop", "label", "--drop", "day")
    assert (dropped.code, dropped.out, dropped.err) == (0, "", "column label removed\ncolumn day removed\n")
    assert "columns" not in run("info", "-l", "photos").out


def test_annotate_json(run, indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("path,score\ncat-0.png,1\n")
    result = run("annotate", "own.csv", "-l", "photos", "--json")

    assert (result.code, result.err) == (0, "")
    report = {"rows": 1, "matched": 1, "unmatched": [], "columns": {"score": "number"}, "left_out": []}
    assert json.loads(result.out) == report
