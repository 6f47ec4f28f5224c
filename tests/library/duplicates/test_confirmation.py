"""Copies of real pictures are told from other pictures, by hash and by pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from transhash.library.duplicates import confirmation as likeness

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "pictures").rglob("*.jpg"))[::4]


def saved(image: Image.Image, quality: int) -> bytes:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return data.getvalue()


def thumbnails(change: Callable[[Image.Image], object]) -> np.ndarray:
    changed = [
        change(Image.open(path).convert("RGB").resize((160, 160), Image.Resampling.BICUBIC)) for path in EXAMPLES
    ]
    return np.array([likeness.thumbnail(each) for each in changed])


@pytest.fixture(scope="module")
def originals() -> np.ndarray:
    return thumbnails(lambda image: image)


COPIES: dict[str, Callable[[Image.Image], object]] = {
    "jpeg": lambda image: saved(image, 40),
    "smaller": lambda image: image.resize((70, 70)),
    "larger": lambda image: image.resize((500, 500)),
    "other shape": lambda image: image.resize((160, 150)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.75),
    "centre": lambda image: image.crop((4, 4, 156, 156)),
    "corner": lambda image: image.crop((0, 0, 152, 152)),
}


@pytest.mark.parametrize("way", COPIES)
def test_copies_are_alike_and_their_hashes_near(way: str, originals: np.ndarray) -> None:
    copies = thumbnails(COPIES[way])
    apart = np.bitwise_count(likeness.hashes(originals) ^ likeness.hashes(copies)).sum(axis=1)
    assert (likeness.alike(originals, copies) & (apart <= likeness.HASH_RADIUS)).mean() > 0.9


def test_different_pictures_are_not_alike(originals: np.ndarray) -> None:
    one, other = np.triu_indices(len(originals), 1)
    assert not likeness.alike(originals[one], originals[other]).any()


def test_mirrored_and_turned_pictures_are_not_alike(originals: np.ndarray) -> None:
    for change in (ImageOps.mirror, lambda image: image.rotate(90)):
        assert likeness.alike(originals, thumbnails(change)).mean() < 0.05


def test_grey_copies_of_coloured_pictures_are_not_alike() -> None:
    coloured = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)).resize((64, 64))
    pair = [likeness.thumbnail(each)[None] for each in (coloured, ImageOps.grayscale(coloured))]
    assert not likeness.alike(*pair).any()


def test_alike_is_symmetric_and_holds_for_itself(originals: np.ndarray) -> None:
    copies = thumbnails(COPIES["corner"])
    np.testing.assert_array_equal(likeness.alike(originals, copies), likeness.alike(copies, originals))
    assert likeness.alike(originals, originals).all()
    assert (likeness.unexplained(originals, originals) < 1e-3).all()


@pytest.mark.parametrize(
    ("one", "other", "same"), [(255, 255, True), (255, 200, False), (0, 20, False), (90, 93, True)]
)
def test_flat_pictures_are_alike_when_equally_bright(one: int, other: int, same: bool) -> None:
    pair = [likeness.thumbnail(np.full((40, 40, 3), level, np.uint8))[None] for level in (one, other)]
    assert likeness.alike(*pair).tolist() == [same]
    np.testing.assert_array_equal(likeness.hashes(pair[0]), likeness.hashes(pair[1]))


def test_a_movement_is_found(originals: np.ndarray) -> None:
    images = likeness._smoothed(likeness._greys(originals))
    movement = [np.full(len(images), each, np.float32) for each in (1.5, -1.0, 0.04, 0.02)]
    weights = likeness._weights(movement[0], movement[2]), likeness._weights(movement[1], movement[3])
    moved = weights[0] @ images @ weights[1].transpose(0, 2, 1) * 0.8 + 12
    unmoved = ((moved - images) ** 2).mean(axis=(1, 2)) / images.var(axis=(1, 2))
    assert np.median(unmoved) > 0.05
    assert np.median(likeness._aligned(images, moved)) < 0.003


def test_strong_colours_may_be_darker_but_not_gone() -> None:
    strong = [ImageEnhance.Color(Image.open(path).convert("RGB")).enhance(2.5) for path in EXAMPLES]
    vivid = np.array([likeness.thumbnail(image) for image in strong])
    darker = np.array([likeness.thumbnail(ImageEnhance.Brightness(image).enhance(0.75)) for image in strong])
    grey = np.array([likeness.thumbnail(image.convert("L")) for image in strong])
    colours = np.abs(vivid[:, likeness.SIDE**2 :].astype(int) - 128).mean(axis=1)
    coloured = colours > 2 * likeness.COLOUR_DIFFERENCE
    assert coloured.sum() >= 5
    assert likeness.alike(vivid, darker)[coloured].mean() > 0.9
    assert not likeness.alike(vivid, grey)[coloured].any()
