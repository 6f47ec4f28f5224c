"""ITQ after smoothing: its neighbours are those of a plain search, and it finds kinds that ITQ does not."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.codes import pack
from transhash.errors import DataError
from transhash.evaluation import evaluate
from transhash.shallow import itq, smoothed_itq
from transhash.shallow.smoothed import NEIGHBOURS, smoothed


def kinds(items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of twenty kinds: sixteen values tell the kind, and as many, three times larger, tell nothing."""
    random = np.random.default_rng(seed)
    labels = random.integers(20, size=items)
    own = np.random.default_rng(9).standard_normal((20, 16))[labels] + 0.3 * random.standard_normal((items, 16))
    return np.hstack([own, 1.5 * random.standard_normal((items, 16))]).astype(np.float32), labels


@pytest.mark.parametrize("items", [2, 5, 6, 700])
def test_an_item_is_averaged_with_its_mutual_neighbours(items: int) -> None:
    vectors = np.random.default_rng(items).standard_normal((items, 6))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = [[j for j in np.argsort(-units @ one) if j != i][:NEIGHBOURS] for i, one in enumerate(units)]
    expected = [
        np.mean([units[i], *(units[j] for j in mine if i in nearest[j])], axis=0) for i, mine in enumerate(nearest)
    ]
    np.testing.assert_allclose(smoothed(vectors), expected, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
def test_kinds_are_found_that_itq_loses_among_what_tells_nothing(bits: int) -> None:
    vectors, labels = kinds(1200, 0)
    queries, wanted = kinds(200, 1)

    def found(head: np.ndarray) -> float:
        one, other = (pack(some @ head[:-1] + head[-1]) for some in (queries, vectors))
        return evaluate(one, wanted, other, labels).map

    assert found(smoothed_itq(vectors, bits)) > found(itq(vectors, bits)) + 0.1


def test_whole_numbers_give_the_hash_function_of_the_same_floats() -> None:
    whole = (kinds(300, 0)[0] * 20).clip(-127, 127).astype(np.int8)
    np.testing.assert_array_equal(smoothed_itq(whole, 16), smoothed_itq(whole.astype(np.float32), 16))


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_items_are_refused_as_by_itq(count: int) -> None:
    few = kinds(9, 0)[0][:count]
    with pytest.raises(DataError) as plain:
        itq(few, 16)
    with pytest.raises(DataError) as here:
        smoothed_itq(few, 16)
    assert str(here.value) == str(plain.value)


def test_items_that_are_all_alike_get_what_itq_gives_them() -> None:
    same = np.ones((40, 32), np.float32)
    np.testing.assert_array_equal(smoothed_itq(same, 16), itq(same, 16))


def test_items_that_are_equal_do_no_harm() -> None:
    vectors, _ = kinds(100, 0)
    head = smoothed_itq(np.vstack([vectors, np.repeat(vectors[:1], 50, axis=0)]), 16)
    assert np.isfinite(head).all()
    ones = (vectors @ head[:-1] + head[-1] > 0).mean(axis=0)
    assert ((ones > 0.1) & (ones < 0.9)).all()
