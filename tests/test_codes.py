"""Packing, distances and code files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from transhash.codes import check_codes, hamming, load_codes, pack, save_codes, to_signs, unpack
from transhash.errors import DataError

packed = st.integers(1, 8).flatmap(lambda width: arrays(np.uint8, st.tuples(st.integers(0, 9), st.just(width))))


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


@given(arrays(np.float32, array_shapes(min_dims=0, max_dims=3)))
def test_only_rows_of_whole_bytes_can_be_packed(values: np.ndarray) -> None:
    if values.ndim == 2 and values.shape[1] % 8 == 0:
        return
    with pytest.raises(DataError, match="cannot pack"):
        pack(values)


def test_what_is_no_code_is_refused_with_what_is() -> None:
    with pytest.raises(DataError, match="NaN"):
        pack(np.full((1, 8), np.nan))
    for wrong in (np.zeros(8, np.uint8), np.zeros((2, 8)), np.zeros((2, 8), np.int8), np.zeros((2, 0), np.uint8)):
        with pytest.raises(DataError, match="not packed codes"):
            check_codes(wrong)
    with pytest.raises(DataError, match="16 bits where 32"):
        check_codes(np.zeros((1, 2), np.uint8), bits=32)
    with pytest.raises(DataError, match="one model for both"):
        hamming(np.zeros((1, 2), np.uint8), np.zeros((1, 4), np.uint8))


names = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9), max_size=5)


@given(uris=names)
def test_code_files_give_back_what_was_saved(uris: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("codes") / "a.npz"
    uris = [*uris, "name that is not UTF-8: \udcff"]
    codes = np.random.default_rng(0).integers(0, 256, (len(uris), 4), dtype=np.uint8)
    save_codes(path, codes, uris, "f" * 64)
    found = load_codes(path)
    np.testing.assert_array_equal(found.codes, codes)
    assert (found.uris, found.fingerprint) == (uris, "f" * 64)
    assert [p.name for p in path.parent.iterdir()] == ["a.npz"]


def test_a_damaged_or_foreign_code_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_codes(path, np.zeros((50, 8), np.uint8), [f"picture-{i}" for i in range(50)], "0" * 64)
    whole = path.read_bytes()
    for size in range(0, len(whole), 40):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="not a whole code file"):
            load_codes(path)
    np.savez(path, codes=np.zeros((1, 8), np.uint8))
    with pytest.raises(DataError, match="not a whole code file"):
        load_codes(path)
    np.savez(path, format=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not a whole code file"):
        load_codes(path)
    with pytest.raises(DataError, match="no such code file"):
        load_codes(tmp_path / "none.npz")


def test_names_and_codes_must_match(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 codes but 1 names"):
        save_codes(tmp_path / "a.npz", np.zeros((2, 8), np.uint8), ["a"], "")
    with pytest.raises(DataError, match="zero byte"):
        save_codes(tmp_path / "a.npz", np.zeros((1, 8), np.uint8), ["a\0b"], "")
