"""Packing and distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from transhash.codes import check_codes, hamming, pack, to_signs, unpack
from transhash.errors import DataError

packed = st.integers(1, 17).flatmap(lambda width: arrays(np.uint8, st.tuples(st.integers(0, 9), st.just(width))))


@settings(deadline=None)
@given(packed)
def test_unpacking_and_packing_is_the_identity(codes: np.ndarray) -> None:
    np.testing.assert_array_equal(pack(unpack(codes)), codes)
    np.testing.assert_array_equal(pack(to_signs(codes)), codes)


def test_bit_0_is_the_most_significant_of_byte_0_and_zero_is_not_a_one() -> None:
    values = np.array([[3.0, 0.0, -1.0, -0.0, 1e-30, 0, 0, np.inf] + [0.0] * 7 + [1.0]])
    assert pack(values).tolist() == [[0b10001001, 0b00000001]]


@settings(deadline=None)
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


@settings(deadline=None)
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
