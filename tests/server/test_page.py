"""The page in Chromium, over a real library: what a person does with it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from serving import Running, serving
from transhash import Library
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")

WIDTHS = {"wide": (1440, 900), "tablet": (900, 1000), "phone": (390, 844)}
TOKEN = "a secret of the tests"


def test_a_picture_that_is_dropped_finds_the_most_like_it(visit: Visit, library: Library, photos: Path) -> None:
    query = photos / "cat" / "cat-03.png"

    visit.drop(query)

    expect(visit.page.locator("#cutoff-text")).to_have_text("40 pictures, any distance")
    expect(visit.page.locator("#grid .badge").first).to_have_text("same")
    assert visit.names() == [hit.path.name for hit in library.search(query, 40)]
    expect(visit.page.locator("#status-search")).to_contain_text("Last search:")
    expect(visit.page.locator("#announce")).to_have_text("40 pictures like cat-03.png")


def test_several_pictures_are_searched_with_at_once(visit: Visit, photos: Path) -> None:
    visit.page.set_input_files("#files", [photos / "cat" / "cat-03.png", photos / "dog" / "dog-04.png"])

    chips = visit.page.locator("#queries .query")
    expect(chips).to_have_count(2)
    expect(visit.page.locator("#grid .picture").first).to_have_attribute("title", "cat/cat-03.png")
    chips.nth(1).click()
    expect(visit.page.locator("#grid .picture").first).to_have_attribute("title", "dog/dog-04.png")


def test_a_picture_can_be_pasted(visit: Visit, photos: Path) -> None:
    content = list((photos / "dog" / "dog-04.png").read_bytes())
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


def test_the_cut_off_leaves_what_is_near(visit: Visit, library: Library, photos: Path) -> None:
    query = photos / "cat" / "cat-03.png"
    near = library.search(query, 40, max_distance=30)
    visit.drop(query)
    expect(visit.page.locator("#histogram rect")).to_have_count(65)

    visit.cut(30)

    expect(visit.page.locator("#grid .picture")).to_have_count(len(near))
    assert visit.names() == [hit.path.name for hit in near]
    expect(visit.page.locator("#cutoff-text")).to_contain_text(f"{len(near)} pictures within 30 bits")
    visit.cut(5)
    expect(visit.page.locator("#grid .picture")).to_have_count(1)


def test_filters_by_folder_label_and_words(visit: Visit, library: Library) -> None:
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
    expected = library.passing("folder = 'cat' and label = 'kind 1' and (stars > 9 or stars < 2)")
    names = library.pictures(expected)
    expect(page.locator("#grid .picture")).to_have_count(5)  # they are drawn after the summary
    assert visit.names() == [names[id_].path.name for id_ in expected[::-1].tolist()]
    page.locator("#grid .picture").first.click()
    expect(page.locator("#cutoff-text")).to_have_text("5 pictures, any distance")
    page.click("#clear-filters")
    expect(page.locator("#cutoff-text")).to_have_text("40 pictures, any distance")


def test_what_goes_wrong_is_said(browser: Any, server: Running, tmp_path: Path) -> None:
    """Errors are shown; the console then has the failed requests, which are no concern here."""
    visit = Visit(browser, server.url).ready()
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
    assert all("Failed to load resource" in error for error in visit.errors)
    visit.context.close()


def test_a_picture_is_viewed_with_its_code_and_why(visit: Visit, photos: Path) -> None:
    page = visit.page
    visit.drop(photos / "cat" / "cat-03.png")
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


def test_duplicates_are_shown_in_groups(browser: Any, library: Library, model: FakeModel, photos: Path) -> None:
    Image.open(photos / "cat" / "cat-19.png").resize((400, 400), Image.Resampling.NEAREST).save(photos / "large.png")
    library.index(photos)
    with serving(library.path, model) as server:
        visit = Visit(browser, server.url).ready()
        visit.page.click("#show-duplicates")
        expect(visit.page.locator("#duplicates-title")).to_have_text("1 group with 1 copy", timeout=60_000)
        expect(visit.page.locator(".group .copy")).to_have_count(2)
        visit.page.locator(".group .copy button").first.click()
        expect(visit.page.locator("#viewer-name")).to_have_text("large.png")
        assert visit.errors == []
        visit.context.close()


def test_pictures_are_added_and_removed_where_that_is_allowed(
    browser: Any, writable: Running, library: Library, tmp_path: Path
) -> None:
    visit = Visit(browser, writable.url).ready()
    page = visit.page
    visit.drop(draw(tmp_path / "mine.png", 31415))
    page.click("#queries .add")
    expect(page.locator("#status-library")).to_have_text("41 pictures")
    assert len(library) == 41
    page.click("#clear")
    expect(page.locator("#summary")).to_have_text("41 pictures, the newest first")
    page.locator("#grid .view").first.evaluate("each => each.click()")
    page.click("#remove")
    expect(page.locator("#ask-remove")).to_contain_text("Its file is deleted with it.")
    page.get_by_role("button", name="Remove and delete").click()
    expect(page.locator("#summary")).to_have_text("40 pictures, the newest first", timeout=30_000)
    assert visit.errors == []
    visit.context.close()


def test_new_pictures_appear_without_a_reload(visit: Visit, library: Library, photos: Path) -> None:
    draw(photos / "new.png", 2718)
    library.index(photos)

    expect(visit.page.locator("#summary")).to_have_text("41 pictures, the newest first", timeout=30_000)
    expect(visit.page.locator("#grid .picture").first).to_have_attribute("title", "new.png")


def test_a_token_opens_the_page(browser: Any, library: Library, model: FakeModel) -> None:
    with serving(library.path, model, token=TOKEN) as server:
        visit = Visit(browser, f"{server.url}/#token={TOKEN.replace(' ', '%20')}").ready()
        expect(visit.page.locator("#grid .picture img.there").first).to_be_visible()
        assert "token" not in visit.page.url
        assert visit.errors == []
        visit.context.close()
        visit = Visit(browser, server.url)
        visit.page.fill("#token", "wrong")
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator("#token-wrong")).to_be_visible()
        visit.page.fill("#token", TOKEN)
        visit.page.keyboard.press("Enter")
        visit.ready()
        expect(visit.page.locator("#grid .picture img.there").first).to_be_visible()
        visit.context.close()


def test_many_pictures_are_scrolled_through_with_few_elements(browser: Any, library: Library, model: FakeModel) -> None:
    """A library of 20,000 rows: what is in the page does not grow, and what was left can be returned to."""
    with library.catalogue.writing():
        from transhash.library.catalogue.records import Coded, File

        for number in range(20_000):
            name = f"many-{number:05d}.png".encode()
            code = number.to_bytes(8, "big")
            library.catalogue.pictures.put(File(b"cat", name, 1, 1, code * 2), Coded(30, 20, code, None, None))
    with serving(library.path, model) as server:
        visit = Visit(browser, server.url)
        visit.page.route("**/thumbnail*", lambda route: route.fulfill(status=200, content_type="image/png", body=b""))
        visit.ready()
        count = visit.page.locator("#grid li").count
        first = visit.names()[0]
        most = 0
        for _ in range(150):
            visit.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
            visit.page.wait_for_timeout(15)
            most = max(most, count())
        loaded = visit.page.locator("#grid li").evaluate_all("all => Math.max(...all.map(each => each.index))")
        assert loaded > 3000
        assert most < 500
        visit.page.evaluate("scrollTo(0, 0)")
        expect(visit.page.locator(f"#grid .picture[title$='{first}']")).to_be_visible()
        visit.context.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_sticks_out(
    browser: Any, server: Running, photos: Path, width: str, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    # axe is put into the page as a script of the page's, which the policy rightly forbids
    visit = Visit(
        browser, server.url, viewport=size, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
    ).ready()
    page = visit.page
    folder = os.environ.get("TRANSHASH_SCREENSHOTS")

    def look(name: str) -> None:
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        if folder:
            page.screenshot(path=f"{folder}/{width}-{scheme}-{name}.png")

    expect(page.locator("#grid img.there").first).to_be_visible()
    look("pictures")
    page.click("#toggle-filters")
    visit.drop(photos / "cat" / "cat-03.png")
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
