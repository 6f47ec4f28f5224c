"""Verdicts on pairs of pictures, of several processes and threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from transhash.errors import LibraryError
from transhash.library.duplicates.verdicts import Verdicts, read_verdicts


def pair(number: int) -> tuple[str, str]:
    return f"{number:032x}", f"{number + 1000:032x}"


def test_none_is_lost_where_several_write_at_once(tmp_path: Path) -> None:
    Verdicts(tmp_path).add([pair(number) for number in range(20)])

    def judge(worker: int) -> None:
        for number in range(20):
            assert Verdicts(tmp_path).add([pair(100 + 20 * worker + number)]) == 1
            if worker == 0:
                assert Verdicts(tmp_path).remove(pair(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(judge, range(4)))
    assert Verdicts(tmp_path).pairs() == {pair(100 + number) for number in range(80)}


def test_what_is_known_needs_no_writing(tmp_path: Path) -> None:
    assert Verdicts(tmp_path).add([pair(1), pair(2)[::-1]]) == 2
    before = read_verdicts(tmp_path / "not-duplicates.txt")
    (tmp_path / "not-duplicates.txt.lock").unlink()
    (tmp_path / "not-duplicates.txt.lock").mkdir()
    assert Verdicts(tmp_path).add([pair(2)]) == 0
    assert not Verdicts(tmp_path).remove(pair(3))
    with pytest.raises(LibraryError, match="verdicts cannot be written"):
        Verdicts(tmp_path).add([pair(3)])
    assert Verdicts(tmp_path).pairs() == before
