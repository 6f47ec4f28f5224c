"""Bulk encoding of what cannot be: wrong settings, addresses, plans, and pictures that are gone meanwhile."""

from __future__ import annotations

import errno
import gzip
import json
import os
import tracemalloc
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collection import draw
from transhash import load
from transhash.bulk import encode
from transhash.bulk.files import WRITING, place, replacing
from transhash.bulk.plan import PLAN
from transhash.errors import DataError, ImageError, TransHashWarning
from transhash.model import Encoded, HashModel

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("fsspec", reason="no fsspec: pip install 'transhash[encode]'")


@pytest.fixture(scope="module")
def model() -> HashModel:
    return load()


def rows(to: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(to.glob("codes-*.parquet")) for row in pq.read_table(file).to_pylist()]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return draw(tmp_path / "photos" / "a.png", 0)


@pytest.mark.parametrize("settings", [{"shard_size": 0}, {"workers": 0}, {"engine": "spark"}])
def test_settings_that_cannot_be(settings: dict[str, object], tmp_path: Path, model: HashModel) -> None:
    with pytest.raises(DataError, match="give local or ray, 1 or more"):
        encode(tmp_path, tmp_path / "to", model, **settings)  # type: ignore[arg-type]


def test_an_address_that_nothing_here_knows(tmp_path: Path, model: HashModel) -> None:
    with pytest.raises(DataError, match=r"^nowhere://pictures: cannot be reached"):
        encode("nowhere://pictures", tmp_path / "to", model)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (b"", "not a whole plan"),
        (b"{}", "not a whole plan"),
        (gzip.compress(b"{}", mtime=0), "not a whole plan"),
        (gzip.compress(b'{"format": 99}', mtime=0), "written by a newer transhash"),
    ],
    ids=["empty", "not compressed", "without a format", "newer"],
)
def test_a_plan_that_cannot_be_gone_on_with(
    plan: bytes, words: str, photo: Path, tmp_path: Path, model: HashModel
) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / PLAN).write_bytes(plan)
    with pytest.raises(DataError, match=words):
        encode(photo.parent, tmp_path / "to", model)


@pytest.mark.parametrize("theirs", ["codes-000000.parquet", "manifest.json"])
def test_files_without_a_plan_are_not_taken_for_this_run_s(
    theirs: str, photo: Path, tmp_path: Path, model: HashModel
) -> None:
    encode(photo.parent, tmp_path / "of another model", model)
    to = tmp_path / "to"
    to.mkdir()
    (tmp_path / "of another model" / theirs).rename(to / theirs)
    with pytest.raises(DataError, match=rf"holds {theirs}, but no {PLAN}.*choose another --to"):
        encode(photo.parent, to, model)
    assert [path.name for path in to.iterdir()] == [theirs]


def test_a_picture_that_is_gone_meanwhile_has_its_reason(photo: Path, tmp_path: Path, model: HashModel) -> None:
    encode(photo.parent, tmp_path / "to", model)
    (shard,) = (tmp_path / "to").glob("codes-*")
    scrap = tmp_path / "to" / f"{WRITING}0-{shard.name}"

    shard.rename(scrap)
    photo.rename(photo.with_name("b.png"))
    assert encode(photo.parent, tmp_path / "to", model).failed == 1
    assert pq.read_table(shard)["error"].to_pylist() == ["no such file; check the path"]
    assert not scrap.exists()


def test_a_disk_that_fails_stops_the_run(
    photo: Path, tmp_path: Path, model: HashModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: str) -> bytes:
        raise ImageError(path, "cannot be read", "check the disk") from OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("transhash.bulk.sources.read_file", fails)
    with pytest.raises(DataError, match=r"cannot be read now \(Input/output error\)"):
        encode(photo.parent, tmp_path / "to", model)
    assert not list((tmp_path / "to").glob("codes-*"))


def test_what_only_looks_like_a_picture_has_its_reason_and_stops_nothing(
    photo: Path, tmp_path: Path, model: HashModel
) -> None:
    os.mkfifo(photo.with_name("pipe.jpg"))
    photo.with_name("loop.jpg").symlink_to("loop.jpg")
    with photo.with_name("large.jpg").open("wb") as large:
        large.truncate(3 << 30)

    assert encode(photo.parent, tmp_path / "to", model).failed == 3
    found = {Path(row["uri"]).name: row["error"] for row in rows(tmp_path / "to")}
    assert found.pop("a.png") is None
    assert {name: reason.partition(";")[0] for name, reason in found.items()} == {
        "large.jpg": "file too large",
        "loop.jpg": "cannot be read",
        "pipe.jpg": "not a regular file",
    }


def test_names_that_are_not_utf8_come_back_as_bytes(photo: Path, tmp_path: Path, model: HashModel) -> None:
    names = [b"f\xff/\xe9.png", "ü.png".encode(), b"new\nline.png"]
    for name in names:
        path = Path(os.fsdecode(os.path.join(os.fsencode(photo.parent), name)))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photo.read_bytes())
    photo.unlink()

    assert encode(photo.parent, tmp_path / "to", model).failed == 0
    found = {
        os.path.relpath(row["uri_bytes"] or os.fsencode(row["uri"]), os.fsencode(photo.parent)): row["label"]
        for row in rows(tmp_path / "to")
    }
    assert found == {names[0]: "f\ufffd", names[1]: None, names[2]: None}


