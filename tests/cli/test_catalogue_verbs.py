"""Verbs about what is known of pictures: filters, own columns, verifying, export and import."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from transhash.library.catalogue.database import CATALOGUE
from transhash.library.opening import CODES


def test_search_where(run, indexed: Path) -> None:
    asked = ("search", "photos/cat/cat-0.png", "-l", "photos", "--max-distance", 0)

    assert (
        run(*asked, "--where", "folder = 'cat' and width < 100").out
        == "   0  photos/cat/cat-0.png  (the same picture)\n"
    )
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


def test_columns_are_dropped_all_or_none(run, indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("path,label\ncat-0.png,tabby\n")
    (tmp_path / "wrong.csv").write_text("name,label\ncat-0.png,tabby\n")
    run("annotate", "own.csv", "-l", "photos")

    none = run("annotate", "-l", "photos", "--drop", "label", "--drop", "nope")
    assert (none.code, "removed" in none.err) == (2, False)
    assert none.err.endswith("no column 'nope' of your own; there are: label\n")
    part = run("annotate", "wrong.csv", "-l", "photos", "--drop", "label", "--drop", "label")
    assert part.code == 1
    assert part.err.startswith("column label removed\n")
    assert "row 1 has no column 'path'" in part.err
    assert part.err.count("\n") == 2


def test_annotate_json(run, indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("path,score\ncat-0.png,1\n")
    result = run("annotate", "own.csv", "-l", "photos", "--json")

    assert (result.code, result.err) == (0, "")
    report = {"rows": 1, "matched": 1, "unmatched": [], "columns": {"score": "number"}, "left_out": []}
    assert json.loads(result.out) == report


def test_verify(run, indexed: Path) -> None:
    sound = run("verify", "-l", "photos")
    assert (sound.code, sound.out, sound.err) == (0, "photos/.transhash: 6 pictures, all is well\n", "")
    assert run("verify", "-l", "photos", "--deep").out == (
        "photos/.transhash: 6 pictures, all is well, 6 files read, 6 encoded again\n"
    )
    (indexed / ".transhash" / CODES).unlink()
    mended = run("verify", "-l", "photos")
    assert mended.code == 0
    assert mended.err.startswith("photos/.transhash/codes.hamming: ")
    (indexed / "cat" / "cat-0.png").unlink()
    gone = run("verify", "-l", "photos", "--deep")
    assert gone.code == 1
    assert gone.out.startswith("1 files are gone: ")
    assert gone.out.endswith("; mount their drive, or run `transhash index` on their folders\n")
    problems = json.loads(run("verify", "-l", "photos", "--deep", "--json").out)["problems"]
    assert [sorted(problem) for problem in problems] == [["remedy", "what"]]


def test_verify_a_library_that_cannot_be_opened(run, indexed: Path) -> None:
    (indexed / ".transhash" / CATALOGUE).write_bytes(b"SQLite format 3\0" + b"\xaa" * 9000)
    result = run("verify", "-l", "photos")
    assert (result.code, result.out) == (1, "")
    assert "catalogue.sqlite: " in result.err
    assert run("verify", "-l", "nowhere").code == 2


def test_export_and_import(run, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("export", "-l", "photos", "--to", "all.parquet").out == "6 pictures in all.parquet\n"
    assert run("export", "-l", "photos", "--to", ".").out == "6 pictures in library.parquet\n"
    assert run("export", "-l", "photos", "--to", "all.csv").code == 2
    again = run("import", "all.parquet", "-l", "photos")
    assert (again.code, again.out, again.err) == (0, "6 pictures in photos/.transhash: 0 added, 6 replaced\n", "")

    shutil.rmtree(indexed / ".transhash")
    monkeypatch.chdir(indexed)
    assert run("import", "../all.parquet").out == "6 pictures in .transhash: 6 added\n"
    assert run("search", "cat/cat-0.png", "-k", 1).out == "   0  cat/cat-0.png  (the same picture)\n"
    assert run("import", "../all.parquet", "--model", "other", "-l", "../new").code == 2
    assert not (tmp_path / "new").exists()


def test_an_import_elsewhere_says_that_the_pictures_are_not_there(run, indexed: Path) -> None:
    assert run("export", "--library", "photos", "--to", "all.parquet").out == "6 pictures in all.parquet\n"
    shutil.copy("all.parquet", indexed / "all.parquet")
    there = run("import", "all.parquet", "--library", "photos/other")
    assert (there.out, there.err) == ("6 pictures in photos/other: 6 added\n", "")
    elsewhere = run("import", "all.parquet", "--library", "far/library")
    assert (elsewhere.code, elsewhere.err.count("\n")) == (0, 1)
    assert "no such file, nor 5 more of the first 6; relative paths start" in elsewhere.err


def test_tokens_of_no_file_are_an_error(run, tmp_path: Path) -> None:
    for words in (("list",), ("remove", "grandma")):
        result = run("token", *words, "--file", tmp_path / "none")
        assert (result.code, result.out) == (2, "")
        assert "no such file" in result.err
