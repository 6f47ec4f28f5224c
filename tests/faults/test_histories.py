"""Searches while others write are those of one moment, and the checker of that finds answers that are not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.faults.histories import BITS, TRIALS, Read, State, Write, brute, tried, without_a_moment

QUERIES = np.zeros((1, BITS // 8), np.uint8)
EMPTY: State = {}
ONE: State = {1: b"\0" * 4}
TWO: State = {**ONE, 2: b"\1" * 4}
WRITES = [Write(-np.inf, -np.inf, EMPTY), Write(1, 3, ONE), Write(5, 7, TWO)]


def read(start: float, end: float, state: State) -> Read:
    return Read(start, end, 0, brute(state, QUERIES[0]) if state else [])


@pytest.mark.parametrize("name", TRIALS)
def test_every_answer_is_of_a_moment_of_its_call(name: str) -> None:
    told = tried(name, 2.0, 2, 0)
    assert told["writes"] > 0
    assert told["reads"] > 0
    assert told["without a moment"] == []


@pytest.mark.parametrize(
    "reads",
    [
        [read(0, 0.5, EMPTY), read(2, 2.5, EMPTY), read(2.6, 2.7, ONE), read(4, 6, TWO), read(6.5, 6.6, TWO)],
        [read(2, 6, EMPTY), read(2, 6, ONE), read(2, 6, TWO)],  # all at once
        [read(8, 9, TWO)],
    ],
)
def test_what_is_of_one_moment_is_taken(reads: list[Read]) -> None:
    assert without_a_moment(WRITES, reads, QUERIES) == []


@pytest.mark.parametrize(
    "reads",
    [
        [read(3.5, 4, EMPTY)],  # a write that had ended is missing
        [read(3.5, 4, TWO)],  # one that had not begun
        [read(2, 2.2, ONE), read(2.5, 2.7, EMPTY)],  # back in time
        [Read(8, 9, 0, brute(TWO, QUERIES[0])[::-1])],  # not the order
    ],
)
def test_what_is_of_no_moment_is_found(reads: list[Read]) -> None:
    assert len(without_a_moment(WRITES, reads, QUERIES)) == 1