def test_a_name_may_begin_with_an_underscore_as_those_of_cameras_do(
    photo: Path, tmp_path: Path, model: HashModel
) -> None:
    photo.rename(photo.with_name("_DSC0001.PNG"))
    assert encode(photo.parent, tmp_path / "to", model).pictures == 1


def test_the_folder_in_which_the_command_is_given_again_does_not_matter(
    photo: Path, tmp_path: Path, model: HashModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    encode("photos", "to", model)
    for shard in Path("to").glob("codes-*"):
        shard.unlink()
    draw(tmp_path / "elsewhere" / "photos" / "b.png", 1)

    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="another source"):
        encode("photos", "../to", model)
    assert encode(f"{tmp_path}/photos/", "../to", model).failed == 0
    assert [row["uri"] for row in rows(tmp_path / "to")] == ["photos/a.png"]


def test_what_transhash_wrote_is_no_source(photo: Path, tmp_path: Path, model: HashModel) -> None:
    encode(photo.parent, photo.parent / "first", model)
    assert encode(photo.parent, photo.parent / "second", model).pictures == 1


def test_pictures_next_to_parquet_files_with_pictures_are_left_out_with_a_warning(
    photo: Path, tmp_path: Path, model: HashModel
) -> None:
    pq.write_table(pa.table({"image": [photo.read_bytes()]}), photo.with_name("set.parquet"))
    with pytest.warns(TransHashWarning, match="1 pictures in files of their own are left out"):
        assert encode(photo.parent, tmp_path / "to", model).pictures == 1


@pytest.mark.parametrize("name", ["foo://a.jpg", "data:image/png;base64,x", "a\0b.jpg", ".", "missing.jpg"])
def test_a_row_that_names_no_picture_has_its_reason(name: str, photo: Path, tmp_path: Path, model: HashModel) -> None:
    table = pa.table({"image": [name, str(photo)]})
    pq.write_table(table, tmp_path / "set.parquet")
    assert encode(tmp_path / "set.parquet", tmp_path / "to", model).failed == 1
    assert [row["uri"] for row in rows(tmp_path / "to")] == [name, str(photo)]


def test_a_row_without_a_picture_says_so_and_one_that_has_only_its_path_is_read_from_there(
    photo: Path, tmp_path: Path, model: HashModel
) -> None:
    cells = [{"bytes": None, "path": None}, None, {"bytes": None, "path": str(photo)}]
    pq.write_table(pa.table({"image": cells}), tmp_path / "set.parquet")
    encode(tmp_path / "set.parquet", tmp_path / "to", model)
    none = "the row has no picture; give it one, or leave it out"
    assert [row["error"] for row in rows(tmp_path / "to")] == [none, none, None]


def test_columns_come_along_as_they_are(photo: Path, tmp_path: Path, model: HashModel) -> None:
    table = pa.table(
        {
            "image": [photo.read_bytes()] * 2,
            "far": pa.array([10**7, None], pa.date32()),  # later than Python's dates
            "moment": pa.array([10**18 + 1, None], pa.timestamp("ns", "Europe/Berlin")),
            "half": pa.array(np.array([0.5, 2], np.float16)),
            "time": pa.array([1, None], pa.time64("ns")),
            "class": pa.array(["cat", None]).dictionary_encode(),
            "price": pa.array([Decimal("1.10"), None]),
        }
    )
    pq.write_table(table, tmp_path / "set.parquet", row_group_size=1)
    encode(tmp_path / "set.parquet", tmp_path / "to", model)
    (file,) = (tmp_path / "to").glob("codes-*")
    own = [name for name in table.column_names if name != "image"]
    assert pq.read_table(file).select(own).equals(table.select(own))


def test_a_damaged_parquet_file_is_named(photo: Path, tmp_path: Path, model: HashModel) -> None:
    whole = tmp_path / "set.parquet"
    pq.write_table(pa.table({"image": [photo.read_bytes()]}), whole)
    content = bytearray(whole.read_bytes())
    content[20:200] = bytes(180)
    for number, damaged in enumerate([bytes(content), b"PAR1"]):
        whole.write_bytes(damaged)
        with pytest.raises(DataError, match=r"set\.parquet: cannot be read as Parquet"):
            encode(whole, tmp_path / f"to{number}", model)


