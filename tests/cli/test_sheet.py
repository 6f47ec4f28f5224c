"""Contact sheets."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transhash.cli import sheet
from transhash.errors import TransHashError
from transhash.library import Hit, Picture

COLOURS = [(200, 0, 0), (0, 160, 0), (0, 0, 220), (220, 160, 0)]
STEP = sheet.TILE + sheet.GAP
LINE = sheet.TILE + sheet.CAPTION + sheet.GAP


@pytest.fixture
def hits(tmp_path: Path) -> list[Hit]:
    """Pictures of one colour each, of several shapes."""
    found = []
    for number, (colour, size) in enumerate(zip(COLOURS, [(50, 50), (400, 100), (100, 400), (3, 2)], strict=True)):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", size, colour).save(path)
        moment = datetime(2026, 1, 1)
        picture = Picture(number + 1, "", path.name, str(tmp_path), *size, 99, None, moment, "", "")
        found.append(Hit(picture, number))
    return found


def centre(page: Image.Image, column: int, line: int = 0) -> tuple[int, ...]:
    """The colour in the middle of a tile; column 0 is the query's."""
    left = sheet.GAP if column == 0 else 2 * sheet.GAP + column * STEP
    return page.getpixel((left + sheet.TILE // 2, sheet.GAP + line * LINE + sheet.TILE // 2))


def extent(page: Image.Image, colour: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = np.nonzero((np.asarray(page) == colour).all(axis=2))
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


def test_the_query_comes_first_and_pictures_keep_their_proportions(hits: list[Hit]) -> None:
    page = sheet.Sheet()
    page.add("query.png", np.full((30, 60, 3), 90, np.uint8), hits)
    drawn = page.draw()

    assert centre(drawn, 0) == (90, 90, 90)
    assert [centre(drawn, column) for column in range(1, 5)] == COLOURS
    sizes = [extent(drawn, colour) for colour in COLOURS]
    assert sizes == [(160, 160), (160, 40), (40, 160), (160, 107)]
    assert drawn.size == (5 * STEP + 2 * sheet.GAP, sheet.GAP + LINE)


def test_each_query_has_its_lines_and_many_hits_take_several(hits: list[Hit], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "COLUMNS", 3)
    page = sheet.Sheet()
    page.add("one", np.full((9, 9), 60, np.uint8), hits)
    page.add("two", np.full((9, 9), 70, np.uint8), hits[:1])
    page.add("three", np.full((9, 9), 80, np.uint8), [])
    drawn = page.draw()

    assert centre(drawn, 1, 1) == COLOURS[3]
    assert [centre(drawn, 0, line) for line in (0, 2, 3)] == [(60,) * 3, (70,) * 3, (80,) * 3]
    assert centre(drawn, 1, 2) == COLOURS[0]
    assert centre(drawn, 1, 3) == (255, 255, 255)
    assert drawn.height == sheet.GAP + 4 * LINE


def test_a_file_that_is_missing_gets_an_empty_tile_that_says_so(
    hits: list[Hit], monkeypatch: pytest.MonkeyPatch
) -> None:
    hits[1].path.unlink()
    hits[2].path.write_bytes(b"no picture" * 9)
    page = sheet.Sheet()
    page.add("query", np.zeros((9, 9), np.uint8), hits)
    written = []
    text = sheet.fitting
    monkeypatch.setattr(sheet, "fitting", lambda pen, words, width: written.append(words) or text(pen, words, width))
    drawn = np.asarray(page.draw())

    assert [words for words in written if words in ("no such file", "not a picture")] == [
        "no such file",
        "not a picture",
    ]
    tile = drawn[sheet.GAP : sheet.GAP + sheet.TILE, 2 * sheet.GAP + 2 * STEP :][:, : sheet.TILE]
    assert (tile == 0xEC).all(axis=2).mean() > 0.9
    assert (tile < 0xA0).any()


def test_captions_have_distance_and_name(hits: list[Hit], monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageDraw

    written = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda self, place, text, *_, **__: written.append(text))
    page = sheet.Sheet()
    page.add("folder/query.png", np.zeros((9, 9), np.uint8), hits[:2])
    page.draw()
    assert written == ["query", "query.png", "0 bits", "0.png", "1 bit", "1.png"]


@pytest.mark.parametrize(
    "name", ["short", "a-very-long-name-" * 20, "x" * 5000, "caf\udce9-" * 30, "two\nlines\t" * 9, ""]
)
def test_a_text_is_made_to_fit(name: str) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(Image.new("RGB", (10, 10)))
    fitted = sheet.fitting(pen, name, 100)
    assert pen.textlength(fitted, sheet.font()) <= 100
    assert "\n" not in fitted
    assert fitted == name or "…" in fitted


@pytest.mark.parametrize("fonts", [sheet.FONTS, ()], ids=["a font of the system", "Pillow's font"])
def test_no_letter_is_drawn_as_a_box(fonts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageDraw

    monkeypatch.setattr(sheet, "FONTS", fonts)
    sheet.font.cache_clear()
    try:
        drawn = sheet.fitting(ImageDraw.Draw(Image.new("RGB", (10, 10))), "Müller à Œrebro – 3 × 4.jpg", 900)
        own = sheet.font()
        missing = bytes(own.getmask("\uffff"))
        boxes = [letter for letter in drawn if letter != " " and bytes(own.getmask(letter)) == missing]
        assert boxes == []
        assert fonts or drawn == "Muller a ?rebro ? 3 ? 4.jpg"
    finally:
        sheet.font.cache_clear()


def test_what_does_not_fit_on_a_page_is_left_out_and_counted(hits: list[Hit], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "HIGHEST", 2 * LINE)
    monkeypatch.setattr(sheet, "COLUMNS", 3)
    page = sheet.Sheet()
    page.add("too large", np.zeros((9, 9), np.uint8), hits)
    with pytest.raises(TransHashError, match="fewer pictures"):
        page.draw()
    page.add("one", np.zeros((9, 9), np.uint8), hits[:3])
    page.add("two", np.zeros((9, 9), np.uint8), hits[:3])
    assert page.draw().height == sheet.GAP + LINE
    assert page.left("query", "queries") == (
        "the sheet has 1 query, 2 more do not fit on one page; ask for fewer pictures"
    )
