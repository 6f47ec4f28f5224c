"""What a search answers."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fake_model import FakeModel
from transhash import HammingIndex, ImageError, Library
from transhash.errors import HammingIndexError, LibraryError
from transhash.library import Queries, ranking
from transhash.model.calibration import Calibration


def test_hits_are_the_nearest_of_all_in_order(filled: Library, photos: Path, model: FakeModel) -> None:
    pictures = sorted(photos.rglob("*.png"))
    signs = np.unpackbits(model.encode(pictures), axis=1) * 2.0 - 1
    query = pictures[2]
    (values,) = model.values([query])

    distances = (signs != signs[2]).sum(1).tolist()
    graded = sorted(zip(distances, -(signs @ values), pictures, strict=True))
    expected = [(distance, path) for distance, _, path in graded]
    assert [(hit.distance, hit.path) for hit in filled.search(query, k=10)] == expected
    assert [(hit.distance, hit.path) for hit in filled.search(query, k=2)] == expected[:2]
    limit = expected[3][0]
    within = [pair for pair in expected if pair[0] <= limit]
    assert [(hit.distance, hit.path) for hit in filled.search(query, max_distance=limit)] == within


def test_a_list_gives_a_list_for_each_and_every_kind_of_picture_will_do(filled: Library, photos: Path) -> None:
    path = photos / "dog" / "dog-1.png"
    image = Image.open(path).convert("RGB")
    one = filled.search(path, k=3)

    assert filled.search([str(path), image, np.asarray(image)], k=3) == [one, one, one]
    assert filled.search(np.asarray(image), k=3) == one
    assert filled.search([], k=3) == []


def test_equal_distances_are_ordered_by_how_sure_the_query_is(library: Library, photos: Path, model: FakeModel) -> None:
    rng = np.random.default_rng(0)
    query = np.zeros((8, 8), np.uint8)
    query[:4], query[4:] = rng.integers(150, 200, (4, 8)), rng.integers(0, 60, (4, 8))
    for number in range(30):  # one bit off: a pixel that was dark is bright
        picture = query.copy()
        picture[4 + number // 8, number % 8] = 160
        Image.fromarray(picture).save(photos / f"near-{number:02}.png")
    Image.fromarray(query).save(photos / "query.png")
    library.index(photos)
    pictures = sorted(photos.glob("*.png"))
    (values,) = model.values([photos / "query.png"])
    signs = np.unpackbits(model.encode(pictures), axis=1) * 2.0 - 1
    distances = (signs != signs[-1]).sum(1)
    products = dict(zip(pictures, signs @ values, strict=True))

    hits = library.search(photos / "query.png", k=len(pictures))
    assert [hit.distance for hit in hits] == sorted(distances)
    found = [(hit.distance, -products[hit.path]) for hit in hits]
    assert found == sorted(found)
    assert len({round(product, 3) for _, product in found}) > 2


def test_hits_have_the_probability_that_the_model_was_calibrated_to_tell(
    filled: Library, photos: Path, model: FakeModel
) -> None:
    query = photos / "cat" / "cat-0.png"
    assert [hit.probability for hit in filled.search(query, k=2)] == [None, None]
    with pytest.raises(LibraryError, match="calibrate"):
        filled.search(query, min_probability=0.5)

    model.calibration = Calibration(0.9, 20.0, 2.0, 100, "photos")
    hits = filled.search(query)
    assert [hit.probability for hit in hits] == [0.9 / (1 + (hit.distance / 20) ** 2) for hit in hits]
    limit = hits[2].probability
    assert limit is not None
    likely = filled.search(query, min_probability=limit)
    assert likely == [hit for hit in hits if hit.probability is not None and hit.probability >= limit]
    assert 0 < len(likely) < len(hits)
    assert filled.search(query, min_probability=0.95) == []
    assert filled.search(query, min_probability=limit, max_distance=0) == hits[:1]


def test_a_hit_knows_the_size_of_the_picture(filled: Library, photos: Path) -> None:
    hit = filled.search(photos / "cat" / "cat-0.png", k=1)[0]

    assert (hit.width, hit.height) == (24, 24)


def test_an_empty_library_finds_nothing(library: Library, photos: Path) -> None:
    assert library.search(photos / "cat" / "cat-0.png") == []


def test_a_huge_k_gives_all_there_is(filled: Library, photos: Path) -> None:
    assert len(filled.search(photos / "cat" / "cat-0.png", k=10**12)) == 6


def test_k_below_one_is_refused(filled: Library, photos: Path) -> None:
    with pytest.raises(HammingIndexError, match="ask for 1 result or more"):
        filled.search(photos / "cat" / "cat-0.png", k=0)


def test_a_query_that_cannot_be_used_is_named(filled: Library, photos: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.png"):
        filled.search([photos / "cat" / "cat-0.png", photos / "nowhere.png"])


def test_info_tells_the_facts(filled: Library, model: FakeModel) -> None:
    info = filled.info()

    assert (info.path, info.pictures, info.skipped, info.vanished) == (filled.path, 6, 0, 0)
    assert (info.model, info.bits, info.fingerprint) == ("fake", 64, model.fingerprint)
    assert info.bytes > 4096


@pytest.mark.parametrize("id_", [-1, 2**63, -(2**63) - 1, 10**30, np.uint64(2**63)])
def test_ids_that_no_library_can_have_are_unknown(filled: Library, id_: int) -> None:
    (known,) = filled.pictures([1])
    assert list(filled.pictures([id_, known])) == [known]
    assert filled.remove([id_, known]) == 1


NO_LIMITS = [
    *product(("k", "max_distance", "min_probability"), (float("nan"), "3", [3], {})),
    ("k", True), ("k", None), ("max_distance", 2.5), ("max_distance", -1),
    *product(("min_probability",), (-0.1, 1.5, 10**400)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), NO_LIMITS)
def test_a_limit_that_is_none_is_one_clear_error(filled: Library, photos: Path, name: str, value: object) -> None:
    with pytest.raises(HammingIndexError, match=f"{name} is"):
        filled.search(next(photos.rglob("*.png")), **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("left", [300, 21, 20, 19, 0])
def test_far_down_a_ranking_ids_order_equal_distances_and_nothing_comes_twice(
    monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setattr(ranking, "RERANKED", 20)
    random = np.random.default_rng(0)
    codes, values = random.integers(0, 256, (300, 1), np.uint8), random.standard_normal((3, 8)).astype(np.float32)
    index = HammingIndex(8)
    index.add(codes)
    queries = Queries(np.packbits(values > 0, axis=1), values)

    near = ranking.nearest(index, queries, 200, np.arange(left) if left < 300 else None)

    first = index.search(queries.codes, 20, ids=np.arange(left), values=values)
    for row, query in enumerate(queries.codes):
        distances = np.bitwise_count(codes[:left, 0] ^ query[0]).tolist()
        taken = first[1][row][: min(20, left)].tolist()
        rest = sorted((distance, id_) for id_, distance in enumerate(distances) if id_ not in taken)[:180]
        padding = [-1] * max(0, 200 - left)
        assert near.ids[row].tolist() == taken + [id_ for _, id_ in rest] + padding
        assert near.distances[row].tolist() == [distances[id_] if id_ >= 0 else -1 for id_ in near.ids[row]]
