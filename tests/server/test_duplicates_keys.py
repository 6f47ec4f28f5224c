"""Deciding on duplicates in Chromium with keys that come too fast."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from serving import serving
from transhash import Library
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The first pair of a group of four, compared."""
    model, photos = FakeModel(), tmp_path / "photos"
    image = Image.open(draw(tmp_path / "a.png", 1)).resize((400, 400), Image.Resampling.NEAREST)
    photos.mkdir()
    for side in (400, 350, 300, 250):
        image.resize((side, side)).save(photos / f"{side}.png")
    with Library.create(photos / ".transhash", model) as library:
        library.index(photos)
        with serving(library.path, model, writable=True) as running:
            visit = Visit(browser, running.url).ready()
            visit.page.click("#show-duplicates")
            expect(visit.page.locator("#duplicates-title")).to_contain_text("1 group", timeout=120_000)
            visit.page.click("#decide")
            expect(visit.page.locator("#pair-title")).to_contain_text("pair 1 of 3")
            yield visit.page
            assert visit.errors == []
            visit.context.close()


def hold(page: Any) -> list[Any]:
    """What the page asks the library to take note of from now on: it waits there to go on."""
    held: list[Any] = []
    page.route("**/duplicates/verdicts", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
    return held


def answer(page: Any, held: list[Any]) -> None:
    """Let the first request that is held go on, as soon as it is there."""
    for _ in range(1000):
        if held:
            break
        page.wait_for_timeout(10)
    with page.expect_response("**/duplicates/verdicts"):
        held[0].continue_()


def test_a_key_that_is_held_down_decides_once(page: Any) -> None:
    for _ in range(3):
        page.keyboard.down("ArrowLeft")
    page.keyboard.up("ArrowLeft")
    expect(page.locator("#pair-tally")).to_contain_text("1 file to remove")
    expect(page.locator("#pair-title")).to_contain_text("pair 2 of 3")


def test_no_pair_is_left_out_while_the_library_takes_note_of_one(page: Any) -> None:
    held = hold(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    answer(page, held)
    expect(page.locator("#pair-title")).to_contain_text("pair 2 of 3")
    expect(page.locator("#pair-tally")).to_contain_text("0 files to remove")


def test_a_comparison_that_was_closed_stays_closed(page: Any) -> None:
    held = hold(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    answer(page, held)
    expect(page.locator("#tally")).to_contain_text("1 pair decided")
    expect(page.locator("#pair")).to_be_hidden()


def test_decisions_that_were_forgotten_come_back(page: Any) -> None:
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#pair-title")).to_contain_text("pair 2 of 3")
    page.keyboard.press("Escape")
    page.click("#start-over")
    expect(page.locator("#tally")).to_contain_text("0 pairs decided")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#tally")).to_contain_text("1 pair decided: 1 file to remove")
    page.reload()
    expect(page.locator("#tally")).to_contain_text("1 pair decided: 1 file to remove", timeout=120_000)
