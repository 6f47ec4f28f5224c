"""The self-join against brute force, in every choice of blocks, over segments and removals."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from transhash import HammingIndex
from transhash.errors import HammingIndexError
from transhash.search import blocks, index, join, segment


@pytest.fixture(autouse=True)
def small_numbers() -> object:
    """Segments from 30 codes on, tables from 50, and pieces so small that every loop is left and entered again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "WORTH_TABLES", 50)
        patch.setattr(index, "TAIL", 30)
        patch.setattr(blocks, "FEW", 20)
        patch.setattr(join, "PIECE", 700)
        patch.setattr(join, "ROWS", 40)
        patch.setattr(join, "ROOM", 50)
        yield


def near_codes(rng: np.random.Generator, count: int, bits: int, flips: float) -> np.ndarray:
    """Codes around three centres, each bit flipped with a probability."""
    centres = rng.integers(0, 256, (3, bits // 8), dtype=np.uint8)
    return centres[rng.integers(0, 3, count)] ^ np.packbits(rng.random((count, bits)) < flips, axis=1)


def expected(codes: np.ndarray, ids: np.ndarray, radius: int) -> set[tuple[int, int, int]]:
    """(smaller id, greater id, distance) of all pairs of entries within the radius, equal codes included."""
    distances = oracle.distances(codes, codes)
    one, other = np.nonzero(np.triu(distances <= radius, 1))
    pairs = np.sort(np.stack((ids[one], ids[other]), axis=1), axis=1)
    return {(int(a), int(b), int(d)) for (a, b), d in zip(pairs, distances[one, other], strict=True)}


def found(made: join.Join) -> list[tuple[int, int, int]]:
    """The same, from a join."""
    groups = [made.ids[a:b].tolist() for a, b in zip(made.starts[:-1], made.starts[1:], strict=True)]
    pairs = [(a, b, 0) for group in groups for a, b in combinations(group, 2)]
    for some in made.pairs():
        assert (some.first < some.second).all()
        for first, second, distance in zip(*(each.tolist() for each in some), strict=True):
            pairs += [(min(a, b), max(a, b), distance) for a in groups[first] for b in groups[second]]
    return pairs


@given(
    seed=st.integers(0, 2**32),
    bits=st.sampled_from([8, 16, 40, 64, 72, 128, 200, 512]),
    count=st.integers(0, 180),
    flips=st.sampled_from([0.0, 0.01, 0.05, 0.15, 0.5]),
    radius=st.sampled_from([0, 1, 2, 3, 5, 9, 70, 600]),
    removed=st.sampled_from([0.0, 0.2, 1.0]),
)
@settings(max_examples=120, deadline=None)
def test_join_equals_brute_force(seed: int, bits: int, count: int, flips: float, radius: int, removed: float) -> None:
    rng = np.random.default_rng(seed)
    codes = near_codes(rng, count, bits, flips)
    ids = rng.permutation(10 * count)[:count].astype(np.int64)
    made = HammingIndex(bits)
    for begin in range(0, count, 25):
        made.add(codes[begin : begin + 25], ids[begin : begin + 25])
    gone = rng.random(count) < removed
    made.remove(ids[gone])

    pairs = found(made.join(radius))
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) == expected(codes[~gone], ids[~gone], radius)


@pytest.mark.parametrize(("bits", "radius"), [(64, 1), (64, 3), (128, 2), (16, 4), (24, 8)])
@pytest.mark.parametrize("agreeing", [0, 1, 2, 3])
def test_every_choice_of_blocks_gives_the_same(
    bits: int, radius: int, agreeing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = near_codes(np.random.default_rng(bits + radius), 300, bits, 0.04)
    made = HammingIndex(bits)
    ids = made.add(codes)
    used = []

    def plan(words: np.ndarray, bits: int, radius: int) -> list:
        dealt = blocks.deal(words, bits, radius + agreeing)
        choices = list(combinations(range(radius + agreeing), agreeing)) if agreeing else []
        used.append(len(choices))
        return [blocks.masks(dealt, choice) for choice in choices] or plan_of_all(words, bits, bits)

    plan_of_all = blocks.plan
    monkeypatch.setattr(blocks, "plan", plan)
    assert sorted(found(made.join(radius))) == sorted(expected(codes, ids, radius))
    assert used


def test_threads_hold_no_more_pairs_together_than_one_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSHASH_THREADS", "8")
    monkeypatch.setattr(join, "AT_ONCE", 1500)  # two pieces, of which eight threads have sixteen under way
    made = HammingIndex(64)
    made.add(np.unique(near_codes(np.random.default_rng(2), 200, 64, 0.2), axis=0))
    sizes = [len(some.first) for some in made.join(63).pairs()]
    assert sum(sizes) == len(made) * (len(made) - 1) // 2
    assert max(sizes) <= 1500


def test_equal_hashes_of_different_codes_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    hashing = blocks.hash_into

    def coarse(words: np.ndarray, mask: np.ndarray, first: int, last: int, hashes: np.ndarray) -> None:
        hashing(words, mask, first, last, hashes)
        hashes[first:last] %= 7

    monkeypatch.setattr(blocks, "hash_into", coarse)
    monkeypatch.setattr(blocks, "COMPARED", 1e9)
    codes = near_codes(np.random.default_rng(3), 200, 64, 0.03)
    made = HammingIndex(64)
    ids = made.add(codes)
    assert len(blocks.plan(made.join(3).words, 64, 3)) > 1
    assert sorted(found(made.join(3))) == sorted(expected(codes, ids, 3))


def test_many_codes_are_not_compared_all_with_all() -> None:
    words = np.random.default_rng(0).integers(0, 2**63, (100_000, 1), np.uint64)
    assert len(blocks.plan(words, 64, 3)) > 1


def test_blocks_share_out_all_bits_of_a_code() -> None:
    words = np.random.default_rng(0).integers(0, 2**63, (500, 2), np.uint64)
    words[:, 1] &= np.uint64(0xFF)  # codes of 72 bits
    dealt = blocks.deal(words, 72, 5)
    sizes = np.bitwise_count(dealt).sum(axis=1)
    assert sizes.sum() == 72
    assert sizes.max() - sizes.min() <= 1
    assert np.bitwise_count(np.bitwise_or.reduce(dealt, axis=0)).tolist() == [64, 8]


def test_a_piece_ends_before_its_pairs_are_too_many() -> None:
    ends = np.full(100, 100)
    pieces = join.cut_into_pieces(ends, 500, 30)
    work = [(ends[a:b] - np.arange(a, b) - 1).sum() for a, b in pieces]
    assert pieces[0, 0] == 0
    assert pieces[-1, 1] == 100
    assert (pieces[1:, 0] == pieces[:-1, 1]).all()
    assert max(work) <= 500


@pytest.mark.parametrize("radius", [-1, 1.5, None])
def test_a_radius_that_is_none_is_refused(radius: object) -> None:
    with pytest.raises(HammingIndexError, match="whole number of bits"):
        HammingIndex(64).join(radius)
