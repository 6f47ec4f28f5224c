"""Which pairs are worth a look, by signs of each picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transhash.library.duplicates.candidates import TABLES, Signs, pairs
from transhash.library.duplicates.sketches import SMALL
from transhash.library.duplicates.unions import Unions

NO_KEYS = np.zeros((TABLES, 0), np.int32)


def signs(whole: npt.NDArray[np.uint8]) -> Signs:
    return Signs(whole, NO_KEYS, NO_KEYS)


def picture(number: int) -> npt.NDArray[np.uint8]:
    """Slow shades, as small copies have them."""
    waves = np.random.default_rng(number).normal(0, 1, (4, 4))
    shades = np.kron(waves, np.ones((SMALL // 4, SMALL // 4)))
    return np.clip(128 + 40 * shades, 0, 255).astype(np.uint8)


def united(found: npt.NDArray[np.int64], count: int) -> set[frozenset[int]]:
    unions = Unions(np.arange(count))
    for one, other in found.tolist():
        unions.unite(one, other)
    leaders = unions.leaders()
    return {frozenset(np.flatnonzero(leaders == leader).tolist()) for leader in set(leaders.tolist())}


def test_equal_pictures_are_asked_about_a_few_times_each_and_hang_together() -> None:
    count = 600
    found = pairs([signs(picture(1))] * count)
    assert len(found) < 40 * count
    assert (found[:, 0] < found[:, 1]).all()
    assert united(found, count) == {frozenset(range(count))}


def test_near_copies_of_many_pictures_hang_together_and_are_found_turned() -> None:
    random = np.random.default_rng(2)
    every = [
        picture(number).astype(np.int64) + random.integers(-2, 3, (SMALL, SMALL))
        for number in range(5)
        for _ in range(99)
    ]
    every.append(np.rot90(every[0]))
    found = pairs([signs(np.clip(each, 0, 255).astype(np.uint8)) for each in every])
    assert len(found) < 40 * len(every)
    for number in range(5):
        copies = set(range(99 * number, 99 * (number + 1)))
        of_it = found[np.isin(found, list(copies)).all(axis=1)] - 99 * number
        assert united(of_it, 99) == {frozenset(range(99))}
    assert any(other == len(every) - 1 and one < 99 for one, other in found.tolist())


def test_pairs_of_equal_pictures_are_found_among_many_that_are_as_blank() -> None:
    blank = np.full((SMALL, SMALL), 250, np.uint8)
    every = [blank.copy() for _ in range(300)]
    for number, each in enumerate(every):
        each[number // 20 % 15, number // 2 % 10] = 240  # hardly anything: the hashes of all are near
    found = {tuple(pair) for pair in pairs([signs(each) for each in every]).tolist()}
    assert all((number, number + 1) in found for number in range(0, 300, 2))
