"""An index that is built on disk, part by part, against one that was filled in memory."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import oracle
from transhash.errors import HammingIndexError
from transhash.search import HammingIndex, building
from transhash.search.building import build_index


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "AT_ONCE", 700)
    monkeypatch.setattr(building, "PART", 300)


def codes_of(count: int, bits: int, *, equal: bool) -> np.ndarray:
    """Codes around four centres, of which some are equal, or anywhere."""
    rng = np.random.default_rng(bits)
    if not equal:
        return rng.integers(0, 256, (count, bits // 8), dtype=np.uint8)
    flips = np.packbits(rng.random((count, bits)) < 2 / bits, axis=1)
    return rng.integers(0, 256, (4, bits // 8), dtype=np.uint8)[rng.integers(0, 4, count)] ^ flips


def assert_finds(index: HammingIndex, codes: np.ndarray) -> None:
    ids = np.arange(len(codes))
    for strategy in ("mih", "scan"):
        for mine, expected in zip(
            index.search(codes[:9], 40, strategy=strategy), oracle.nearest(codes[:9], codes, ids, 40), strict=True
        ):
            np.testing.assert_array_equal(mine, expected)
    np.testing.assert_array_equal(index.ids, ids)
    np.testing.assert_array_equal(index.reconstruct(ids[::-7]), codes[::-7])


@pytest.mark.parametrize(("bits", "equal", "chunks"), [(64, True, True), (64, False, False), (40, True, False)])
def test_an_index_from_disk_equals_brute_force_and_grows(tmp_path: Path, bits: int, equal: bool, chunks: bool) -> None:
    codes = codes_of(3000, bits, equal=equal)
    np.save(tmp_path / "codes.npy", codes)
    said: list[str] = []
    source = iter([codes[:11], codes[11:2000], codes[2000:]]) if chunks else tmp_path / "codes.npy"
    index = build_index(
        tmp_path / "i.index", source, bits, {"model": "m"}, progress=lambda stage, done, total, note: said.append(stage)
    )
    assert_finds(index, codes)
    assert "partition" in said
    assert index.meta == {"model": "m"}
    assert not (tmp_path / "i.index.building").exists()
    assert index.add(codes[:2]).tolist() == [3000, 3001]
    index.remove([5])
    index.save(tmp_path / "again.index")
    assert len(HammingIndex.open(tmp_path / "again.index")) == 3001


@pytest.mark.parametrize("after", [1, 2, 4, 6, 8])
def test_a_build_that_was_stopped_goes_on(tmp_path: Path, after: int) -> None:
    codes = codes_of(3000, 64, equal=True)
    np.save(tmp_path / "codes.npy", codes)
    calls = 0

    def progress(stage: str, done: int, total: int, note: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 3 * after:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        build_index(tmp_path / "i.index", tmp_path / "codes.npy", progress=progress)
    assert (tmp_path / "i.index.building" / "state.json").exists() is (calls == 3 * after and after > 1)
    assert_finds(build_index(tmp_path / "i.index", tmp_path / "codes.npy"), codes)


@pytest.mark.parametrize("notes", ["[]", "{}", '{"bits": 32}', "no JSON", "[" * 5000])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, notes: str) -> None:
    np.save(tmp_path / "codes.npy", codes_of(30, 64, equal=True))
    folder = tmp_path / "i.index.building"
    folder.mkdir()
    (folder / "state.json").write_text(notes)
    with pytest.raises(HammingIndexError, match="remove"):
        build_index(tmp_path / "i.index", tmp_path / "codes.npy")
    assert (folder / "state.json").read_text() == notes


def test_a_disk_that_is_too_small_is_noticed_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "codes.npy", codes_of(3000, 64, equal=True))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    with pytest.raises(HammingIndexError, match=r"needs 0\.1 GB of disk for 3,000 codes, and 0\.0 GB are free"):
        build_index(tmp_path / "i.index", tmp_path / "codes.npy")


def test_what_is_no_source_of_codes_is_named(tmp_path: Path) -> None:
    with pytest.raises(HammingIndexError, match=r"absent\.npy"):
        build_index(tmp_path / "i.index", tmp_path / "absent.npy")
    np.save(tmp_path / "wide.npy", np.zeros((100, 16), np.uint8))
    with pytest.raises(HammingIndexError, match=r"uint8 \[N, 8\]"):
        build_index(tmp_path / "i.index", tmp_path / "wide.npy")
    with pytest.raises(HammingIndexError, match="0 codes"):
        build_index(tmp_path / "i.index", iter([]))
    for source in (5, None, np.uint8(3), np.array(3)):
        with pytest.raises(HammingIndexError, match=r"codes are a .*; give an \.npy file, an array"):
            build_index(tmp_path / "i.index", source)  # type: ignore[arg-type]
    with pytest.raises(HammingIndexError, match="no codes can be read here"):
        build_index(tmp_path / "i.index", "a\0b")


def test_the_right_call_after_a_refused_one_builds(tmp_path: Path) -> None:
    codes = codes_of(100, 32, equal=True)
    np.save(tmp_path / "codes.npy", codes)
    for source, bits in (
        (tmp_path / "codes.npy", 64),
        (iter([]), 32),
        (iter([codes, codes.astype(int)]), 32),
        (codes.astype(int), 32),
        (codes[0], 32),
    ):
        with pytest.raises(HammingIndexError):
            build_index(tmp_path / "i.index", source, bits)
        assert not (tmp_path / "i.index.building").exists()
    assert_finds(build_index(tmp_path / "i.index", tmp_path / "codes.npy", 32), codes)


@pytest.mark.parametrize("mapped", [False, True])
def test_an_array_is_taken_some_rows_at_a_time(tmp_path: Path, mapped: bool) -> None:
    codes = codes_of(3000, 64, equal=True)
    np.save(tmp_path / "codes.npy", codes)
    said: list[int] = []
    index = build_index(
        tmp_path / "i.index",
        np.load(tmp_path / "codes.npy", mmap_mode="r") if mapped else codes,
        progress=lambda stage, done, total, note: said.append(done) if stage == "copy the codes" else None,
    )
    assert said == [700, 1400, 2100, 2800, 3000]
    assert_finds(index, codes)


def test_a_place_where_nothing_can_be_built_is_named_with_its_remedy(tmp_path: Path) -> None:
    codes = codes_of(100, 64, equal=True)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "j.index.building").write_bytes(b"")
    for name, remedy in (
        ("no/i.index", r"No such file or directory\); make the folder .*no$"),
        ("file/i.index", r"Not a directory\); free space or choose another place"),
        ("j.index", r"File exists\); remove it"),
        ("", "this is a folder; give the name of a file in it"),
    ):
        with pytest.raises(HammingIndexError, match=remedy):
            build_index(tmp_path / name, codes)
