"""Building on disk: one call at a time, of the codes that were begun with, in memory and on a disk that have room."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import oracle
from transhash.errors import HammingIndexError
from transhash.search import HammingIndex, building, packing, parts
from transhash.search.build_folder import BuildFolder
from transhash.search.building import build_index
from transhash.search.store import SHARED

CODES = oracle.codes_of(np.random.default_rng(0), 2000, 64, "equal")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "AT_ONCE", 700)
    monkeypatch.setattr(building, "PART", 300)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    np.save(tmp_path / "codes.npy", CODES)
    return tmp_path / "codes.npy"


def stopped(path: Path, codes: object, stage: str) -> Path:
    """The folder of a building that was stopped at a stage, as by Ctrl-C."""

    def progress(now: str, done: int, total: int, note: str) -> None:
        if now.startswith(stage):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(path, codes, progress=progress)  # type: ignore[arg-type]
    return path.with_name(path.name + ".building")


def assert_holds(index: HammingIndex, codes: np.ndarray) -> None:
    np.testing.assert_array_equal(index.reconstruct(np.arange(len(codes))), codes)
    assert len(index) == len(codes)


def test_a_second_call_is_refused_while_the_first_builds(tmp_path: Path, source: Path) -> None:
    refused = []

    def again(stage: str, done: int, total: int, note: str) -> None:
        if stage not in refused:
            refused.append(stage)
            with pytest.raises(HammingIndexError, match=r"i\.index\.building: another process or thread is building"):
                build_index(tmp_path / "i.index", source)

    index = build_index(tmp_path / "i.index", source, progress=again)

    assert {"partition", "sort", "write the file"} <= set(refused)
    assert_holds(index, CODES)
    assert_holds(build_index(tmp_path / "i.index", source), CODES)


@pytest.mark.parametrize(("stage", "name"), [("sort", "parts/0.0"), ("sort", "parts/0.1"), ("table 1 of", "unique")])
def test_files_that_were_altered_are_noticed_before_they_are_used(
    tmp_path: Path, source: Path, stage: str, name: str
) -> None:
    folder = stopped(tmp_path / "i.index", source, stage)
    with open(folder / name, "ab") as altered:
        altered.write(bytes(8000))
    with pytest.raises(HammingIndexError, match="was altered; remove this folder"):
        build_index(tmp_path / "i.index", source)


def test_other_chunks_than_those_that_were_copied_are_refused(tmp_path: Path) -> None:
    stopped(tmp_path / "i.index", iter([CODES[:900], CODES[900:]]), "partition")
    for other in (CODES[::-1], CODES[:899]):
        with pytest.raises(HammingIndexError, match="an index of other codes was begun here; remove this folder"):
            build_index(tmp_path / "i.index", iter([other]))

    assert_holds(build_index(tmp_path / "i.index", iter([CODES[:0], CODES[:900], CODES[900:]])), CODES)


def test_more_codes_than_have_ranks_of_their_own_are_refused(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert building.MOST <= SHARED  # a greater rank would be taken for a group
    monkeypatch.setattr(building, "MOST", 1999)
    with pytest.raises(HammingIndexError, match="2,000 codes; give 1 to 1,999"):
        build_index(tmp_path / "i.index", source)


def test_files_have_their_room_on_the_disk_before_they_are_written(tmp_path: Path) -> None:
    """A page of a mapped file for which a full disk has no room ends the process."""
    with BuildFolder(tmp_path / "i.building", 64, iter([])) as folder:
        assert not folder.mapped("fields", 1 << 17).any()
    assert os.stat(tmp_path / "i.building" / "fields").st_blocks * 512 >= 8 << 17


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system has no call for room on a disk")
def test_a_disk_without_room_for_a_file_is_one_sentence(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(HammingIndexError, match=r"stopped \(No space left on device\)"):
            build_index(tmp_path / "i.index", source)
    assert_holds(build_index(tmp_path / "i.index", source), CODES)


@pytest.mark.parametrize("share", [0.5, 1])
def test_a_code_that_very_many_have_is_not_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    codes = np.random.default_rng(1).integers(0, 256, (3000, 8), dtype=np.uint8)
    codes[np.random.default_rng(2).random(3000) < share] = codes[0]
    np.save(tmp_path / "codes.npy", codes)
    sizes, sort = [], packing.sort_pairs

    def noted(keys: np.ndarray, *others: object) -> None:
        sizes.append(len(keys))
        sort(keys, *others)

    monkeypatch.setattr(packing, "sort_pairs", noted)
    assert_holds(build_index(tmp_path / "i.index", tmp_path / "codes.npy"), codes)
    assert max(sizes) <= 700  # codes that are read at a time


def test_a_part_that_memory_cannot_sort_is_refused_and_the_same_call_goes_on(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(parts, "free_memory", lambda: 100)
        with pytest.raises(HammingIndexError, match=r"sorted together, .* free memory and make the same call again"):
            build_index(tmp_path / "i.index", source)
    assert_holds(build_index(tmp_path / "i.index", source), CODES)


def test_a_build_keeps_few_files_open(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "PART", 10)
    resource = pytest.importorskip("resource")  # of Unix
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/dev/fd"))) + 20, limits[1]))
    try:
        index = build_index(tmp_path / "i.index", source)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert_holds(index, CODES)
