"""Changes to pictures: what each does, that it is the same every time, and what cannot be meant."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.evaluation.changes import KINDS, STRESS, Changed, parse
from transhash.errors import DataError


def picture(width: int = 48, height: int = 32) -> Image.Image:
    down, right = np.mgrid[0:height, 0:width]
    pixels = np.stack([right * 255 // width, down * 255 // height, (right * down * 7) % 256], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels)


def changed(text: str, image: Image.Image | None = None, seed: int = 0) -> Image.Image:
    return parse(text)(picture() if image is None else image, np.random.default_rng(seed))


@pytest.mark.parametrize("text", STRESS)
def test_every_change_of_the_list_gives_a_colour_picture_and_leaves_its_source(text: str) -> None:
    image = picture()
    made = changed(text, image)
    assert made.mode == "RGB"
    assert image.tobytes() == picture().tobytes()
    assert made.size != image.size or made.tobytes() != image.tobytes()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("crop:0.5", (24, 16)),
        ("resize:2", (96, 64)),
        ("rotate:90", (32, 48)),
        ("rotate:10", (48, 32)),
        ("resize:0.01", (1, 1)),
        ("crop:0.5+resize:2", (48, 32)),
    ],
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    assert changed(text).size == size


def test_jpeg_is_what_a_file_of_that_quality_has() -> None:
    data = io.BytesIO()
    picture().save(data, "JPEG", quality=30)
    assert changed("jpeg:30").tobytes() == Image.open(data).convert("RGB").tobytes()


def test_a_crop_is_a_part_of_the_picture() -> None:
    whole, part = np.asarray(picture()), np.asarray(changed("crop:0.75", seed=3))
    places = [(y, x) for y in range(32 - 24 + 1) for x in range(48 - 36 + 1)]
    assert any((whole[y : y + 24, x : x + 36] == part).all() for y, x in places)


def test_colours_shift_channel_by_channel_within_the_share() -> None:
    before, after = (np.asarray(image, np.float64) for image in (picture(), changed("colour:0.1", seed=1)))
    bright = (before > 60) & (before < 220)  # neither rounded much nor clipped
    ratio = np.where(bright, after / np.maximum(before, 1), np.nan)
    gains = np.nanmean(ratio, axis=(0, 1))
    assert (np.abs(gains - 1) < 0.11).all()
    assert np.ptp(gains) > 0.005
    assert np.nanmax(np.abs(ratio - gains)) < 0.02


def test_a_screenshot_shows_the_picture_in_its_middle() -> None:
    made = changed("screenshot:0.5", Image.new("RGB", (40, 40), (200, 0, 0)))
    pixels = np.asarray(made)
    red = (pixels == (200, 0, 0)).all(axis=-1)
    assert red.mean() == pytest.approx(0.25, abs=0.02)
    assert red[made.height // 2, made.width // 2]
    assert not red[0].any()


def test_what_is_drawn_depends_on_the_row_alone() -> None:
    sources = [np.asarray(picture())] * 8
    change = parse("crop:0.7+colour:0.2")
    some = Changed(sources, change, [5, 2])
    every = Changed(sources, change)
    assert (len(some), len(every)) == (2, 8)
    assert some[0].tobytes() == every[5].tobytes()
    assert some[1].tobytes() == every[2].tobytes()
    assert len({each.tobytes() for each in map(every.__getitem__, range(8))}) > 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("melt:3", "no change is called 'melt'; there are jpeg"),
        ("jpeg", "no number; give jpeg:N"),
        ("jpeg:low", "no number; give jpeg:N"),
        ("jpeg:0", "out of range; give 1 to 100"),
        ("crop:nan", "out of range"),
        ("grey:2", "takes no amount"),
        ("", "no change is called ''"),
    ],
)
def test_changes_that_cannot_be_meant(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse(text)


def test_every_kind_is_on_the_list() -> None:
    assert {text.partition(":")[0] for text in STRESS} == KINDS.keys()
