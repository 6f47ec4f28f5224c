"""The page in Chromium, over a real library: what a person does with it."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from gallery import Gallery
from serving import Running, eventually, serving
from transhash import Library
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")


def test_a_picture_that_is_dropped_finds_the_most_like_it(visit: Visit, gallery: Gallery) -> None:
    query = gallery.photos / "cat" / "cat-03.png"

    visit.drop(query)

    expect(visit.page.locator("#cutoff-text")).to_have_text("40 pictures, any distance")
    expect(visit.page.locator("#grid .badge").first).to_have_text("same")
    assert visit.names() == [hit.path.name for hit in gallery.library.search(query, 40)]
    expect(visit.page.locator("#status-search")).to_contain_text("Last search:")
    expect(visit.page.locator("#announce")).to_have_text("40 pictures like cat-03.png")


def test_several_pictures_are_searched_with_at_once(visit: Visit, gallery: Gallery) -> None:
    visit.page.set_input_files("#files", [gallery.photos / "cat" / "cat-03.png", gallery.photos / "dog" / "dog-04.png"])

    chips = visit.page.locator("#queries .query")
    expect(chips).to_have_count(2)
    expect(visit.page.locator("#grid .picture").first).to_have_attribute("title", "cat/cat-03.png")
    chips.nth(1).click()
    expect(visit.page.locator("#grid .picture").first).to_have_attribute("title", "dog/dog-04.png")


def test_a_picture_can_be_pasted(visit: Visit, gallery: Gallery) -> None:
    content = list((gallery.photos / "dog" / "dog-04.png").read_bytes())
    visit.page.evaluate(
        "bytes => { const data = new DataTransfer(); data.items.add(new File([new Uint8Array(bytes)], 'image.png',"
        " {type: 'image/png'})); dispatchEvent(new ClipboardEvent('paste', {clipboardData: data})); }",
        content,
    )

    expect(visit.page.locator("#grid .picture").first).to_have_attribute("title", "dog/dog-04.png")


def test_a_click_searches_with_a_picture_and_back_is_back(visit: Visit) -> None:
    page = visit.page
    first = visit.names()
    page.locator("#grid .picture").nth(5).click()
    expect(page.locator("#grid .picture").first).to_have_attribute("title", re.compile(first[5]))
    assert page.url.rpartition("#")[2].startswith("like=")

    page.reload()
    expect(page.locator("#grid .picture").first).to_have_attribute("title", re.compile(first[5]))
    page.go_back()
    expect(page.locator("#summary")).to_have_text("40 pictures, the newest first")
    expect(page.locator("#grid .picture").first).to_have_attribute("title", re.compile(first[0]))  # drawn after that
    assert visit.names() == first


def test_the_cut_off_leaves_what_is_near(visit: Visit, gallery: Gallery) -> None:
    query = gallery.photos / "cat" / "cat-03.png"
    near = gallery.library.search(query, 40, max_distance=30)
    visit.drop(query)
    expect(visit.page.locator("#histogram rect")).to_have_count(65)

    visit.cut(30)

    expect(visit.page.locator("#grid .picture")).to_have_count(len(near))
    assert visit.names() == [hit.path.name for hit in near]
    expect(visit.page.locator("#cutoff-text")).to_contain_text(f"{len(near)} pictures within 30 bits")
    visit.cut(5)
    expect(visit.page.locator("#grid .picture")).to_have_count(1)


def test_filters_by_folder_label_and_words(visit: Visit, gallery: Gallery) -> None:
    page = visit.page
    page.click("#toggle-filters")
    page.fill("#filter-folder", "cat")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_have_text("20 pictures, the newest first")
    page.get_by_label("Label").select_option("kind 1")
    expect(page.locator("#summary")).to_have_text("7 pictures, the newest first")
    page.fill("#filter-where", "stars > 9 or stars < 2")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_have_text("5 pictures, the newest first")
    expected = gallery.library.passing("folder = 'cat' and label = 'kind 1' and (stars > 9 or stars < 2)")
    names = gallery.library.pictures(expected)
    expect(page.locator("#grid .picture")).to_have_count(5)  # they are drawn after the summary
    assert visit.names() == [names[id_].path.name for id_ in expected[::-1].tolist()]
    page.locator("#grid .picture").first.click()
    expect(page.locator("#cutoff-text")).to_have_text("5 pictures, any distance")
    page.click("#clear-filters")
    expect(page.locator("#cutoff-text")).to_have_text("40 pictures, any distance")


def test_what_goes_wrong_is_said(troubled: Visit, tmp_path: Path) -> None:
    """Errors are shown; the console then has the failed requests, which are no concern here."""
    visit = troubled
    page = visit.page
    (tmp_path / "notes.png").write_text("not a picture at all, but a text of some length")
    visit.drop(tmp_path / "notes.png")
    expect(page.locator(".trouble")).to_contain_text("notes.png: not a picture; ")
    page.click(".trouble button")
    expect(page.locator(".trouble")).to_have_count(0)
    page.click("#toggle-filters")
    page.fill("#filter-where", "width >> 3")
    page.keyboard.press("Enter")
    expect(page.locator("#filter-wrong")).to_contain_text("cannot be understood at character 8; write a number")
    expect(page.locator("#grid .picture")).to_have_count(0)  # what was there belongs to another filter
    expect(page.locator("#filter-where")).to_have_attribute("aria-invalid", "true")
    page.fill("#filter-where", "width > 9999")
    page.keyboard.press("Enter")
    expect(page.locator("#empty")).to_contain_text("No picture passes the filter.")
    expect(page.locator("#filter-wrong")).to_be_hidden()


def test_a_picture_is_viewed_with_its_code_and_why(visit: Visit, gallery: Gallery) -> None:
    page = visit.page
    visit.drop(gallery.photos / "cat" / "cat-03.png")
    expect(page.locator("#grid .picture").first).to_have_attribute("title", "cat/cat-03.png")
    second = visit.names()[1]
    page.locator("#grid li").nth(1).hover()
    page.locator("#grid .view").nth(1).click()

    expect(page.locator("#viewer-name")).to_have_text(second)
    distance = page.locator("#grid .badge").nth(1).inner_text()
    expect(page.locator("#bits rect")).to_have_count(64)
    expect(page.locator("#bits .differs")).to_have_count(int(distance))
    expect(page.locator("#neighbours button")).to_have_count(12)
    page.click("[data-map=of_local]")
    expect(page.locator("#heat")).to_be_visible()
    page.click("#next")
    expect(page.locator("#viewer-name")).not_to_have_text(second)
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    page.locator("#grid .view").nth(1).evaluate("each => each.click()")
    page.click("#more")
    expect(page.locator("#grid .picture").first).to_have_attribute("title", re.compile(second))


def test_the_keyboard_is_enough(visit: Visit) -> None:
    page = visit.page
    names = visit.names()
    page.keyboard.press("ArrowDown")
    focused = page.locator("#grid .picture:focus")
    expect(focused).to_have_attribute("title", re.compile(names[0]))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_attribute("title", re.compile(names[2]))
    page.keyboard.press("ArrowDown")
    below = focused.get_attribute("title")
    page.keyboard.press("ArrowUp")
    expect(focused).to_have_attribute("title", re.compile("|".join(names[1:4])))
    assert below.rpartition("/")[2] not in names[:4]
    page.keyboard.press("Space")
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    here = focused.get_attribute("title")
    page.keyboard.press("Enter")
    expect(page.locator("#grid .picture").first).to_have_attribute("title", here)
    page.keyboard.press("Escape")
    expect(page.locator("#queries .query")).to_have_count(0)


def test_groups_of_duplicates_are_shown_whole(browser: Any, library: Library, model: FakeModel, photos: Path) -> None:
    Image.open(photos / "cat" / "cat-19.png").resize((400, 400), Image.Resampling.NEAREST).save(photos / "large.png")
    for number in range(4):
        (photos / f"copy-{number}.png").write_bytes((photos / "cat" / "cat-19.png").read_bytes())
    library.index(photos)
    with serving(library.path, model) as server:
        visit = Visit(browser, server.url, viewport={"width": 390, "height": 844}).ready()
        page = visit.page
        page.click("#show-duplicates")
        expect(page.locator("#duplicates-title")).to_have_text("1 group with 5 copies")
        expect(page.locator(".group .copy")).to_have_count(6)
        assert page.locator(".group").first.evaluate("each => each.scrollWidth <= each.clientWidth")
        page.locator(".group .copy button").first.click()
        expect(page.locator("#viewer-name")).to_have_text("large.png")
        assert visit.errors == []
        visit.context.close()


def test_pictures_are_added_and_removed_where_that_is_allowed(
    browser: Any, writable: Running, library: Library, photos: Path, tmp_path: Path
) -> None:
    """Also by others, which is shown without a reload."""
    visit = Visit(browser, writable.url).ready()
    page = visit.page
    page.clock.install()
    draw(photos / "new.png", 2718)
    library.index(photos)
    assert eventually(lambda: writable.get("/library").json()["pictures"] == 41)
    page.clock.run_for(6_000)
    expect(page.locator("#summary")).to_have_text("41 pictures, the newest first")
    expect(page.locator("#grid .picture").first).to_have_attribute("title", "new.png")

    held: list[Any] = []
    page.route("**/api/v1/search?*", lambda route: held.append(route))  # noqa: PLW0108 - it is given a mark
    visit.drop(draw(tmp_path / "mine.png", 31415))
    page.clock.run_for(1_000)
    expect(page.locator("#activity")).to_have_text("Sending mine.png…")
    held[0].continue_()
    expect(page.locator("#activity")).to_be_hidden()
    page.click("#queries .add")
    expect(page.locator(".told")).to_contain_text("mine.png is in the library now")
    expect(page.locator("#status-library")).to_have_text("42 pictures")
    assert len(library) == 42
    page.click("#clear")
    expect(page.locator("#summary")).to_have_text("42 pictures, the newest first")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    for name, is_taken_back in (("cat/cat-19", True), ("cat/cat-19", False), ("added/", False)):
        page.locator(f"#grid li:has([title^='{name}']) .view").evaluate("each => each.click()")
        expect(page.locator("#neighbours button")).to_have_count(12)
        page.click("#remove")
        if name == "added/":
            expect(page.locator("#ask-remove")).to_contain_text("Its file is deleted with it.")
            page.get_by_role("button", name="Remove and delete").click()
        expect(page.locator("#grid li.gone")).to_have_count(1)
        if is_taken_back:
            page.get_by_role("button", name="Undo").click()
        else:
            page.clock.run_for(11_000)
        expect(page.locator("#grid li.gone")).to_have_count(0)
    page.clock.run_for(11_000)
    expect(page.locator("#summary")).to_have_text("40 pictures, the newest first")
    assert asked.count("DELETE") == 2
    assert len(library) == 40
    # what was still asked of a picture is not there: of the ten seconds no moment has passed
    assert all("Failed to load resource" in error for error in visit.errors), visit.errors
    visit.context.close()


def test_a_token_opens_the_page_and_a_user_can_log_out(browser: Any, gallery: Gallery) -> None:
    with serving(gallery.library.path, FakeModel(), token="100%25 & % of it") as server:
        visit = Visit(browser, f"{server.url}/#token=100%2525%20%26%20%25%20of%20it").ready()
        page = visit.page
        expect(page.locator("#grid .picture img.there").first).to_be_visible()
        assert "token" not in page.url
        assert visit.errors == []
        page.click("#log-out")
        expect(page.locator("#ask-token")).to_be_visible()
        page.goto(f"{server.url}/#token=100%")  # not encoded: the page asks, rather than being blank
        page.reload()
        expect(page.locator("#ask-token")).to_be_visible()
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#token-wrong")).to_be_visible()
        page.fill("#token", "100%25 & % of it")
        page.keyboard.press("Enter")
        visit.ready()
        expect(page.locator("#grid .picture img.there").first).to_be_visible()
        visit.context.close()


def test_axe_finds_nothing_and_nothing_sticks_out(browser: Any, gallery: Gallery) -> None:
    visit = Visit(browser, gallery.server.url, bypass_csp=True, reduced_motion="reduce").ready()
    page, look = visit.page, partial(visit.looks_right, sizes=((1440, 900), (900, 1000), (390, 844)))
    expect(page.locator("#grid img.there").first).to_be_visible()
    look("pictures")
    page.click("#toggle-filters")
    visit.drop(gallery.photos / "cat" / "cat-03.png")
    expect(page.locator("#cutoff")).to_be_visible()
    look("search")
    page.locator("#grid .view").nth(2).evaluate("each => each.click()")
    expect(page.locator("#neighbours button")).to_have_count(12)
    page.click("[data-map=of_global]")
    expect(page.locator("#heat")).to_be_visible()
    look("view")
    page.click("#close")
    page.click("#show-duplicates")
    expect(page.locator("#duplicates-title")).to_have_text("No duplicates", timeout=60_000)
    look("duplicates")
    visit.context.close()
    assert visit.errors == []
