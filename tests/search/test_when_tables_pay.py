"""Tables are searched while that is faster than a scan, and tried now and then when it was not."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
from oracle import codes_of
from transhash.search import HammingIndex, mih, segment, small


@pytest.fixture(autouse=True)
def few_are_many() -> object:
    """Tables for 50 codes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "WORTH_TABLES", 50)
        patch.setattr(small, "is_small", lambda *_: False)
        yield


def a_thousand() -> tuple[np.ndarray, HammingIndex]:
    codes, made = codes_of(np.random.default_rng(3), 1000, 64, "uniform"), HammingIndex(64)
    made.add(codes)
    return codes, made


def test_tables_that_never_pay_are_tried_now_and_then_only(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, made = a_thousand()
    tried = []
    nearest = mih.nearest

    def counted(*arguments: object, **options: object) -> object:
        tried.append(1)
        return nearest(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(mih, "nearest", counted)
    monkeypatch.setattr(mih, "scan_cost", lambda *_: 0.0)
    for _ in range(40):
        D, I = made.search(codes[:1], 5)  # noqa: E741
        expected = oracle.nearest(codes[:1], codes, np.arange(1000), 5)
        np.testing.assert_array_equal(D, expected[0])
        np.testing.assert_array_equal(I, expected[1])
    assert 4 <= len(tried) <= 8
    monkeypatch.setattr(mih, "scan_cost", lambda *_: np.inf)
    for _ in range(40):
        made.search(codes[:1], 5)
    assert len(tried) > 20  # they pay again, and are used again


def test_tables_that_pay_for_the_fewest_queries_are_tried_now_and_then_only(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, made = a_thousand()
    tried = []
    nearest = mih.nearest

    def one_of_three(*arguments: object, **options: object) -> object:
        tried.append(arguments[-1])  # its limit
        keys, done = nearest(*arguments, **options)  # type: ignore[arg-type]
        done[1:] = False
        return keys, done

    monkeypatch.setattr(mih, "nearest", one_of_three)
    monkeypatch.setattr(mih, "scan_cost", lambda *_: 1e9)
    expected = oracle.nearest(codes[:3], codes, np.arange(1000), 5)
    for _ in range(40):
        for strategy in (None, "mih"):  # who asks for tables does not say that they pay
            D, I = made.search(codes[:3], 5, strategy=strategy)  # noqa: E741
            np.testing.assert_array_equal(D, expected[0])
            np.testing.assert_array_equal(I, expected[1])
    assert 4 <= tried.count(1e9) <= 8


@pytest.mark.parametrize("compact", [True, False])
def test_a_filter_makes_a_scan_cheaper_only_where_it_leads_to_codes(
    compact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that left one in a hundred of a billion compact codes made searches give tables up much too early."""
    codes, limits = codes_of(np.random.default_rng(3), 1000, 64, "uniform"), []
    nearest = mih.nearest

    def noted(*arguments: object, **options: object) -> object:
        limits.append(arguments[-1])
        return nearest(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(mih, "nearest", noted)
    monkeypatch.setattr(segment, "ALLOWED_TO_SCAN", 10)
    made = HammingIndex(64, compact=compact)
    made.add(codes)
    few = np.arange(0, 1000, 13)
    for ids in (None, few):
        made.search(codes[:1], 1, ids=ids)
    every, filtered = limits
    assert every > 0
    assert filtered == (every if compact else every * len(few) / 1000)
