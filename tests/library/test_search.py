"""What a search answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_model import FakeModel
from PIL import Image

from transhash import ImageError, Library
from transhash.errors import HammingIndexError


@pytest.fixture
def filled(library: Library, photos: Path) -> Library:
    library.index(photos)
    return library


def test_hits_are_the_nearest_of_all_in_order(filled: Library, photos: Path, model: FakeModel) -> None:
    pictures = sorted(photos.rglob("*.png"))
    codes = np.unpackbits(model.encode(pictures), axis=1).astype(int)
    query = pictures[2]

    expected = sorted((int(np.abs(code - codes[2]).sum()), path) for code, path in zip(codes, pictures, strict=True))
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
