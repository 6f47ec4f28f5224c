"""Clusters: chosen for codes that have centres and for no others, kept in files, and shells that hold what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import oracle
from transhash.errors import HammingIndexError
from transhash.search import HammingIndex, clusters, file, segment, tables
from transhash.search.words import PADDING, to_words


@pytest.fixture(autouse=True)
def few_are_many() -> object:
    """Clusters from 3,000 codes on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "WORTH_TABLES", 3000)
        patch.setattr(clusters, "WORTH", 3000)
        yield


def around(rng: np.random.Generator, count: int, bits: int, centres: int) -> np.ndarray:
    """Codes around so many centres, a tenth of the bits flipped."""
    middle = np.random.default_rng(bits).integers(0, 256, (centres, bits // 8), dtype=np.uint8)
    return middle[rng.integers(0, centres, count)] ^ np.packbits(rng.random((count, bits)) < 0.1, axis=1)


def clustered(index: HammingIndex) -> bool:
    return any(name.endswith("centres") for name in index.__reduce__()[1][1])


@pytest.mark.parametrize("bits", [64, 128, 256, 768])
def test_codes_around_centres_get_clusters_and_random_ones_do_not(bits: int) -> None:
    rng = np.random.default_rng(bits)
    codes = around(rng, 20_100, bits, 40)
    found = {}
    for name, stored in (("clusters", codes[100:]), ("tables", rng.integers(0, 256, (20_000, bits // 8), np.uint8))):
        index = HammingIndex(bits)
        index.add(stored)
        found[name] = clustered(index)
        assert index.nbytes > 0
        D, I = index.search(codes[:100], 100)  # noqa: E741
        expected = oracle.nearest(codes[:100], stored, np.arange(20_000), 100)
        np.testing.assert_array_equal(D, expected[0])
        np.testing.assert_array_equal(I, expected[1])
    assert found == {"clusters": True, "tables": False}


def test_no_centres_are_learned_where_codes_lie_too_far_from_any(monkeypatch: pytest.MonkeyPatch) -> None:
    learned, strays = [], clusters.strays
    monkeypatch.setattr(clusters, "strays", lambda *given: learned.append(given) or strays(*given))
    rng = np.random.default_rng(4)
    codes = around(rng, 20_000, 128, 40)
    for share in (0.3, 0.5):  # of the bits flipped once more
        HammingIndex(128).add(codes ^ np.packbits(rng.random((len(codes), 128)) < share, axis=1))
    assert not learned
    HammingIndex(128).add(codes)
    assert learned


def test_an_index_with_clusters_is_saved_and_opened(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    codes = around(rng, 12_000, 128, 20)
    index = HammingIndex(128)
    index.add(codes)
    index.remove([3, 4])
    index.save(tmp_path / "i.hamming")
    opened = HammingIndex.open(tmp_path / "i.hamming")
    assert clustered(opened)
    for mine, other in zip(opened.search(codes[:50], 30), index.search(codes[:50], 30), strict=True):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(opened.reconstruct([0, 7]), codes[[0, 7]])
    for made in (index, opened):
        made.add(codes[:5000])
        np.testing.assert_array_equal(
            made.search(codes[5:9], 2)[1], [[5, 12_005], [6, 12_006], [7, 12_007], [8, 12_008]]
        )


def test_a_shell_holds_the_codes_at_its_distance_from_its_centre() -> None:
    bits = 64
    codes = np.unique(around(np.random.default_rng(2), 9000, bits, 30), axis=0)
    store = tables.build(to_words(codes, bits, PADDING), bits)
    assert len(store.centres) == len(store.reach) + PADDING
    assert (np.diff(store.reach.astype(int)) <= 0).all()
    for c in range(len(store.reach)):
        for distance in range(bits + 1):
            first, last = store.offsets[c * (bits + 1) + distance : c * (bits + 1) + distance + 2]
            apart = np.bitwise_count(store.codes[first:last] ^ store.centres[c]).sum(axis=1)
            assert (apart == distance).all()
            assert first == last or distance <= store.reach[c]
    assert store.offsets[-1] == store.unique == len(codes)


DAMAGE = {
    "centres too few": lambda arrays: arrays.update({"0.centres": arrays["0.centres"][:-1]}),
    "no reach": lambda arrays: arrays.pop("0.reach"),
    "offsets too few": lambda arrays: arrays.update({"0.offsets": arrays["0.offsets"][:-1]}),
    "an offset beyond the codes": lambda arrays: arrays["0.offsets"].__setitem__(-1, 2**32 - 1),
    "offsets that fall": lambda arrays: arrays["0.offsets"].__setitem__(5, 2**31),
    "centres of another width": lambda arrays: arrays.update({"0.centres": arrays["0.centres"].repeat(2, axis=1)}),
    "tables too": lambda arrays: arrays.update({"0.cuts": np.array([0, 32, 64])}),
}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE.keys())
def test_odd_clusters_are_refused(change: object, tmp_path: Path) -> None:
    path = tmp_path / "i.hamming"
    index = HammingIndex(64)
    index.add(around(np.random.default_rng(3), 6000, 64, 20))
    index.save(path)
    head, arrays = file.read(path, False, True)
    arrays = {name: array.copy() for name, array in arrays.items()}
    change(arrays)  # type: ignore[operator]
    file.write(path, head, arrays)
    with pytest.raises(HammingIndexError, match="build the index again"):
        HammingIndex.open(path)
