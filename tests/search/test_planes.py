"""A scan by slices or half bytes finds what a scan that counts bits finds, at any length, bound and number of codes."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import numba
import numpy as np
import pytest

from transhash.search import planes, scan, slices
from transhash.search.small import NONE
from transhash.search.store import Store, frozen
from transhash.search.words import PADDING, to_words

EVERYTHING = np.empty(0, np.uint64)
QUERIES = 2 * slices.FEW + 3  # not a multiple of those that are compared together


def stored(codes: np.ndarray) -> Store:
    """A store without tables."""
    none = np.empty(0, np.uint32)
    words = to_words(codes, 8 * codes.shape[1], PADDING)
    return frozen(Store(words, np.arange(len(codes), dtype=np.uint32), none, np.zeros(1, np.int64), none, none, none))


@pytest.mark.skipif(not planes.FAST, reason="without AVX2 no block is turned")
@pytest.mark.parametrize("bits", [8, 64, 72, 128, 192, 256, 512])
@pytest.mark.parametrize("size", [1, 31, 64, 65, 2500])
def test_a_turned_block_finds_what_counted_bits_find(bits: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSHASH_THREADS", "2")
    rng = np.random.default_rng(bits + size)
    codes = rng.integers(0, 256, (size, bits // 8), np.uint8)
    asked = rng.integers(0, 256, (QUERIES, bits // 8), np.uint8)
    asked[0] = codes[-1]
    asked[1] = ~codes[0]  # nothing is farther, at 256 bits one more than a byte can say
    distances = np.bitwise_count(asked[:, None] ^ codes).sum(axis=2, dtype=np.int64)
    store, queries = stored(codes), to_words(asked, bits)
    bounds = rng.permutation(np.resize([-1, 0, bits // 3, bits // 2, 254, 255, 256, bits], QUERIES).clip(max=bits))
    assert scan.turning.room(queries, scan.BLOCK_BYTES // 64) is not None
    assert (scan.count_within(store, EVERYTHING, queries, bounds) == (distances <= bounds[:, None]).sum(axis=1)).all()
    keys = np.where(distances <= bounds[:, None], distances << 32 | np.arange(size), NONE)
    found = scan.nearest(store, EVERYTHING, queries, size + 1, bits, bounds)
    assert (found[:, :size] == np.sort(keys, axis=1)).all()
    assert (found[:, size] == NONE).all()


@pytest.mark.parametrize(
    ("features", "known"), [("-avx512f", [planes.FAST, False]), ("-avx512f,-avx2,+popcnt", [False, False])]
)
def test_instructions_that_numba_is_forbidden_are_not_used(features: str, known: list[bool]) -> None:
    program = "from transhash.search import planes, slices; print([planes.FAST, slices.FAST])"
    environment = {**os.environ, "NUMBA_CPU_FEATURES": features}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(known)


@pytest.mark.parametrize("bits", [64, 128, 256, 512])
@pytest.mark.parametrize("way", [planes, slices], ids=["half bytes", "slices"])
def test_masks_say_which_codes_are_within_the_bounds(way: ModuleType, bits: int) -> None:
    if not way.FAST:
        pytest.skip("this processor has no such instructions")

    @numba.njit
    def marked(codes, count, width, bounds, room):  # type: ignore[no-untyped-def]
        found = np.zeros((len(bounds), count), np.bool_)
        for top in range(0, count, slices.BLOCK):
            bottom = min(top + slices.BLOCK, count)
            way.turn(codes, top, bottom, width, room)
            for q in range(len(bounds)):
                lane = q % way.TOGETHER
                if lane == 0:
                    way.compare(bottom - top, q, bounds, width, room)
                for row in range(top, bottom):
                    mask = room.masks[lane, (row - top) // planes.ROWS]
                    found[q, row] = room.some[lane] != 0 and (mask >> np.uint64((row - top) % planes.ROWS)) & 1
        return found

    rng = np.random.default_rng(bits)
    count = 1100  # the last block is not full
    codes = to_words(rng.integers(0, 256, (count, bits // 8), np.uint8), bits, PADDING)
    queries = to_words(rng.integers(0, 256, (QUERIES, bits // 8), np.uint8), bits)
    queries = np.concatenate((queries, ~codes[:1], codes[count - 1 : count]))
    bounds = np.resize([0, 1, bits // 2, bits // 2 - 5, bits // 3, bits], len(queries)).clip(max=way.MOST)
    room = way.room(queries, slices.BLOCK)
    distances = np.bitwise_count(queries[:, None] ^ codes[:count]).sum(axis=2)
    np.testing.assert_array_equal(
        marked(codes, count, (0,) * codes.shape[1], bounds, room), distances <= bounds[:, None]
    )


def test_few_queries_are_compared_without_turning() -> None:
    for way in (planes, slices):
        assert way.room(np.zeros((way.FEW - 1, 1), np.uint64), slices.BLOCK) is None
