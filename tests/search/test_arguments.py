"""What callers give a HammingIndex: numbers of every kind, filters, settings of the environment."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from transhash.errors import HammingIndexError, TransHashError
from transhash.search import HammingIndex, hits
from transhash.search.checks import PADDED, check_k

CODES = np.arange(3 * 8, dtype=np.uint8).reshape(3, 8)
LAST = 2**63 - 1


@pytest.mark.parametrize("bits", [np.int64(64), np.uint8(64), np.array(64)])
def test_bits_of_numpy_become_a_number_that_can_be_saved(bits: object, tmp_path: Path) -> None:
    index = HammingIndex(bits)  # type: ignore[arg-type]
    index.save(tmp_path / "i.index")

    assert type(index.bits) is int
    assert HammingIndex.open(tmp_path / "i.index").bits == 64


@pytest.mark.parametrize("bits", [64.0, "64", None, True, [64], float("nan")])
def test_bits_that_are_no_whole_number_are_refused(bits: object) -> None:
    with pytest.raises(HammingIndexError, match="multiple of 8"):
        HammingIndex(bits)  # type: ignore[arg-type]


@pytest.mark.parametrize("meta", [{"a": 1}, {1: "a"}, {"a": None}])
def test_meta_that_would_not_come_back_is_refused(meta: dict) -> None:
    with pytest.raises(HammingIndexError, match="must be texts"):
        HammingIndex(64, meta)


@pytest.mark.parametrize("meta", ["abc", 5, [("a", "b")], 0])
def test_meta_that_is_no_dict_is_refused(meta: object) -> None:
    with pytest.raises(HammingIndexError, match=r"meta is .*; give a dict"):
        HammingIndex(64, meta)  # type: ignore[arg-type]


@pytest.mark.parametrize("meta", [{"n": 3}, {"n": np.int64(3)}, "n: 3"])
def test_meta_that_was_changed_is_refused_before_it_is_written(meta: object, tmp_path: Path) -> None:
    index = HammingIndex(64, {"model": "m"})
    index.meta = meta  # type: ignore[assignment]
    for write in (pickle.dumps, lambda each: each.save(tmp_path / "i.index")):
        with pytest.raises(HammingIndexError, match=r"meta (holds|is) 'n"):
            write(index)
    assert list(tmp_path.iterdir()) == []
    assert index.nbytes > 0


@pytest.mark.parametrize(
    ("bits", "compact"), [(128, True), (24, True), (64, 2), (64, "yes"), (64, np.ones(2, bool)), (64, [True])]
)
def test_compact_tables_that_cannot_be_are_refused(bits: int, compact: object) -> None:
    with pytest.raises(HammingIndexError, match=r"32 to 64 bits|True, False or None"):
        HammingIndex(bits, compact=compact)  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [True, None, "3", 3.0, float("nan"), -1, np.bool_(True)])
def test_a_k_that_is_no_count_is_refused(k: object) -> None:
    index = HammingIndex(64)
    index.add(CODES)
    with pytest.raises(HammingIndexError, match="k is"):
        index.search(CODES, k)  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", ["tables", np.array(["mih", "scan"]), ["mih"], 1])
def test_a_strategy_that_is_none_is_refused(strategy: object) -> None:
    index = HammingIndex(64)
    index.add(CODES)
    for ask in (
        partial(index.search, k=1),
        partial(index.range_search, radius=3),
        partial(index.count_within, radius=3),
    ):
        with pytest.raises(HammingIndexError, match=r"strategy .* is unknown"):
            ask(CODES, strategy=strategy)  # type: ignore[operator]


@pytest.mark.parametrize("count", [1, 70_000])
@pytest.mark.parametrize("ids", [None, "ascending", "descending"])
def test_ids_that_were_given_out_are_the_caller_s_own(count: int, ids: str | None) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (count, 8), dtype=np.uint8)
    index = HammingIndex(64)
    given = {"ascending": np.arange(count) * 2, "descending": np.arange(count)[::-1].copy(), None: None}[ids]
    added = index.add(codes, given)
    expected = np.sort(added)
    added += 1
    np.testing.assert_array_equal(index.ids, expected)


@pytest.mark.parametrize("k", [2**28, 2**31, 2**70])
@pytest.mark.parametrize("codes", [0, 3])
def test_a_k_far_above_the_number_of_codes_is_refused_before_memory_is_taken(k: int, codes: int) -> None:
    index = HammingIndex(64)
    index.add(CODES[:codes])
    with pytest.raises(HammingIndexError, match=f"k is {k:,}, but only {codes} codes"):
        index.search(CODES, k)


def test_a_k_somewhat_above_the_number_of_codes_is_padded() -> None:
    index = HammingIndex(64)
    index.add(CODES)
    D, I = index.search(CODES, np.int32(1000))  # noqa: E741

    assert D.shape == I.shape == (3, 1000)
    assert (I[:, 3:] == -1).all()


def test_as_many_results_as_there_are_codes_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hits, "free_memory", lambda: None)
    assert check_k(PADDED, queries=2, useful=PADDED) == PADDED
    with pytest.raises(HammingIndexError, match="padding"):
        check_k(PADDED, queries=2, useful=PADDED // 2 - 1)


@pytest.mark.parametrize("radius", [True, None, "3", 3.0, float("nan")])
def test_a_radius_that_is_no_whole_number_is_refused(radius: object) -> None:
    index = HammingIndex(64)
    for ask in (lambda: index.range_search(CODES, radius), lambda: index.join(radius)):  # type: ignore[arg-type]
        with pytest.raises(HammingIndexError, match="radius is"):
            ask()


def test_ids_end_with_a_sentence() -> None:
    index = HammingIndex(64)
    index.add(CODES[:1], [LAST])
    index.remove([LAST])
    with pytest.raises(HammingIndexError, match="no ids are left for 3 more codes"):
        index.add(CODES)

    assert len(index.add(CODES[:0])) == 0
    np.testing.assert_array_equal(index.add(CODES, [5, 6, 7]), [5, 6, 7])
    assert index.ids.dtype == np.int64


def test_the_last_ids_are_given_out_exactly(tmp_path: Path) -> None:
    index = HammingIndex(64)
    index.add(CODES[:1], [LAST - 2])
    np.testing.assert_array_equal(index.add(CODES[1:]), [LAST - 1, LAST])
    index.save(tmp_path / "i.index")
    opened = HammingIndex.open(tmp_path / "i.index")

    np.testing.assert_array_equal(opened.ids, [LAST - 2, LAST - 1, LAST])
    with pytest.raises(HammingIndexError, match="no ids are left"):
        opened.add(CODES)


def test_ids_of_different_lengths_are_one_clear_error() -> None:
    with pytest.raises(HammingIndexError, match="different lengths"):
        HammingIndex(64).add(CODES[:2], [[1], [2, 3]])


def test_every_question_takes_every_kind_of_filter() -> None:
    index = HammingIndex(64)
    index.add(np.repeat(CODES, 2, axis=0), [0, 2, 3, 5, 8, 13])
    bitmap = np.zeros(9, np.bool_)
    bitmap[[2, 3, 4, 8]] = True
    for allowed in (bitmap, np.array([3, 2, 8, 3, 4]), {2, 3, 8}, (2, 3, 8), iter([2, 3, 8, 99])):
        given = list(allowed) if hasattr(allowed, "__next__") else allowed
        assert set(index.search(CODES[:1], 6, ids=given)[1][0]) == {2, 3, 8, -1}
        np.testing.assert_array_equal(index.histogram(CODES, ids=given).sum(axis=1), [3, 3, 3])
        np.testing.assert_array_equal(np.sort(index.join(3, ids=given).ids), [2, 3, 8])


@pytest.mark.parametrize("shape", [(2, 3), (0, 3), ()])
def test_a_bitmap_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    index = HammingIndex(64)
    index.add(CODES)
    bitmap = np.ones(shape, np.bool_)
    for ask in (
        lambda: index.search(CODES, ids=bitmap),
        lambda: index.histogram(CODES, ids=bitmap),
        lambda: index.join(3, ids=bitmap),
    ):
        with pytest.raises(HammingIndexError, match="boolean array of shape"):
            ask()


@pytest.mark.parametrize("path", ["", ".", "/", "..", "a\0b", None, 7])
def test_a_path_that_names_no_file_is_one_clear_error(
    path: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for ask in (HammingIndex(64).save, HammingIndex.open):
        with pytest.raises(HammingIndexError):
            ask(path)  # type: ignore[operator]

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", ["²", "two", "0", "-1", "1.5", "9" * 5000, "1025"])
def test_an_odd_number_of_threads_is_one_clear_error(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSHASH_THREADS", setting)
    index = HammingIndex(64)
    index.add(CODES)
    with pytest.raises(TransHashError, match="TRANSHASH_THREADS: it is"):
        index.search(np.repeat(CODES, 2000, axis=0))


@pytest.mark.parametrize("setting", ["", " ", "1", " 3 "])
def test_a_number_of_threads_may_be_set(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from transhash.threads import workers

    monkeypatch.setenv("TRANSHASH_THREADS", setting)
    assert workers() == int(setting.strip() or len(os.sched_getaffinity(0)))


def test_numba_without_its_compiler_is_one_clear_error() -> None:
    code = (
        "import numpy as np, transhash\n"
        "index = transhash.HammingIndex(64)\n"
        "codes = np.random.default_rng(0).integers(0, 256, (60_000, 8), dtype=np.uint8)\n"
        "index.add(codes)\n"
        "try: index.search(codes[:100])\n"
        "except transhash.TransHashError as error: print(error)\n"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("NUMBA_DISABLE_JIT is set")
