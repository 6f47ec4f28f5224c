"""Plain pictures: pages, forms, shapes on nothing. What little structure they have must agree in a larger size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

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


def invoice(number: int) -> Image.Image:
    page = Image.new("RGB", (1654, 2339), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((100, 100, 500, 220), fill=(20, 60, 140))
    draw.text((1000, 130), f"Invoice {1041 + number}", fill="black", font_size=44)
    draw.text((1000, 190), f"2024-0{1 + number}-28", fill="black", font_size=36)
    for row in range(12):
        draw.line((100, 500 + 100 * row, 1550, 500 + 100 * row), fill="grey", width=2)
        draw.text((120, 520 + 100 * row), f"Item number {row + 1} consulting services", fill="black", font_size=32)
    draw.text((1300, 1750), ("1,250.00", "1,973.00")[number], fill="black", font_size=40)
    return page


def terminal(number: int) -> Image.Image:
    screen = Image.new("RGB", (1280, 800))
    random = np.random.default_rng(3)
    for row in range(20 + number):
        line = "$ " + "".join(random.choice(list("abcdef /.-xyz"), 60))
        ImageDraw.Draw(screen).text((10, 10 + 22 * row), line, fill=(0, 220, 0), font_size=18)
    return screen


def slide(number: int) -> Image.Image:
    shades = np.linspace(0, 80, 720)[:, None, None] + np.array([30, 60, 120]) + np.zeros((1, 1280, 1))
    image = Image.fromarray(shades.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.text((60, 40), "Quarterly results", fill="white", font_size=60)
    for row in range(3 + number):
        draw.text((100, 160 + 80 * row), f"• Point number {row + 1} about revenue", fill="white", font_size=40)
    return image


def shape(number: int) -> Image.Image:
    image = Image.new("RGBA", (256, 256), (255, 255, 255, 0))
    getattr(ImageDraw.Draw(image), ("ellipse", "rectangle")[number])((60, 60, 190, 190), fill=(255, 255, 255, 255))
    return image


def blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(2))


def sharpened(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.UnsharpMask(2, 120, 0))


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


@pytest.mark.parametrize("draw", [letter, form, shape])
def test_others_of_their_kind_are_nothing_to_each_other(draw: Callable[[int], Image.Image], tmp_path: Path) -> None:
    for number in range(2):
        draw(number).save(tmp_path / f"{number}.png")
    assert compare(tmp_path / "0.png", tmp_path / "1.png").kind is None


@pytest.mark.parametrize("draw", [invoice, terminal, slide])
def test_what_differs_in_a_few_strokes_is_no_copy(draw: Callable[[int], Image.Image], tmp_path: Path) -> None:
    for number in range(2):
        draw(number).save(tmp_path / f"{number}.jpg", quality=85)
    assert compare(tmp_path / "0.jpg", tmp_path / "1.jpg").kind in {None, Kind.EDIT}


def test_lines_that_were_added_to_a_slide_are_no_watermark(tmp_path: Path) -> None:
    for number in (1, 4):
        slide(number).save(tmp_path / f"{number}.png")
    assert compare(tmp_path / "1.png", tmp_path / "4.png").kind in {None, Kind.EDIT}


@pytest.mark.parametrize("draw", [form, invoice, terminal, slide])
@pytest.mark.parametrize("change", [blurred, sharpened, smaller])
def test_a_page_that_was_changed_as_a_whole_is_a_copy(
    draw: Callable[[int], Image.Image], change: Callable[[Image.Image], Image.Image], tmp_path: Path
) -> None:
    draw(0).save(tmp_path / "page.png")
    change(draw(0)).save(tmp_path / "changed.jpg", quality=80)
    assert compare(tmp_path / "page.png", tmp_path / "changed.jpg").kind is Kind.COPY


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
