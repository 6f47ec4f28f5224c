"""Plain pictures: pages, forms, shapes on nothing. What little structure they have must agree in a larger size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from transhash import compare
from transhash.library.duplicates.confirmation import confirm
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.sketches import sketch

LINES = (
    "I agree to sell the house.",
    "The test was negative.",
    "Call me at nine tomorrow.",
)


def letter(number: int) -> Image.Image:
    page = Image.new("RGB", (1240, 1754), "white")
    ImageDraw.Draw(page).text((120, 120), LINES[number], fill="black", font_size=26)
    return page


def form(number: int) -> Image.Image:
    page = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 1240, 160), fill=(20, 60, 120))
    draw.text((60, 40), "INVOICE", fill="white", font_size=60)
    for row in range(12):
        draw.text((80, 300 + 90 * row), LINES[row % 3], fill="black", font_size=30)
        draw.text((900, 300 + 90 * row), f"{(row + 7) * (number + 3) * 17.31:.2f} EUR", fill="black", font_size=30)
    return page


def shape(number: int) -> Image.Image:
    image = Image.new("RGBA", (256, 256), (255, 255, 255, 0))
    getattr(ImageDraw.Draw(image), ("ellipse", "rectangle")[number])((60, 60, 190, 190), fill=(255, 255, 255, 255))
    return image


@pytest.mark.parametrize("draw", [letter, form, shape])
def test_others_of_their_kind_are_nothing_to_each_other(draw: Callable[[int], Image.Image], tmp_path: Path) -> None:
    for number in range(2):
        draw(number).save(tmp_path / f"{number}.png")
    assert compare(tmp_path / "0.png", tmp_path / "1.png").kind is None


@pytest.mark.parametrize("draw", [letter, form])
def test_a_page_that_was_saved_again_is_the_same_page(draw: Callable[[int], Image.Image], tmp_path: Path) -> None:
    draw(0).save(tmp_path / "page.png")
    draw(0).save(tmp_path / "page.jpg", quality=85)
    draw(0).resize((930, 1316)).save(tmp_path / "smaller.png")
    kinds = {compare(tmp_path / "page.png", tmp_path / name).kind for name in ("page.jpg", "smaller.png")}
    assert kinds <= {Kind.COPY, Kind.SAME_PIXELS, Kind.UNSURE}
    if draw is form:
        assert Kind.UNSURE not in kinds


def test_skies_are_no_mirrored_and_leaning_parts_of_one_another() -> None:
    def sky(number: int) -> Image.Image:
        random = np.random.default_rng([number, 3])
        clouds = Image.fromarray(random.normal(0, 15, (4, 6)).astype(np.float32))
        soft = np.asarray(clouds.resize((400, 300), Image.Resampling.BICUBIC))[..., None]
        pixels = np.linspace(0, 60, 300)[:, None, None] + np.array([90, 140, 200]) + soft
        return Image.fromarray(np.clip(pixels + random.normal(0, 2, (300, 400, 3)), 0, 255).astype(np.uint8))

    sketches = {number: sketch(sky(number)) for number in (0, 1, 5, 6, 7, 11)}
    for one, other in ((0, 5), (0, 11), (1, 6), (1, 7)):
        assert confirm(sketches[one], sketches[other]).kind is not Kind.EDIT