def test_columns_of_one_name_are_refused(photo: Path, tmp_path: Path, model: HashModel) -> None:
    columns = [pa.array([photo.read_bytes()]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(columns, ["image", "x", "x"]), tmp_path / "set.parquet")
    with pytest.raises(DataError, match="several columns are called 'x'"):
        encode(tmp_path / "set.parquet", tmp_path / "to", model)


def test_a_file_without_a_column_of_pictures_is_named_before_anything_is_encoded(
    photo: Path, tmp_path: Path, model: HashModel
) -> None:
    pq.write_table(pa.table({"image": [photo.read_bytes()]}), photo.with_name("a.parquet"))
    pq.write_table(pa.table({"other": [1]}), photo.with_name("b.parquet"))
    with pytest.raises(DataError, match=r"b\.parquet: no column"):
        encode(photo.parent, tmp_path / "to", model)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(("source", "to"), [("", "to"), ("photos", "")])
def test_an_empty_path_is_not_this_folder(
    source: str, to: str, photo: Path, tmp_path: Path, model: HashModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="a path is empty"):
        encode(source, to, model)


def test_a_result_that_cannot_be_written_is_a_sentence(
    photo: Path, tmp_path: Path, model: HashModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"a\.png: cannot be made \(File exists\)"):
        encode(photo.parent, photo, model)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(DataError, match=r"codes-000000\.parquet: cannot be written \(No space left on device\)"):
        encode(photo.parent, tmp_path / "to", model)
    assert [path.name for path in (tmp_path / "to").iterdir()] == [PLAN]


def test_a_shard_that_is_not_whole_is_named(photo: Path, tmp_path: Path, model: HashModel) -> None:
    encode(photo.parent, tmp_path / "to", model)
    (shard,) = (tmp_path / "to").glob("codes-*")
    shard.write_bytes(b"")
    with pytest.raises(DataError, match=r"codes-000000\.parquet: not a whole file of codes"):
        encode(photo.parent, tmp_path / "to", model)


def test_what_another_process_has_finished_and_cleared_away_is_done(tmp_path: Path) -> None:
    target = place(tmp_path / "codes")
    with replacing(target) as file:
        file.write(b"mine")
        for scrap in tmp_path.glob(f"{WRITING}*"):
            scrap.unlink()
        (tmp_path / "codes").write_bytes(b"another's")
    assert (tmp_path / "codes").read_bytes() == b"another's"


def test_a_parquet_file_that_is_another_one_meanwhile_stops_the_run(
    photo: Path, tmp_path: Path, model: HashModel
) -> None:
    source = tmp_path / "set.parquet"
    pq.write_table(pa.table({"image": [photo.read_bytes()] * 2}), source)
    encode(source, tmp_path / "to", model, shard_size=1)
    (tmp_path / "to" / "codes-000001.parquet").unlink()
    pq.write_table(pa.table({"image": [photo.read_bytes()] * 3}), source, compression="none")
    with pytest.raises(DataError, match="not what it was when the run began"):
        encode(source, tmp_path / "to", model, shard_size=1)


def test_lance_is_read_as_it_was_when_the_run_began(photo: Path, tmp_path: Path, model: HashModel) -> None:
    lance = pytest.importorskip("lance", reason="no Lance: pip install 'transhash[lance]'")
    source = tmp_path / "set.lance"
    with pytest.raises(DataError, match=r"set\.lance: nothing there"):
        encode(source, tmp_path / "to", model)
    source.mkdir()
    with pytest.raises(DataError, match=r"set\.lance: cannot be read as Lance"):
        encode(source, tmp_path / "to", model)

    dataset = lance.write_dataset(pa.table({"image": [photo.read_bytes()] * 4, "n": range(4)}), source)
    encode(source, tmp_path / "to", model, shard_size=2)
    (tmp_path / "to" / "codes-000001.parquet").unlink()
    dataset.delete("n = 0")
    encode(source, tmp_path / "to", model, shard_size=2)
    assert [row["n"] for row in rows(tmp_path / "to")] == [0, 1, 2, 3]


def test_a_plan_of_the_version_before_is_gone_on_with(photo: Path, tmp_path: Path, model: HashModel) -> None:
    pq.write_table(pa.table({"image": [photo.read_bytes()]}), tmp_path / "set.parquet")
    for source in (photo.parent, tmp_path / "set.parquet"):
        to = tmp_path / f"to {source.name}"
        encode(source, to, model)
        plan = json.loads(gzip.decompress((to / PLAN).read_bytes()))
        for piece in plan["shards"]:
            piece.pop("root", None), piece.pop("bytes", None)
        (to / PLAN).write_bytes(gzip.compress(json.dumps(plan).encode()))
        (to / "codes-000000.parquet").unlink()
        assert encode(source, to, model).failed == 0


class Quick:
    """A model that looks at no picture."""

    name, fingerprint, bits = "quick", "0" * 64, 64

    def stream(self, items: Iterable[Any], **_: object) -> Iterator[list[Encoded]]:
        for item in items:
            yield [Encoded(item, np.zeros(8, np.uint8), None, None, 1, 1)]


def test_pictures_of_a_shard_are_not_kept_until_it_is_written(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [bytes(100_000)] * 2000}), tmp_path / "set.parquet")
    tracemalloc.start()
    encode(tmp_path / "set.parquet", tmp_path / "to", Quick(), shard_size=2000)  # type: ignore[arg-type]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100_000_000
