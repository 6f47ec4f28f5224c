"""Efforts that are none, codes that begin anywhere in memory, files of another version."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from transhash.errors import HammingIndexError
from transhash.search import HammingIndex

CODES = np.arange(3 * 8, dtype=np.uint8).reshape(3, 8)


@pytest.fixture
def index() -> HammingIndex:
    made = HammingIndex(64)
    made.add(CODES)
    return made


@pytest.mark.parametrize("effort", [True, np.True_, None, "many", b"7", float("nan"), -1, -(10**400)])
def test_an_effort_that_is_no_number_above_0_is_refused(index: HammingIndex, effort: object) -> None:
    with pytest.raises(HammingIndexError, match=r"effort is .*; give a number of codes"):
        index.search_by(effort, CODES)  # type: ignore[arg-type]


def test_an_effort_beyond_all_floats_is_without_end(index: HammingIndex) -> None:
    assert index.search_by(10**400, CODES, 2).exact.all()


def test_codes_that_begin_in_the_middle_of_a_word_are_found() -> None:
    codes = np.frombuffer(b"." + CODES.tobytes(), np.uint8, offset=1).reshape(CODES.shape)
    assert not codes.view("<u8").flags.aligned
    made = HammingIndex(64)
    made.add(codes)

    np.testing.assert_array_equal(made.reconstruct([0, 1, 2]), CODES)
    assert made.search(codes, 1)[1].ravel().tolist() == [0, 1, 2]


def test_a_file_of_an_older_version_is_built_again(index: HammingIndex, tmp_path: Path) -> None:
    path = tmp_path / "i.index"
    index.save(path)
    whole = bytearray(path.read_bytes())
    struct.pack_into("<I", whole, 8, 0)
    path.write_bytes(whole)

    with pytest.raises(HammingIndexError, match=r"format version 0 .*; build the index again"):
        HammingIndex.open(path)
