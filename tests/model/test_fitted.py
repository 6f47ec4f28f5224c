"""Codes fitted to a collection, from embeddings of a byte a value."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.codes import pack, unpack
from transhash.errors import DataError
from transhash.model.fitted import Head, cosines, embedding, fit_head


def values(n: int, seed: int = 0) -> np.ndarray:
    """Relaxed codes of n pictures of ten kinds, float32 (n, 128)."""
    random = np.random.default_rng(seed)
    kinds = np.random.default_rng(99).normal(size=(10, 128))
    return (kinds[random.integers(0, 10, n)] + 0.7 * random.normal(size=(n, 128))).astype(np.float32)


def test_an_embedding_keeps_the_cosine_to_a_hundredth() -> None:
    v = values(200)
    unit = v / np.linalg.norm(v, axis=1, keepdims=True)
    kept = embedding(v)
    assert kept.dtype == np.int8
    found = np.stack([cosines(one, kept) for one in kept])
    assert np.abs(found - unit @ unit.T).max() < 0.01


def test_an_embedding_does_not_depend_on_the_length_of_the_values() -> None:
    v = values(50)
    np.testing.assert_array_equal(embedding(v), embedding(v * np.float32(8)))


def test_values_of_nothing_but_zeros_are_an_embedding_of_zeros() -> None:
    np.testing.assert_array_equal(embedding(np.zeros((1, 128), np.float32)), np.zeros((1, 128), np.int8))


def test_an_equal_embedding_has_a_cosine_of_exactly_one() -> None:
    kept = embedding(values(300))
    assert all(cosines(one, kept)[row] == 1.0 for row, one in enumerate(kept))


def test_codes_of_a_head_are_the_signs_of_its_whole_numbers() -> None:
    kept = embedding(values(500))
    head = fit_head(kept, 64)
    exact = kept.astype(object) @ head.weights.astype(object) + head.offset.astype(object)  # Python's own integers
    np.testing.assert_array_equal(unpack(head.codes(kept)).astype(bool), exact > 0)


def test_fitted_codes_tell_kinds_apart_better_than_signs_of_a_skewed_embedding() -> None:
    skewed = values(600) + 3  # most signs agree
    kept = embedding(skewed)
    kinds = np.random.default_rng(0).integers(0, 10, 600)

    def margin(codes: np.ndarray) -> float:
        bits = unpack(codes)[:, :64].astype(np.int64)
        far = (bits[:, None] != bits[None]).sum(axis=2)
        same = kinds[:, None] == kinds[None]
        return float(far[~same].mean() - far[same].mean())

    assert margin(fit_head(kept, 64).codes(kept)) > 2 * margin(pack(kept[:, :64].astype(np.float32)))


def test_a_head_is_kept_and_found_again() -> None:
    head = fit_head(embedding(values(400)), 32)
    again = Head.from_bytes(head.to_bytes(), 32)
    np.testing.assert_array_equal(again.weights, head.weights)
    np.testing.assert_array_equal(again.offset, head.offset)
    assert again.fingerprint("m") == head.fingerprint("m") != head.fingerprint("n")


def test_hash_layers_keep_the_map_that_orders() -> None:
    kept = embedding(values(400))
    head, plain = fit_head(kept, 32, orders=400), fit_head(kept, 32)
    assert head.order is not None
    np.testing.assert_array_equal(head.codes(kept), plain.codes(kept))
    again = Head.from_bytes(head.to_bytes(), 32)
    assert again.order is not None
    assert again.fingerprint("m") == head.fingerprint("m") != plain.fingerprint("m")
    np.testing.assert_array_equal(again.ordered(kept), head.ordered(kept))
    np.testing.assert_array_equal(plain.ordered(kept), kept)
    assert head.ordered(kept).shape == (400, 128)


def test_the_smaller_the_share_of_a_collection_that_was_seen_the_more_its_order_is_the_plain_one() -> None:
    kept = embedding(values(400))
    plain = np.stack([cosines(one, kept) for one in kept])
    apart = []
    for count in (400, 4000, 400_000):
        mapped = fit_head(kept, 32, orders=count).ordered(kept)
        apart.append(float(np.abs(np.stack([cosines(one, mapped) for one in mapped]) - plain).mean()))
    assert apart[0] > apart[1] > apart[2]


def test_what_orders_is_computed_in_whole_numbers() -> None:
    kept = embedding(values(300))
    head = fit_head(kept, 16, orders=300)
    assert head.order is not None
    exact = kept.astype(object) @ head.order.weights.astype(object) + head.order.offset.astype(object)
    np.testing.assert_array_equal(head.order.values(kept), exact.astype(np.float64))
    found = head.ordered(kept)
    assert found.dtype == np.int8
    assert 15 < np.abs(found.astype(int)).mean() < 35  # of 127 steps


def test_pictures_that_do_not_differ_have_no_map_that_orders() -> None:
    kept = np.repeat(embedding(values(2)), 30, axis=0)
    assert fit_head(kept, 8, orders=60).order is None


@pytest.mark.parametrize("values", [0, 1, 3, 1 << 31])
def test_a_map_of_another_size_is_refused(values: int) -> None:
    with pytest.raises(DataError, match="fitted hash layers"):
        Head.from_bytes(bytes(8 * (2 * 10 + 8) + 5) + b"THorders" + values.to_bytes(4, "little"), 8)


@pytest.mark.parametrize(("size", "bits"), [(0, 8), (7, 8), (65, 8), (64, 0), (63, 8)])
def test_bytes_that_are_no_head_are_refused(size: int, bits: int) -> None:
    with pytest.raises(DataError, match="fitted hash layers"):
        Head.from_bytes(bytes(size), bits)


def test_a_large_collection_is_fitted_to_a_sample_that_is_always_the_same() -> None:
    kept = embedding(values(5000))
    assert fit_head(kept, 16).to_bytes() == fit_head(kept.copy(), 16).to_bytes()


def test_more_bits_than_pictures_are_refused() -> None:
    with pytest.raises(DataError, match="need more than 64 pictures"):
        fit_head(embedding(values(40)), 64)
