"""What was laid over one of two pictures, and what has moved between them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from grouped import photograph
from transhash import compare
from transhash.library.duplicates.confirmation import confirm
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.sketches import sketch


def with_ball(number: int, left: int, top: int) -> Image.Image:
    image = photograph(number)
    ImageDraw.Draw(image).ellipse((left, top, left + 28, top + 20), fill=(230, 200, 60))
    return image


def with_letters(number: int, letters: str) -> Image.Image:
    image = photograph(number)
    ImageDraw.Draw(image).text((20, 195), letters, "white", font_size=32, stroke_width=3, stroke_fill="black")
    return image


@pytest.mark.parametrize("number", range(4))
def test_a_plain_thing_at_two_places_has_moved(number: int) -> None:
    first, second = (sketch(with_ball(number, left, 150)) for left in (50, 82))
    assert confirm(first, second).kind is Kind.BURST


@pytest.mark.parametrize("number", range(4))
def test_other_letters_on_one_photograph_were_laid_over_neither(number: int) -> None:
    first, second = (sketch(with_letters(number, letters)) for letters in ("SUMMER BY THE SEA", "BEST PRICE TODAY"))
    assert confirm(first, second).kind is not Kind.EDIT
    assert confirm(sketch(photograph(number)), second).kind is Kind.EDIT


def with_line(letters: str, opacity: float) -> Image.Image:
    """A photograph of 1,000 pixels with thin letters."""
    image = photograph(0).resize((1000, 750), Image.Resampling.BICUBIC)
    layer = Image.new("L", image.size)
    ImageDraw.Draw(layer).text((80, 330), letters, round(255 * opacity), font_size=40)
    return Image.composite(Image.new("RGB", image.size, "white"), image, layer)


@pytest.mark.parametrize(("opacity", "kind"), [(0.5, Kind.COPY), (1.0, Kind.EDIT)])
def test_letters_are_a_watermark_when_something_shows_through(opacity: float, kind: Kind, tmp_path: Path) -> None:
    """At 256 pixels thin strokes are half transparent, whatever they were."""
    with_line("", 0).save(tmp_path / "plain.jpg", quality=90)
    with_line("by the sea in the month of June", opacity).save(tmp_path / "lined.jpg", quality=90)
    assert compare(tmp_path / "plain.jpg", tmp_path / "lined.jpg").kind is kind


def saved(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize(("number", "grey"), [(1, 255), (3, 255), (5, 0)])
def test_a_faint_mark_draws_all_under_it_evenly_towards_white_or_black(number: int, grey: int) -> None:
    clean = photograph(number, (640, 480))
    layer = Image.new("RGBA", clean.size)
    ImageDraw.Draw(layer).text((20, 150), "© sample.com", (grey, grey, grey, 120), font_size=40)
    marked = Image.alpha_composite(clean.convert("RGBA"), layer).convert("RGB")
    one, other = sketch(saved(clean)), sketch(saved(marked))
    assert [confirm(one, other).evidence.marked, confirm(other, one).evidence.marked] == [1, 0]
    assert confirm(one, other).evidence.text("it", "the other").startswith("a mark on the other; ")
