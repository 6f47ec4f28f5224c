"""Bulk encoding of what cannot be: wrong settings, addresses, plans, and pictures that are gone meanwhile."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from collection import draw
from transhash import load
from transhash.bulk import encode
from transhash.bulk.files import WRITING
from transhash.bulk.plan import PLAN
from transhash.errors import DataError
from transhash.model import HashModel

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("fsspec", reason="no fsspec: pip install 'transhash[encode]'")


@pytest.fixture(scope="module")
def model() -> HashModel:
    return load()


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


def test_a_picture_that_is_gone_meanwhile_has_its_reason_and_one_that_cannot_be_read_stops_the_run(
    photo: Path, tmp_path: Path, model: HashModel
) -> None:
    encode(photo.parent, tmp_path / "to", model)
    (shard,) = (tmp_path / "to").glob("codes-*")
    scrap = tmp_path / "to" / f"{WRITING}0-{shard.name}"

    shard.rename(scrap)
    photo.unlink()
    assert encode(photo.parent, tmp_path / "to", model).failed == 1
    assert pq.read_table(shard)["error"].to_pylist() == ["not there any more; check the file"]
    assert not scrap.exists()

    shard.unlink()
    photo.mkdir()
    with pytest.raises(DataError, match="cannot be read now"):
        encode(photo.parent, tmp_path / "to", model)
    assert not shard.exists()
