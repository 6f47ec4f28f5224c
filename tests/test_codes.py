"""Packing, distances and code files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from transhash.codes import check_codes, hamming, load_codes, pack, save_codes, to_signs, unpack
from transhash.errors import DataError

packed = st.integers(1, 17).flatmap(lambda width: arrays(np.uint8, st.tuples(st.integers(0, 9), st.just(width))))


@given(packed)
def test_unpacking_and_packing_is_the_identity(codes: np.ndarray) -> None:
    np.testing.assert_array_equal(pack(unpack(codes)), codes)
    np.testing.assert_array_equal(pack(to_signs(codes)), codes)


def test_bit_0_is_the_most_significant_of_byte_0_and_zero_is_not_a_one() -> None:
    values = np.array([[3.0, 0.0, -1.0, -0.0, 1e-30, 0, 0, np.inf] + [0.0] * 7 + [1.0]])
    assert pack(values).tolist() == [[0b10001001, 0b00000001]]


@given(packed, st.data())
def test_distances_count_differing_bits(a: np.ndarray, data: st.DataObject) -> None:
    b = data.draw(arrays(np.uint8, (5, a.shape[1])))
    distances = hamming(a, b)
    assert distances.shape == (len(a), 5)
    assert distances.dtype == np.int32
    for i, j in np.ndindex(distances.shape):
        assert distances[i, j] == sum(bin(x ^ y).count("1") for x, y in zip(a[i].tolist(), b[j].tolist(), strict=True))


def test_distances_are_the_same_in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    a, b = (random.integers(0, 256, (n, 6), dtype=np.uint8) for n in (50, 70))
    whole = hamming(a, b)
    monkeypatch.setattr("transhash.codes.BLOCK_BYTES", 3 * 70 * 8)
    np.testing.assert_array_equal(hamming(a, b), whole)


@given(arrays(np.float32, array_shapes(min_dims=0, max_dims=3)))
def test_only_rows_of_whole_bytes_can_be_packed(values: np.ndarray) -> None:
    if values.ndim == 2 and values.shape[1] % 8 == 0:
        return
    with pytest.raises(DataError, match="cannot pack"):
        pack(values)


def test_what_is_no_code_is_refused_with_what_is() -> None:
    with pytest.raises(DataError, match="NaN"):
        pack(np.full((1, 8), np.nan))
    for values in (np.full((1, 8), "1"), np.full((1, 8), 1j), np.full((1, 8), None)):
        with pytest.raises(DataError, match="give bits or real values"):
            pack(values)
    for wrong in (np.zeros(8, np.uint8), np.zeros((2, 8)), np.zeros((2, 8), np.int8), np.zeros((2, 0), np.uint8)):
        with pytest.raises(DataError, match="not packed codes"):
            check_codes(wrong)
    for check in (check_codes, unpack):
        with pytest.raises(DataError, match="16 bits where 32"):
            check(np.zeros((1, 2), np.uint8), bits=32)
    with pytest.raises(DataError, match="one model for both"):
        hamming(np.zeros((1, 2), np.uint8), np.zeros((1, 4), np.uint8))


names = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=[]), max_size=9), max_size=5)


@settings(deadline=None)  # what is saved is on the disk before it returns
@given(st.data())
def test_code_files_give_back_what_was_saved(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("codes") / "a.npz"
    uris = data.draw(st.none() | names)
    codes = data.draw(arrays(np.uint8, (3 if uris is None else len(uris), 4)))
    ids = data.draw(st.none() | arrays(np.int64, len(codes)))
    save_codes(path, codes, fingerprint="f" * 64, ids=ids, uris=uris)
    found = load_codes(path)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.ids, ids)
    assert (found.uris, found.fingerprint, found.bits) == (uris, "f" * 64, 32)
    assert [p.name for p in path.parent.iterdir()] == ["a.npz"]


def test_names_that_are_not_unicode_come_back(tmp_path: Path) -> None:
    names = [os.fsdecode(b"caf\xe9/\xff.jpg"), "\ud83d\ude00", "a\nb", "", "猫.jpg"]
    save_codes(tmp_path / "a", np.zeros((5, 1), np.uint8), fingerprint="", uris=names)
    assert load_codes(tmp_path / "a").uris == names


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "a.npz"
    codes = np.arange(160, dtype=np.uint8).reshape(20, 8)
    save_codes(path, codes, fingerprint="0" * 64, ids=range(20), uris=[f"picture-{i}" for i in range(20)])
    return path


def test_a_damaged_code_file_is_one_sentence(saved: Path) -> None:
    whole, before = saved.read_bytes(), load_codes(saved)
    for size in range(0, len(whole), 40):
        saved.write_bytes(whole[:size])
        with pytest.raises(DataError, match=f"^{saved}: not a whole code file"):
            load_codes(saved)
    refused = 0
    for place in np.random.default_rng(0).choice(8 * len(whole), 600, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        saved.write_bytes(damaged)
        try:
            found = load_codes(saved)
        except DataError:
            refused += 1
        else:  # a bit that means nothing, such as a date's
            np.testing.assert_array_equal(found.codes, before.codes)
            np.testing.assert_array_equal(found.ids, before.ids)
            assert (found.uris, found.fingerprint) == (before.uris, before.fingerprint)
    assert refused > 300


@pytest.mark.parametrize(
    ("version", "content"),
    [
        (2, {}),
        (1, {"codes": np.zeros((1, 8))}),
        (1, {"codes": np.array([[None] * 8])}),
        (1, {"ids": np.zeros(2, np.int64)}),
        (1, {"ids": np.zeros(1)}),
        (1, {"uris": np.frombuffer(b"a\0b\0", np.uint8)}),
    ],
    ids=["newer", "floats", "pickle", "2 ids", "float ids", "2 names"],
)
def test_a_foreign_code_file_is_one_sentence(version: int, content: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    whole = {"codes": np.zeros((1, 8), np.uint8), "fingerprint": "f"}
    np.savez(path, **whole, format=["transhash codes 1", *whole])
    assert load_codes(path).bits == 64
    whole |= content
    np.savez(path, **whole, format=[f"transhash codes {version}", *whole])
    with pytest.raises(DataError, match=r"a\.npz: not a whole code file"):
        load_codes(path)


def test_places_without_a_code_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such code file"):
        load_codes(tmp_path / "none.npz")
    with pytest.raises(DataError, match="cannot be read"):
        load_codes(tmp_path)
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.savez(tmp_path / "a.npz", codes=np.zeros((1, 8), np.uint8))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match="not a whole code file"):
            load_codes(tmp_path / name)
    with pytest.raises(DataError, match="cannot be written"):
        save_codes(tmp_path / "a.npy" / "b.npz", np.zeros((1, 8), np.uint8), fingerprint="")
    for path in ("", "/", f"{tmp_path}/a\0b", f"{tmp_path}/\ud800"):
        with pytest.raises(DataError, match="cannot be written"):
            save_codes(path, np.zeros((1, 8), np.uint8), fingerprint="")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        save_codes(saved, np.zeros((1, 8), np.uint8), fingerprint="")
    assert len(load_codes(saved).codes) == 20
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"uris": ["a"]}, "2 codes but 1 names"),
        ({"uris": ["a", "a\0b"]}, "zero byte"),
        ({"ids": [1]}, "2 codes but ids of int64, shape"),
        ({"ids": [0.5, 1]}, "2 codes but ids of float64"),
        ({"ids": np.array([1, 2**63], np.uint64)}, "2 codes but ids of uint64"),
    ],
)
def test_names_ids_and_codes_must_match(given: dict[str, list[object]], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        save_codes(tmp_path / "a.npz", np.zeros((2, 8), np.uint8), fingerprint="", **given)
    assert not any(tmp_path.iterdir())
