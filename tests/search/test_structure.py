"""Index files whose checksums are right and whose content is not: refused in one sentence, before a kernel reads it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transhash.errors import HammingIndexError
from transhash.search import HammingIndex, file, segment, structure


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index with a segment that has tables, groups and removed entries, and a tail."""
    monkeypatch.setattr(segment, "WORTH_TABLES", 1000)
    rng = np.random.default_rng(0)
    index = HammingIndex(64, meta={"model": "m"})
    index.add(rng.integers(0, 2, (70_000, 8), dtype=np.uint8) * 15, np.delete(np.arange(70_001), 69_999))
    index.add(rng.integers(0, 256, (300, 8), dtype=np.uint8))
    index.remove([7, 70_001])
    index.save(tmp_path / "i.index")
    return tmp_path / "i.index"


@pytest.fixture
def compact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same with a compact segment."""
    monkeypatch.setattr(segment, "WORTH_TABLES", 1000)
    rng = np.random.default_rng(0)
    index = HammingIndex(64, compact=True)
    index.add(rng.integers(0, 2, (70_000, 8), dtype=np.uint8) * 15)
    index.add(rng.integers(0, 256, (300, 8), dtype=np.uint8), np.arange(80_000, 80_600, 2))
    index.remove([7, 80_002])
    index.save(tmp_path / "c.index")
    return tmp_path / "c.index"


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, np.ndarray]], object]) -> None:
    head, arrays = file.read(path, False, True)
    arrays = {name: array.copy() for name, array in arrays.items()}
    change(head, arrays)
    file.write(path, head, arrays)


def assert_refused(path: Path) -> None:
    with pytest.raises(HammingIndexError, match=str(path)) as error:
        HammingIndex.open(path)
    assert "build the index again" in str(error.value)


def test_a_file_that_is_rewritten_as_it_was_opens(saved: Path) -> None:
    rewritten(saved, lambda head, arrays: None)
    assert len(HammingIndex.open(saved)) == 70_298


@pytest.mark.parametrize("length", [1, 64, 5000])
def test_bytes_behind_the_end_are_noticed(saved: Path, length: int) -> None:
    saved.write_bytes(saved.read_bytes() + bytes(length))
    for verify in (True, False):
        with pytest.raises(HammingIndexError, match="something was appended"):
            HammingIndex.open(saved, verify=verify)


HEADS: list[tuple[str, Any]] = [
    ("bits", 12),
    ("bits", "64"),
    ("bits", 128),
    ("bits", None),
    ("next_id", -1),
    ("next_id", 5),
    ("next_id", 2**64),
    ("next_id", "5"),
    ("segments", 0),
    ("segments", 1),
    ("segments", 3),
    ("segments", 10**9),
    ("segments", True),
    ("meta", {"a": 1}),
    ("meta", 7),
]


@pytest.mark.parametrize(("name", "value"), HEADS)
def test_odd_settings_are_refused(saved: Path, name: str, value: Any) -> None:
    rewritten(saved, lambda head, arrays: head.update({name: value}))
    assert_refused(saved)


@pytest.mark.parametrize("name", ["bits", "next_id", "segments", "meta"])
def test_missing_settings_are_refused(saved: Path, name: str) -> None:
    rewritten(saved, lambda head, arrays: head.pop(name))
    assert_refused(saved)


def put(name: str, place: Any, value: Any) -> Callable[[Any, dict[str, np.ndarray]], None]:
    def change(_: Any, arrays: dict[str, np.ndarray]) -> None:
        arrays[name][place] = value

    return change


ENTRIES: dict[str, Callable[[Any, dict[str, np.ndarray]], object]] = {
    "ids not ascending": put("0.ids", 5, 3),
    "negative id": put("0.ids", 0, -1),
    "an id beyond the next": put("1.ids", -1, 2**62),
    "a mark behind the end": put("0.alive", -1, 2**64 - 1),
    "offset beyond the codes": put("0.offsets", -1, 2**32 - 1),
    "offsets that fall": put("0.offsets", 3, 2**31),
    "row beyond the codes": put("0.rows", 0, 2**32 - 1),
    "member beyond the entries": put("0.members", 0, 70_000),
    "group beyond the members": put("0.starts", 1, 2**32 - 1),
    "a group of nothing": put("0.starts", 1, 0),
    "members of each other's groups": lambda _, arrays: np.copyto(
        arrays["0.members"], arrays["0.members"][::-1].copy()
    ),
    "label beyond the groups": put("0.labels", 0, 2**32 - 1),
    "label beyond the entries": put("0.labels", 0, 2**31 - 1),
    "cuts beyond the bits": put("0.cuts", -1, 65),
    "cuts that fall": put("0.cuts", 1, 63),
    "a cut that is huge": put("0.cuts", -1, 2**40),
    "codes of another kind": lambda _, arrays: arrays.update({"0.codes": arrays["0.codes"].view(np.int64)}),
    "codes too few": lambda _, arrays: arrays.update({"0.codes": arrays["0.codes"][:-8]}),
    "codes of the tail too few": lambda _, arrays: arrays.update({"1.codes": arrays["1.codes"][:-64]}),
    "codes in one dimension": lambda _, arrays: arrays.update({"1.codes": arrays["1.codes"].ravel()}),
    "marks too few": lambda _, arrays: arrays.update({"0.alive": arrays["0.alive"][:-1]}),
    "no marks": lambda _, arrays: arrays.pop("0.alive"),
    "no labels": lambda _, arrays: arrays.pop("0.labels"),
    "an array too many": lambda _, arrays: arrays.update({"other": arrays["0.ids"]}),
}


@pytest.mark.parametrize("change", ENTRIES.values(), ids=ENTRIES.keys())
def test_odd_arrays_are_refused(saved: Path, change: Callable[[Any, dict[str, np.ndarray]], object]) -> None:
    rewritten(saved, change)
    assert_refused(saved)


def test_more_entries_than_a_segment_can_have_are_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "MOST", 69_999)
    assert_refused(saved)


PACKED: dict[str, Callable[[Any, dict[str, np.ndarray]], object]] = {
    "a run before 0": put("0.run", 0, -1),
    "a run beyond the next id": put("0.run", 0, 2**40),
    "a run of another length": put("0.run", 1, 69_999),
    "more entries": put("0.sizes", 0, 70_001),
    "fewer codes": put("0.sizes", 1, 200),
    "no codes": put("0.sizes", 1, 0),
    "a rank beyond the entries": put("0.ranks", 5, 2**64 - 1),
    "offset beyond the codes": put("0.offsets", -1, 2**32 - 1),
    "offsets that fall": put("0.offsets", 3, 2**31),
    "a mark too many": put("0.marks", 0, 2**64 - 1),
    "no first mark": put("0.marks", 0, 2**64 - 2),
    "a mark behind the end": put("0.marks", -1, 2**63),
    "marks too few": lambda _, arrays: arrays.update({"0.marks": arrays["0.marks"][:-1]}),
    "fields too few": lambda _, arrays: arrays.update({"0.fields": arrays["0.fields"][:-1]}),
    "ranks too few": lambda _, arrays: arrays.update({"0.ranks": arrays["0.ranks"][:-1]}),
    "cuts beyond the bits": put("0.cuts", -1, 65),
    "a cut that is huge": put("0.cuts", 1, 2**40),
    "both kinds of ids": lambda _, arrays: arrays.update({"0.ids": arrays["1.ids"]}),
    "no cuts": lambda _, arrays: arrays.pop("0.cuts"),
    "compact or not": lambda head, _: head.update({"compact": 3}),
}


@pytest.mark.parametrize("change", PACKED.values(), ids=PACKED.keys())
def test_odd_compact_arrays_are_refused(compact: Path, change: Callable[[Any, dict[str, np.ndarray]], object]) -> None:
    assert len(HammingIndex.open(compact)) == 70_298
    rewritten(compact, change)
    assert_refused(compact)


def with_header(path: Path, header: bytes) -> None:
    """The same arrays behind another header, its checksum right."""
    whole = path.read_bytes()
    length = file.PREFIX.unpack(whole[: file.PREFIX.size])[2]
    prefix = file.PREFIX.pack(file.MAGIC, file.VERSION, len(header), zlib.crc32(header))
    path.write_bytes(prefix + header + whole[file.PREFIX.size + length :])


ODD_TABLES: list[Any] = [
    None,
    [],
    7,
    [7],
    [{}],
    [{"name": "0.ids", "dtype": "|O", "shape": [3], "crc": 0}],
    [{"name": "0.ids", "dtype": "<i8", "shape": [-3], "crc": 0}],
    [{"name": "0.ids", "dtype": "<i8", "shape": [2**62, 2**62], "crc": 0}],
    [{"name": "0.ids", "dtype": "<i8", "shape": 3, "crc": 0}],
    [{"name": "0.ids", "dtype": ["<i8"], "shape": [3], "crc": 0}],
    [{"name": "0.ids", "dtype": "<i8", "shape": [0], "crc": "0"}],
    [{"name": "0.ids", "dtype": "<i8", "shape": [0], "crc": 0}] * 2,
]


@pytest.mark.parametrize("table", ODD_TABLES)
def test_odd_tables_of_arrays_are_refused(saved: Path, table: Any) -> None:
    head = {"bits": 64, "next_id": 3, "meta": {}, "segments": 1, "arrays": table}
    with_header(saved, json.dumps(head).encode())
    assert_refused(saved)


@pytest.mark.parametrize("header", [b"", b"[]", b"7", b"nonsense", b"\xff\xfe", b"[" * 100_000, b'{"bits": 64}'])
def test_odd_headers_are_refused(saved: Path, header: bytes) -> None:
    with_header(saved, header)
    assert_refused(saved)
