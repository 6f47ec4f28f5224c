"""Users' own columns: which rows match, what kinds they have, and what becomes of them."""

from __future__ import annotations

import os
import sqlite3
import sys
import unicodedata
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.errors import DataError, LibraryError, TransHashError
from transhash.library.catalogue.database import CATALOGUE
from transhash.library.results import Problem


def csv(folder: Path, text: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    return folder / name


def columns(library: Library) -> dict[str, dict[str, Any]]:
    """Own columns by the names of the pictures that have some."""
    query = next(library.path.parent.rglob("*.png"))
    return {hit.path.name: hit.columns for hit in library.search(query, k=100) if hit.columns}


def test_kinds_are_recognised_and_come_back_with_hits(filled: Library, photos: Path) -> None:
    text = (
        "path,label,score,good,day,zip,mixed,none\n"
        "cat/cat-0.png,tabby,3,true,2024-05-01,01234,1,\n"
        'dog/dog-1.png,"a ""good"", dog",2.5,FALSE,2024-05-01 12:30,99999,x,\n'
    )
    report = filled.annotate(csv(photos, text))

    kinds = {"label": "text", "score": "number", "good": "boolean", "day": "date", "zip": "text", "mixed": "text"}
    assert (report.rows, report.matched, report.columns, report.left_out) == (2, 2, kinds, [])
    assert filled.info().columns == kinds
    assert columns(filled) == {
        "cat-0.png": {
            "label": "tabby",
            "score": 3,
            "good": True,
            "day": datetime(2024, 5, 1),
            "zip": "01234",
            "mixed": "1",
        },
        "dog-1.png": {
            "label": 'a "good", dog',
            "score": 2.5,
            "good": False,
            "day": datetime(2024, 5, 1, 12, 30),
            "zip": "99999",
            "mixed": "x",
        },
    }
    found = filled.search(photos / "cat" / "cat-0.png", where="good = true and score >= 3 and day = '2024-05'")
    assert [hit.path.name for hit in found] == ["cat-0.png"]


@pytest.mark.parametrize(
    "key", ["{photos}/cat/cat-0.png", "cat/cat-0.png", "./cat/../cat/cat-0.png", "cat-0.png", "{link}/cat/cat-0.png"]
)
def test_a_picture_is_named_by_path_or_by_name(filled: Library, photos: Path, tmp_path: Path, key: str) -> None:
    (tmp_path / "link").symlink_to(photos)
    file = csv(tmp_path, f"path,label\n{key.format(photos=photos, link=tmp_path / 'link')},x\n")
    assert filled.annotate(file).matched == 1
    assert columns(filled) == {"cat-0.png": {"label": "x"}}


def test_a_path_may_be_relative_to_the_file(filled: Library, photos: Path) -> None:
    assert filled.annotate(csv(photos / "cat", "path,label\n../dog/dog-0.png,x\n")).matched == 1
    assert columns(filled) == {"dog-0.png": {"label": "x"}}


def test_a_path_means_what_it_means_to_the_file_system(filled: Library, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "link").symlink_to(photos / "cat")
    assert filled.annotate(csv(tmp_path, "path,label\naway/link/../dog/dog-0.png,x\n")).matched == 1
    assert columns(filled) == {"dog-0.png": {"label": "x"}}


def test_what_does_not_match_is_counted_and_named(filled: Library, photos: Path, tmp_path: Path) -> None:
    draw(photos / "dog" / "cat-0.png", 77)
    filled.index(photos)
    report = filled.annotate(csv(tmp_path, "path,label\ncat-0.png,two\nnowhere.png,none\ndog-1.png,one\n,empty\n"))

    assert (report.rows, report.matched, report.unmatched) == (4, 1, ["cat-0.png", "nowhere.png", ""])


def test_a_name_that_only_a_vanished_picture_shares_names_the_other(filled: Library, photos: Path) -> None:
    gone = draw(photos / "dog" / "cat-0.png", 77)
    filled.index(photos)
    gone.unlink()
    filled.index(photos)
    assert filled.annotate(csv(photos, "path,label\ncat-0.png,x\n")).matched == 1


def test_another_import_replaces_and_removes(filled: Library, photos: Path) -> None:
    filled.annotate(csv(photos, "path,label,score\ncat-0.png,a,1\ncat-1.png,b,2\n"))
    filled.annotate(csv(photos, "path,LABEL\ncat-0.png,c\ncat-1.png,\n"))

    assert columns(filled) == {"cat-0.png": {"label": "c", "score": 1}, "cat-1.png": {"score": 2}}
    filled.drop_column("score")
    assert columns(filled) == {"cat-0.png": {"label": "c"}}
    with pytest.raises(LibraryError, match=r"no column 'score' of your own; there are: label"):
        filled.drop_column("score")


def test_python_values(filled: Library, photos: Path) -> None:
    filled.annotate({photos / "cat" / "cat-0.png": {"a": "1", "b": 1, "c": True, "d": date(2024, 5, 1)}})
    filled.annotate([{"name": "cat-1.png", "a": 2, "b": 2**70, "c": None}], key="name")

    assert filled.info().columns == {"a": "text", "b": "number", "c": "boolean", "d": "date"}
    assert columns(filled) == {
        "cat-0.png": {"a": "1", "b": 1, "c": True, "d": datetime(2024, 5, 1)},
        "cat-1.png": {"a": "2", "b": 2.0**70},
    }


def test_parquet(filled: Library, tmp_path: Path) -> None:
    table = pa.table(
        {
            "file": ["cat-0.png", "cat-1.png"],
            "label": ["2024", None],
            "score": pa.array([1.5, float("nan")]),
            "day": pa.array([date(2024, 5, 1), None]),
            "width": [1, 2],
        }
    )
    pq.write_table(table, tmp_path / "own.parquet")
    report = filled.annotate(tmp_path / "own.parquet", key="file")

    assert (report.columns, report.left_out) == ({"label": "text", "score": "number", "day": "date"}, ["width"])
    assert columns(filled) == {"cat-0.png": {"label": "2024", "score": 1.5, "day": datetime(2024, 5, 1)}}


def test_without_pyarrow_the_error_names_the_command(
    filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TransHashError, match=r"pip install 'transhash\[parquet\]'"):
        filled.annotate(tmp_path / "own.parquet")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its first line must name the columns"),
        ("path,a,a\nx,1,2\n", "its first line must name the columns, each once"),
        ("path,a\nx,1,2\n", r"line 2: 3 values for 2 columns"),
        ('path,a\nx,"1\n', "cannot be read as CSV"),
        ("file,a\nx,1\n", r"row 1 has no column 'path', but file, a; name the picture's \(--key\)"),
        ("path,known\ncat-0.png,1\ncat-1.png,many\n", r"row 2, column 'known': expected a number, but found 'many'"),
        ("path,a\ncat-0.png,\udcff\n", r"row 1, column 'a': expected a text in UTF-8"),
        ("path,a\ncat-0.png,x\0y\n", r"row 1, column 'a': expected a text without zero bytes|line contains NUL"),
        ("path,a\tb,c;d\nx,1,2\n", "is no name for a column"),
        ("path,Aa,aa\nx,1,2\n", "differ in case only"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_before_anything_is_imported(
    filled: Library, photos: Path, text: str, message: str
) -> None:
    filled.annotate({"dog-0.png": {"known": 1}})
    with pytest.raises(DataError, match=message):
        filled.annotate(csv(photos, text))
    assert columns(filled) == {"dog-0.png": {"known": 1}}
    assert filled.info().columns == {"known": "number"}


def test_files_that_cannot_be_read(filled: Library, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        filled.annotate(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="neither CSV nor Parquet"):
        filled.annotate(csv(tmp_path, "path,a\n", "labels.xml"))
    (tmp_path / "own.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(DataError, match="not a whole Parquet file"):
        filled.annotate(tmp_path / "own.parquet")


def test_other_delimiters_and_a_name_that_is_not_utf8(filled: Library, photos: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    draw(photos / name, 40)
    filled.index(photos)
    assert filled.annotate(csv(photos, f"path;label\n{name};x\n")).matched == 1
    assert filled.annotate(csv(photos, "\ufeffpath\tlabel\ncat-0.png\ty\n")).matched == 1
    assert columns(filled) == {name: {"label": "x"}, "cat-0.png": {"label": "y"}}


def test_values_stay_with_a_picture_that_moves_and_go_with_one_that_is_pruned(filled: Library, photos: Path) -> None:
    filled.annotate({"cat-0.png": {"label": "x"}, "cat-1.png": {"label": "y"}})
    (photos / "cat" / "cat-0.png").rename(photos / "moved.png")
    (photos / "cat" / "cat-1.png").unlink()
    filled.index(photos, prune=True)

    assert columns(filled) == {"moved.png": {"label": "x"}}
    with sqlite3.connect(filled.path / CATALOGUE) as database:
        assert database.execute("SELECT COUNT(*) FROM own_value").fetchone() == (1,)


def test_the_model_is_not_needed(filled: Library) -> None:
    filled.close()
    with Library.open(filled.path) as library:
        assert library.annotate({"cat-0.png": {"label": "x"}}).matched == 1
    with Library.open(filled.path, FakeModel()) as library:
        assert columns(library) == {"cat-0.png": {"label": "x"}}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE own_value SET value = x'00'",
        "UPDATE own_value SET value = 7",
        "UPDATE own_column SET kind = 'number'",
        "UPDATE own_column SET kind = 'x'",
        "UPDATE own_column SET kind = 'date'; UPDATE own_value SET value = 1 << 62",
    ],
)
def test_a_column_with_values_of_another_kind_is_named_and_can_be_removed(
    filled: Library, photos: Path, tmp_path: Path, sql: str
) -> None:
    filled.annotate({"cat-0.png": {"my label": "x"}})
    with sqlite3.connect(filled.path / CATALOGUE) as database:
        database.executescript(sql)
    said = "values in its column 'my label' are not of the column's kind"
    remedy = "remove it (`transhash annotate --drop 'my label'`), and annotate again"
    for use in (
        lambda: filled.search(photos / "cat" / "cat-0.png"),
        lambda: filled.export(tmp_path / "all.parquet"),
    ):
        with pytest.raises(LibraryError) as error:
            use()
        assert str(error.value) == f"{filled.path}: {said}; {remedy}"
    assert filled.verify().problems == [Problem(f"1 {said}", remedy)]
    filled.drop_column("my label")
    assert filled.verify().problems == []
    assert columns(filled) == {}


def test_a_filter_sees_what_is_annotated_here_and_elsewhere(filled: Library, photos: Path) -> None:
    def found() -> list[str]:
        return [hit.path.name for hit in filled.search(photos / "cat" / "cat-0.png", where="label = 'x'")]

    filled.annotate({"cat-0.png": {"label": "y"}})
    assert found() == []
    filled.annotate({"cat-0.png": {"label": "x"}})
    assert found() == ["cat-0.png"]
    with Library.open(filled.path) as other:
        other.annotate({"cat-0.png": {"label": None}, "dog-0.png": {"label": "x"}})
    assert found() == ["dog-0.png"]


def test_numpy_scalars_are_taken_as_what_they_are(filled: Library) -> None:
    values = {
        "count": np.int64(2**60),
        "small": np.uint8(7),
        "score": np.float32(0.5),
        "good": np.bool_(True),
        "label": np.str_("tabby"),
        "day": np.datetime64("2024-05-01T12:30:00.000000001"),
        "never": np.datetime64("NaT"),
        "nothing": np.float64("nan"),
    }
    report = filled.annotate({np.str_("cat-0.png"): values})

    kinds = {"count": "number", "small": "number", "score": "number", "good": "boolean", "label": "text", "day": "date"}
    assert report.columns == kinds
    assert columns(filled)["cat-0.png"] == {
        "count": 2**60,
        "small": 7,
        "score": 0.5,
        "good": True,
        "label": "tabby",
        "day": datetime(2024, 5, 1, 12, 30),
    }


def test_a_missing_value_of_pandas_does_not_decide_what_a_column_holds(filled: Library) -> None:
    missing = float("nan")
    report = filled.annotate(
        {
            "cat-0.png": {"flag": True, "day": date(2024, 5, 1), "note": missing},
            "cat-1.png": {"flag": missing, "day": np.float32(missing), "note": np.float64(missing)},
        }
    )
    assert report.columns == {"flag": "boolean", "day": "date"}
    assert columns(filled) == {"cat-0.png": {"flag": True, "day": datetime(2024, 5, 1)}}
    assert filled.annotate({"cat-0.png": {"note": "blurred"}}).columns == {"note": "text"}


def test_written_whole_numbers_of_many_digits_stay_as_they_are(filled: Library, photos: Path) -> None:
    filled.annotate(csv(photos, f"path,barcode,huge\ncat/cat-0.png,12345678901234567891,{'9' * 5000}\n"))

    assert columns(filled)["cat-0.png"] == {"barcode": "12345678901234567891", "huge": "9" * 5000}


@pytest.mark.parametrize("value", [2**63 + 1, -(2**64) - 1, 10**400])
def test_a_whole_number_that_would_be_altered_is_refused(filled: Library, value: int) -> None:
    with pytest.raises(DataError, match="a whole number that 64 bits hold exactly"):
        filled.annotate({"cat-0.png": {"count": value}})


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 2**63, 2**80])
def test_a_whole_number_that_is_held_exactly_comes_back(filled: Library, value: int) -> None:
    filled.annotate({"cat-0.png": {"count": value}})

    assert columns(filled)["cat-0.png"]["count"] == value


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_letters_with_marks_match_in_both_forms(library: Library, photos: Path, stored: str) -> None:
    name = unicodedata.normalize(stored, "Mü ller.png")
    folder = unicodedata.normalize(stored, "Café")
    draw(photos / folder / name, 40)
    library.index(photos)
    for form in ("NFC", "NFD"):
        for key in (f"{photos}/Café/Mü ller.png", "Café/Mü ller.png", "Mü ller.png"):
            key = unicodedata.normalize(form, key)
            assert library.annotate({key: {"label": unicodedata.normalize(form, "Köln")}}).matched == 1
            for where in ("name = 'Mü ller.png'", "folder in ('Café', 'x')", "path like 'café/mü*'", "label = 'Köln'"):
                assert len(library.passing(unicodedata.normalize(form, where))) == 1
            for where in ("name != 'Mü ller.png'", "folder not in ('Café')", "not path like '*é/*'", "label != 'Köln'"):
                others = 0 if where.startswith("label") else 6
                assert len(library.passing(unicodedata.normalize(form, where))) == others


def test_the_exact_form_comes_first(library: Library, photos: Path) -> None:
    names = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    for seed, name in enumerate(names):
        draw(photos / name, 40 + seed)
    library.index(photos)
    assert library.annotate({name: {"label": str(seed)} for seed, name in enumerate(names)}).matched == 2
    labels = {
        picture.path.name: picture.columns.get("label") for picture in library.pictures(library.passing()).values()
    }
    assert [labels[name] for name in names] == ["0", "1"]
