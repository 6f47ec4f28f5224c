"""An index on disk whose building stopped, at a full disk or a kill, is built by the same call later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import oracle
from transhash.errors import HammingIndexError
from transhash.search import HammingIndex, build_folder, building
from transhash.search.building import build_index

CODES = oracle.codes_of(np.random.default_rng(0), 2000, 64, "equal")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "AT_ONCE", 700)
    monkeypatch.setattr(building, "PART", 300)


def stopping_at(stage: str) -> Callable[[str, int, int, str], None]:
    """A progress that stops the building at a stage, as Ctrl-C does."""

    def progress(now: str, done: int, total: int, note: str) -> None:
        if now == stage:
            raise KeyboardInterrupt

    return progress


def assert_whole(index: HammingIndex) -> None:
    for mine, expected in zip(
        index.search(CODES[:5], 20), oracle.nearest(CODES[:5], CODES, np.arange(len(CODES)), 20), strict=True
    ):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("writes", [0, 3, 12])
def test_a_full_disk_is_one_sentence_and_the_same_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    np.save(tmp_path / "codes.npy", CODES)
    settled = []

    def settle(path: Path) -> None:
        settled.append(path)
        if len(settled) > writes:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(build_folder, "settle", settle)
        with pytest.raises(HammingIndexError, match=r"stopped \(No space left on device\); .* the same call again"):
            build_index(tmp_path / "i.index", tmp_path / "codes.npy")
    assert len(settled) == writes + 1
    assert not (tmp_path / "i.index").exists()
    assert_whole(build_index(tmp_path / "i.index", tmp_path / "codes.npy"))


def test_chunks_that_were_all_copied_need_not_come_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path / "i.index", iter([CODES[:900], CODES[900:]]), progress=stopping_at("partition"))

    assert_whole(build_index(tmp_path / "i.index", iter([])))


def test_chunks_that_were_copied_in_part_come_again_from_the_first(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path / "i.index", iter([CODES[:900], CODES[900:]]), progress=stopping_at("copy the codes"))

    assert_whole(build_index(tmp_path / "i.index", iter([CODES])))


def test_a_chunk_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(HammingIndexError, match="codes have 4 bytes each"):
        build_index(tmp_path / "i.index", iter([CODES[:10], CODES[:10, :4]]))


@pytest.mark.parametrize("content", [b"1,2,3\n", b"\x93NUMPY\x01\x00", b""], ids=["text", "cut", "empty"])
def test_a_file_that_holds_no_array_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "codes.npy").write_bytes(content)
    with pytest.raises(HammingIndexError, match=r"codes\.npy: no codes can be read here .*; give an \.npy file"):
        build_index(tmp_path / "i.index", tmp_path / "codes.npy")
