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
from transhash.search import HammingIndex, clusters, file, segment, structure
from transhash.search.words import PADDING


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


def of_one_table(arrays: dict[str, np.ndarray], width: int) -> None:
    """With one table, of a substring of `width` bits, that has all codes in its last bucket."""
    rows = len(arrays["0.codes"]) // (len(arrays["0.cuts"]) - 1)
    for name in ("0.codes", "0.labels"):
        arrays[name] = arrays[name][:rows]
    arrays["0.offsets"] = np.zeros((1 << width) + 1, np.uint32)
    arrays["0.offsets"][-1] = rows - PADDING
    arrays["0.cuts"] = np.array([0, width])


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
    "a run of ids without tables": lambda _, arrays: arrays.update(
        {"1.run": np.array([70_002, len(arrays.pop("1.ids"))])}
    ),
    "a substring that is too wide": lambda _, arrays: of_one_table(arrays, 23),
    "no labels": lambda _, arrays: arrays.pop("0.labels"),
    "an array too many": lambda _, arrays: arrays.update({"other": arrays["0.ids"]}),
}


@pytest.mark.parametrize("change", ENTRIES.values(), ids=ENTRIES.keys())
def test_odd_arrays_are_refused(saved: Path, change: Callable[[Any, dict[str, np.ndarray]], object]) -> None:
    rewritten(saved, change)
    assert_refused(saved)


@pytest.mark.parametrize("width", [21, 22])
def test_a_substring_may_be_as_wide_as_tables_have_them(saved: Path, width: int) -> None:
    rewritten(saved, lambda _, arrays: of_one_table(arrays, width))
    assert len(HammingIndex.open(saved)) == 70_298


@pytest.mark.parametrize("name", ["0.codes", "0.centres", "1.codes"])
def test_bits_behind_the_end_of_a_code_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "WORTH_TABLES", 1000)
    monkeypatch.setattr(clusters, "WORTH", 1000)
    monkeypatch.setattr(clusters, "cost_of_tables", lambda *_: np.inf)
    rng = np.random.default_rng(0)
    index = HammingIndex(40)
    index.add(rng.integers(0, 256, (70_000, 5), dtype=np.uint8))
    index.add(rng.integers(0, 256, (300, 5), dtype=np.uint8))
    index.save(tmp_path / "i.index")
    assert len(HammingIndex.open(tmp_path / "i.index")) == 70_300
    rewritten(tmp_path / "i.index", put(name, (3, 0), 1 << 40))
    assert_refused(tmp_path / "i.index")


def test_more_entries_than_a_segment_can_have_are_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "MOST", 69_999)
    assert_refused(saved)


def move_a_mark(marks: np.ndarray) -> None:
    """From the last entry with a code of its own to behind the end."""
    last = int(np.flatnonzero(marks)[-1])
    marks[last] &= marks[last] - np.uint64(1)
    marks[-1] |= np.uint64(1 << 63)


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
    "a mark behind the end for one before it": lambda _, arrays: move_a_mark(arrays["0.marks"]),
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
