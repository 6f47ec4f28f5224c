"""Export and import: what goes round comes back the same, and no file that comes in does harm."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.errors import DataError, LibraryError, TransHashError
from transhash.library.catalogue.kinds import Value
from transhash.library.catalogue.records import Indexed

STRANGE = os.fsdecode(b"\xff \xe4.png")


@pytest.fixture
def filled(library: Library, photos: Path, tmp_path: Path) -> Library:
    """Six pictures, one with a name that is not UTF-8, one dated, one elsewhere, and own columns of every kind."""
    draw(photos / STRANGE, 50)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 12:30:45"
    exif[0x8769] = 0
    Image.open(photos / "cat" / "cat-0.png").save(photos / "cat" / "cat-0.png", exif=exif)
    draw(tmp_path / "elsewhere" / "far.png", 60)
    library.index([photos, tmp_path / "elsewhere"])
    library.annotate(
        {
            "cat-0.png": {"label": "tabby", "score": 1.5, "good": True, "day": datetime(2024, 5, 1, 3), "count": 2**60},
            "dog-0.png": {"label": "a 'dog'", "score": 2, "good": False},
            "far.png": {"day": datetime(1900, 1, 1)},
        }
    )
    return library


@pytest.fixture
def exported(filled: Library, tmp_path: Path) -> Path:
    assert filled.export(tmp_path / "all.parquet") == 8
    return tmp_path / "all.parquet"


def content(library: Library) -> dict[tuple[bytes, bytes], tuple[Indexed, dict[str, Value]]]:
    """Everything that is known of the pictures but their ids, by place."""
    pages = [one for page in library.catalogue.pictures.indexed() for one in page]
    own = library.catalogue.columns.values([one.id for one in pages])
    return {(one.folder, one.name): (one._replace(id=0), own[one.id]) for one in pages}


def test_what_goes_round_comes_back_the_same(filled: Library, exported: Path, photos: Path) -> None:
    expected, columns = content(filled), filled.info().columns
    filled.close()
    shutil.rmtree(filled.path)
    library, report = Library.import_(exported, filled.path)
    with library:
        assert (report.added, report.replaced, len(library)) == (8, 0, 8)
        assert content(library) == expected
        assert library.info().columns == columns
        assert (library.info().model, library.info().fingerprint) == ("fake", FakeModel().fingerprint)

    model = FakeModel()
    with Library.open(filled.path, model) as library:
        assert library.index(photos).unchanged == 7
        assert model.decoded == []
        assert library.verify(deep=True).problems == []
        found = library.search(photos / "cat" / "cat-0.png", where="taken = '2024-05-01' and label = 'tabby'")
        assert [(hit.path, hit.distance) for hit in found] == [(photos / "cat" / "cat-0.png", 0)]


def test_relative_paths_count_from_the_new_place(exported: Path, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "moved", ignore=shutil.ignore_patterns(".transhash"))
    library, _ = Library.import_(exported, tmp_path / "moved" / ".transhash", FakeModel())
    with library:
        hit = library.search(photos / "dog" / "dog-1.png", k=1)[0]
    assert hit.path == tmp_path / "moved" / "dog" / "dog-1.png"


def test_an_absolute_path_below_the_new_place_becomes_relative(exported: Path, tmp_path: Path) -> None:
    library, _ = Library.import_(exported, tmp_path / "elsewhere" / ".transhash", FakeModel())
    with library:
        assert (b"", b"far.png") in content(library)
        assert library.index(tmp_path / "elsewhere").unchanged == 1


def test_into_a_library_that_is_there(exported: Path, filled: Library, photos: Path) -> None:
    expected = content(filled)
    filled.annotate({"cat-0.png": {"label": "other", "more": 1}, "dog-0.png": {"label": None}})
    draw(photos / "new.png", 70)
    filled.index(photos)
    library, report = Library.import_(exported, filled.path)
    with library:
        assert (report.added, report.replaced, len(library)) == (0, 8, 9)
        found = content(library)
    cat = (b"cat", b"cat-0.png")
    assert found.pop((b"", b"new.png"))[1] == {}
    assert found.pop(cat)[1] == {**expected.pop(cat)[1], "more": 1}
    assert found == expected


def test_into_one_of_another_model_or_of_other_columns_is_refused(exported: Path, tmp_path: Path) -> None:
    with Library.create(tmp_path / "other", FakeModel("other")):
        pass
    with pytest.raises(LibraryError, match=r"come from model fake .* cannot be compared with those of other"):
        Library.import_(exported, tmp_path / "other")
    with pytest.raises(LibraryError, match=r"come from model fake .*, not from other .*; name that model, or none"):
        Library.import_(exported, tmp_path / "new", FakeModel("other"))
    assert not (tmp_path / "new").exists()
    with Library.create(tmp_path / "same", FakeModel()) as library:
        draw(tmp_path / "x.png", 1)
        library.index(tmp_path / "elsewhere")
        library.annotate({"far.png": {"score": "a text"}})
    with pytest.raises(DataError, match="column 'score' holds a number, but a text in the library"):
        Library.import_(exported, tmp_path / "same")


def test_others_can_read_it(exported: Path) -> None:
    table = pq.read_table(exported)
    rows = {row["path"]: row for row in table.drop_columns(["modified"]).to_pylist()}

    assert table.schema.metadata[b"transhash.model"] == b"fake"
    assert table.schema.metadata[b"transhash.fingerprint"] == FakeModel().fingerprint.encode()
    assert table.schema.field("code").type == pa.binary(8)
    cat = rows["cat/cat-0.png"]
    assert (cat["width"], cat["height"], cat["taken"]) == (24, 24, datetime(2024, 5, 1, 12, 30, 45))
    assert (cat["label"], cat["score"], cat["good"], cat["count"]) == ("tabby", 1.5, True, 2**60)
    assert rows["\ufffd \ufffd.png"]["path_bytes"] == os.fsencode(STRANGE)


def test_hugging_face_datasets_reads_codes_as_bytes(
    exported: Path, filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    read = datasets.load_dataset("parquet", data_files=str(exported), split="train", cache_dir=str(tmp_path / "cache"))
    assert read["code"][:] == pq.read_table(exported)["code"].to_pylist()
    assert pq.read_schema(exported).metadata[b"transhash.fingerprint"].decode() == filled.fingerprint


def altered(change: Callable[[dict[str, list[Any]]], None]) -> Callable[[Path], None]:
    """Rewrites the first row of a file, or its columns."""

    def alter(path: Path) -> None:
        table = pq.read_table(path)
        values = {name: table[name].to_pylist() for name in table.column_names if name != "modified"}
        values["modified"] = table["modified"].cast(pa.int64()).to_pylist()
        change(values)
        arrays = [
            pa.array(values[field.name], pa.int64()).cast(field.type)
            if field.name == "modified"
            else pa.array(values[field.name], field.type)
            for field in table.schema
        ]
        known = {**table.schema.metadata, **pq.read_metadata(path).metadata}
        known.pop(b"ARROW:schema")
        schema = pa.schema([field.with_nullable(True) for field in table.schema], known)
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path)

    return alter


def first(column: str, value: Any) -> Callable[[Path], None]:
    return altered(lambda values: values[column].__setitem__(0, value))


def metadata(**changes: str | None) -> Callable[[Path], None]:
    def alter(path: Path) -> None:
        table = pq.read_table(path)
        known = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        known |= {f"transhash.{key}": value for key, value in changes.items() if value is not None}
        for key in (key for key, value in changes.items() if value is None):
            del known[f"transhash.{key}"]
        pq.write_table(table.replace_schema_metadata(known), path)

    return alter


def other_file(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def fewer(path: Path) -> None:
    table = pq.read_table(path)
    known = {**table.schema.metadata, **pq.read_metadata(path).metadata}
    pq.write_table(table.slice(0, 5).replace_schema_metadata(known), path)


def without_a_column(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["size"]), path)


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b""), "not a whole Parquet file"),
        (lambda path: path.write_bytes(b"PAR1" + b"x" * 100 + b"PAR1"), "not a whole Parquet file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not a whole Parquet file"),
        (fewer, "it has 5 pictures, which are not all"),
        (other_file, "not a library that transhash has exported"),
        (without_a_column, "its columns are not those that transhash exports"),
        (metadata(format="3"), "written by a newer transhash"),
        (metadata(model=None), "not a library that transhash has exported"),
        (metadata(bits="-8"), "its columns are not those"),
        (metadata(bits="128"), "its columns are not those"),
        (metadata(fingerprint="x"), "its columns are not those"),
        (metadata(columns="{}"), "its columns are not those"),
        (metadata(columns="[" * 100_000), "not a library that transhash has exported"),
        (metadata(columns=json.dumps({"code": "text"})), "its columns are not those"),
        (first("path", "../../etc/passwd"), "row 1: expected the path of a picture"),
        (first("path", "a/./b.png"), "row 1: expected the path of a picture"),
        (first("path", "/a/../b.png"), "row 1: expected the path of a picture"),
        (first("path", "//a.png"), "row 1: expected the path of a picture"),
        (first("path", ""), "row 1: expected the path of a picture"),
        (first("path", "a/"), "row 1: expected the path of a picture"),
        (first("path", "a\0.png"), "row 1: expected the path of a picture"),
        (first("path", None), "row 1: expected the path of a picture"),
        (first("path_bytes", b"../x"), "row 1: expected the path of a picture"),
        (first("code", None), "row 1: expected a code and a digest"),
        (first("digest", None), "row 1: expected a code and a digest"),
        (first("width", 0), "row 1: expected a picture's size"),
        (first("height", None), "row 1: expected a picture's size"),
        (first("size", -1), "row 1: expected a file's size and time"),
        (first("modified", None), "row 1: expected a file's size and time"),
        (first("label", "a\0b"), "row 1: expected a text without zero bytes"),
        (first("score", float("inf")), "row 1: expected a finite number"),
    ],
)
def test_a_file_that_is_not_one_of_ours_is_refused_before_anything_is_made(
    exported: Path, tmp_path: Path, alter: Callable[[Path], object], message: str
) -> None:
    alter(exported)
    with pytest.raises(DataError, match=message) as caught:
        Library.import_(exported, tmp_path / "new")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_flipped_bits_are_noticed_or_harmless(exported: Path, tmp_path: Path) -> None:
    sound = exported.read_bytes()
    randomness = random.Random(0)
    refused = 0
    for trial in range(150):
        damaged = bytearray(sound)
        for _ in range(1 + trial % 3):
            damaged[randomness.randrange(len(sound))] ^= 1 << randomness.randrange(8)
        exported.write_bytes(damaged)
        place = tmp_path / f"new-{trial}"
        try:
            library, _ = Library.import_(exported, place)
        except TransHashError:
            refused += 1
            assert not place.exists()
        else:
            with library:
                assert len(library) == 8
    assert refused > 75


def test_a_failed_export_leaves_the_old_file(filled: Library, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = exported.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(DataError, match=r"all\.parquet: cannot be written \(No space left on device\)"):
        filled.export(exported)
    assert exported.read_bytes() == before


def test_export_is_made_of_row_groups(filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.library.catalogue.pictures.PAGE", 2)
    monkeypatch.setattr("transhash.library.exchange.parquet.GROUP", 3)
    told: list[tuple[object, ...]] = []
    assert filled.export(tmp_path / "parts.parquet", progress=lambda *said: told.append(said)) == 8
    assert told == [("exporting", done, 8, "") for done in (4, 8, 8)]
    expected = content(filled)
    monkeypatch.setattr("transhash.library.exchange.parquet.BATCH", 3)
    library, _ = Library.import_(tmp_path / "parts.parquet", filled.path.parent / "again")
    with library:
        assert content(library) == expected


@pytest.mark.parametrize("whole", [2**53 + 1, -(2**53) - 1, 2**63 - 1])
def test_whole_numbers_that_fractions_would_alter_are_named(filled: Library, tmp_path: Path, whole: int) -> None:
    filled.annotate({"cat-0.png": {"mixed": whole}, "dog-0.png": {"mixed": 0.5}})
    with pytest.raises(DataError, match=f"column 'mixed' holds the whole number {whole} and fractions"):
        filled.export(tmp_path / "all.parquet")

    assert list(tmp_path.glob("*.parquet")) == []


@pytest.mark.parametrize("whole", [2**53, -(2**62), 3])
def test_whole_numbers_beside_fractions_are_carried_exactly(filled: Library, tmp_path: Path, whole: int) -> None:
    filled.annotate({"cat-0.png": {"mixed": whole}, "dog-0.png": {"mixed": 0.5}})
    filled.export(tmp_path / "all.parquet")
    library, _ = Library.import_(tmp_path / "all.parquet", tmp_path / "again")
    with library:
        assert sorted(own["mixed"] for _, own in content(library).values() if "mixed" in own) == sorted([0.5, whole])
