"""Saving, opening, and what happens to damaged files."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transhash.errors import HammingIndexError
from transhash.search import HammingIndex, file


@pytest.fixture
def index() -> HammingIndex:
    made = HammingIndex(48, meta={"model": "vits14", "revision": "7"})
    made.add(np.random.default_rng(0).integers(0, 256, (500, 6), dtype=np.uint8), np.arange(500) * 3)
    return made


@pytest.mark.parametrize("mmap", [True, False])
def test_a_saved_index_opens_as_it_was(index: HammingIndex, tmp_path: Path, mmap: bool) -> None:
    queries = index.reconstruct(index.ids[:20])
    index.save(tmp_path / "i.index")
    opened = HammingIndex.open(tmp_path / "i.index", mmap=mmap)
    assert (opened.bits, len(opened), opened.meta) == (48, 500, {"model": "vits14", "revision": "7"})
    for one, other in zip(index.search(queries, 30), opened.search(queries, 30), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(opened.add(queries[:2]), [1498, 1499])
    assert opened.remove([0, 3]) == 2
    opened.save(tmp_path / "i.index")  # over the file that it is mapped from
    assert len(HammingIndex.open(tmp_path / "i.index")) == len(opened) == 500


def test_an_empty_index_can_be_saved(tmp_path: Path) -> None:
    HammingIndex(512).save(tmp_path / "i.index")
    assert len(HammingIndex.open(tmp_path / "i.index")) == 0


def test_every_altered_byte_is_noticed(index: HammingIndex, tmp_path: Path) -> None:
    path = tmp_path / "i.index"
    index.save(path)
    whole = path.read_bytes()
    _, arrays = file.read(path, False, True)
    covered = len(whole) - sum(array.nbytes for array in arrays.values())
    for place in [*range(0, covered - 64 * len(arrays)), len(whole) // 2, len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(HammingIndexError, match=str(path)):
            HammingIndex.open(path)


def test_a_truncated_file_is_refused_without_reading_it(index: HammingIndex, tmp_path: Path) -> None:
    path = tmp_path / "i.index"
    index.save(path)
    whole = path.read_bytes()
    for length in (0, 10, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(HammingIndexError, match=r"truncated|damaged|not a Hamming index"):
            HammingIndex.open(path, verify=False)


def test_checksums_are_compared_unless_told_otherwise(index: HammingIndex, tmp_path: Path) -> None:
    path = tmp_path / "i.index"
    index.save(path)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    assert len(HammingIndex.open(path, verify=False)) == 500
    for options in ({}, {"mmap": False}):
        with pytest.raises(HammingIndexError, match="checksum"):
            HammingIndex.open(path, **options)


def test_other_versions_and_other_files_are_named(index: HammingIndex, tmp_path: Path) -> None:
    path = tmp_path / "i.index"
    index.save(path)
    whole = bytearray(path.read_bytes())
    struct.pack_into("<I", whole, 8, file.VERSION + 1)
    path.write_bytes(whole)
    with pytest.raises(HammingIndexError, match="update transhash"):
        HammingIndex.open(path)
    path.write_bytes(b"GIF89a" * 100)
    with pytest.raises(HammingIndexError, match="not a Hamming index"):
        HammingIndex.open(path)
    with pytest.raises(HammingIndexError, match="no index can be read here"):
        HammingIndex.open(tmp_path / "absent.index")
    with pytest.raises(HammingIndexError, match="no index can be read here"):
        HammingIndex.open(tmp_path)


def test_a_failed_save_leaves_the_old_file(
    index: HammingIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "i.index"
    index.save(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file.os, "fsync", full)
    with pytest.raises(HammingIndexError, match="No space left"):
        index.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_small_search_does_without_the_compiler() -> None:
    program = """
import sys, numpy as np
from transhash.search import HammingIndex
codes = np.arange(8 * 500, dtype=np.uint64).view(np.uint8).reshape(-1, 8)
index = HammingIndex(64)
index.add(codes)
index.search(codes[:3])
index.range_search(codes[:3], 2)
sys.exit("numba" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
