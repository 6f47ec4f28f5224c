"""The page in Chromium: what people do one after the other, in two windows, and with large pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fake_model import FakeModel
from gallery import Gallery
from serving import serving
from transhash import Library
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")

UNREADABLE = "a folder, or a file that is gone; choose pictures that are there"
DECIDED = """async () => {
  const { Decisions } = await import(new URL("assets/decisions.js", document.baseURI));
  const picture = (id) => ({ id, version: "v", bytes: 1 });
  const windows = [new Decisions(), new Decisions()];
  for (const each of windows) each.open("a library");
  windows[0].set(picture(1), picture(2), "left");
  windows[1].set(picture(3), picture(4), "both");
  windows[0].forget(picture(1), picture(2));
  windows[0].open("a library");
  return windows[0].ids;
}"""


def save(visit: Visit, words: str, name: str) -> None:
    page = visit.page
    page.keyboard.press("/")
    page.fill("#filter-where", words)
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_have_text("20 pictures, the newest first")
    page.click("#save")
    page.fill("#search-name", name)
    page.keyboard.press("Enter")


def test_two_windows_keep_what_is_saved_in_either(visit: Visit, window: Any, gallery: Gallery) -> None:
    other = Visit(window, gallery.server.url, pictures=False).ready()
    save(visit, "cat", "Cats")
    expect(other.page.locator("#saved option")).to_have_text(["Saved searches", "Cats"])  # without a reload
    save(other, "dog", "Dogs")
    for each in (visit, other):
        expect(each.page.locator("#saved option")).to_have_text(["Saved searches", "Cats", "Dogs"])
    assert visit.page.evaluate(DECIDED) == [3, 4]
    other.page.close()


def test_pictures_that_could_not_be_had_are_shown_when_the_network_is_back(browser: Any, gallery: Gallery) -> None:
    visit = Visit(browser, gallery.server.url, pictures=False)
    visit.context.route("**/thumbnail*", lambda route: route.abort())
    page = visit.context.new_page()
    page.goto(gallery.server.url)
    expect(page.locator("#grid .picture.broken")).to_have_count(40)
    visit.context.unroute("**/thumbnail*")
    visit.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    visit.context.set_offline(False)
    expect(page.locator("#grid .picture.broken")).to_have_count(0)
    expect(page.locator("#grid img.there")).to_have_count(40)
    visit.context.close()


def test_an_address_with_a_wrong_filter_says_what_is_wrong_with_it(browser: Any, gallery: Gallery) -> None:
    visit = Visit(browser, f"{gallery.server.url}#where=width >", pictures=False).ready()
    page = visit.page
    expect(page.locator("#folders option")).not_to_have_count(0)  # all that the page asks for at first is there
    expect(page.locator("#filter-wrong")).to_contain_text("cannot be understood at character 8")
    visit.context.close()


def test_duplicates_do_not_take_the_keys_of_pictures(visit: Visit) -> None:
    page = visit.page
    page.locator("#grid .picture").nth(3).click()
    expect(page.locator("#queries .query")).to_have_count(1)
    page.click("#show-duplicates")
    page.locator("#results").focus()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(page.locator("#duplicates")).to_be_visible()
    expect(page.locator("#queries .query")).to_have_count(1)
    page.click("#show-pictures")
    expect(page.locator("#filter-fields")).to_be_hidden()


def test_the_address_says_that_copies_are_not_one(visit: Visit) -> None:
    page = visit.page
    page.locator("#grid .picture").nth(3).click()
    page.uncheck("#collapse")
    expect(page.locator("body:not(.turning)")).to_have_count(1)
    page.reload()
    expect(page.locator("#collapse")).to_be_visible()
    expect(page.locator("#collapse")).not_to_be_checked()
    address = page.url
    page.click("#clear")
    page.locator("#grid .picture").nth(4).click()
    expect(page.locator("#collapse")).not_to_be_checked()  # as chosen, until it is chosen otherwise
    page.check("#collapse")
    page.evaluate("hash => { location.hash = hash; }", address.partition("#")[2])
    expect(page.locator("#collapse")).not_to_be_checked()


def test_on_a_phone_several_queries_are_seen_at_once(browser: Any, gallery: Gallery) -> None:
    phone = {"width": 390, "height": 780}
    address = f"{gallery.server.url}#like=1&like=2&like=3&joined=1"
    visit = Visit(browser, address, pictures=False, viewport=phone, has_touch=True, is_mobile=True).ready()
    expect(visit.page.locator("#queries .role")).to_have_count(3)
    frame = visit.page.locator("#queries").bounding_box()
    for role in visit.page.locator("#queries .role").all():
        box = role.bounding_box()
        assert frame["x"] <= box["x"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"]
    visit.context.close()


@pytest.fixture
def large(tmp_path: Path) -> Library:
    """A library with one picture, of many pixels."""
    folder = tmp_path / "large"
    folder.mkdir()
    Image.new("RGB", (3600, 900), "teal").save(folder / "wide.png")
    with Library.create(folder / ".transhash", FakeModel()) as library:
        library.index(folder)
    return library


def test_pictures_go_in_several_requests_and_large_ones_are_named(browser: Any, large: Library, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pictures = []
    for number, rows in enumerate((90, 90, 150, 90)):
        pictures.append(tmp_path / f"noise-{number}.png")
        Image.fromarray(random.integers(0, 256, (rows, 200, 3), np.uint8)).save(pictures[-1])
    assert sum(each.stat().st_size for each in pictures) > 150_000  # too much for one request
    with serving(large.path, FakeModel(), max_upload=150_000) as server:
        visit = Visit(browser, server.url, pictures=False).ready()
        visit.drop(*pictures)
        expect(visit.page.locator("#queries .query")).to_have_count(3)
        expect(visit.page.locator("#troubles")).to_contain_text("noise-2.png: it has 90 kB; send a smaller copy")
        visit.context.close()
    assert visit.errors == []


def test_a_part_of_a_large_picture_is_sent_small(browser: Any, large: Library) -> None:
    with serving(large.path, FakeModel()) as server:
        visit = Visit(browser, f"{server.url}#show=1").ready()
        page = visit.page
        page.evaluate(
            "() => { const own = HTMLCanvasElement.prototype.toBlob; HTMLCanvasElement.prototype.toBlob ="
            " function (...all) { window.sent = [this.width, this.height]; return own.apply(this, all); }; }"
        )
        expect(page.locator("#viewer-picture")).to_have_js_property("naturalWidth", 3600)
        page.keyboard.press("p")
        for _ in range(13):
            page.keyboard.press("ArrowLeft")
        for _ in range(25):
            page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator("#queries .query")).to_have_attribute("title", "part of wide.png")
        assert page.evaluate("sent") == [1600, 200]  # all of its width, half of its height
        visit.context.close()


def test_a_folder_among_dropped_files_is_named_and_the_others_searched_with(
    browser: Any, gallery: Gallery, tmp_path: Path
) -> None:
    """Browsers make a file of it that cannot be read, with which no request goes out."""
    picture, folder = tmp_path / "there.png", tmp_path / "holidays"
    picture.write_bytes((gallery.photos / "cat" / "cat-03.png").read_bytes())
    folder.mkdir()
    with serving(gallery.library.path, FakeModel(), writable=True) as server:
        visit = Visit(browser, server.url, pictures=False).ready()
        page = visit.page
        page.locator("#files").evaluate("each => { window.own = each.cloneNode(); own.id = 'own'; each.after(own); }")
        chrome = page.context.new_cdp_session(page)
        root = chrome.send("DOM.getDocument")["root"]["nodeId"]
        own = chrome.send("DOM.querySelector", {"nodeId": root, "selector": "#own"})["nodeId"]
        chrome.send("DOM.setFileInputFiles", {"nodeId": own, "files": [str(folder), str(picture)]})
        page.evaluate(
            "() => { const dataTransfer = new DataTransfer();"
            " for (const file of own.files) dataTransfer.items.add(file);"
            " document.body.dispatchEvent(new DragEvent('drop', {bubbles: true, dataTransfer})); }"
        )
        expect(page.locator("#queries .query")).to_have_attribute("title", "there.png")
        expect(page.locator(".trouble p")).to_have_text(f"{folder.name}: {UNREADABLE}")
        expect(page.locator("#offline")).to_be_hidden()
        picture.unlink()
        page.click("#queries .add")
        expect(page.locator(".trouble p").last).to_have_text(f"{picture.name}: {UNREADABLE}")
        assert visit.errors == []
        visit.context.close()


def test_shift_chooses_from_the_picture_that_was_chosen_last_wherever_it_is(visit: Visit) -> None:
    page = visit.page

    def chosen() -> list[str]:
        return [
            each.rpartition("/")[2]
            for each in page.locator("#grid .chosen .picture").evaluate_all("all => all.map(each => each.title)")
        ]

    page.locator("#grid .pick").nth(2).click()
    first = visit.names()[2]
    page.select_option("#sort", "name")
    expect(page.locator("#summary")).to_contain_text("by name")
    expect(page.locator("body:not(.turning)")).to_have_count(1)
    names = visit.names()
    at = names.index(first)
    page.locator("#grid .pick").nth(at - 3).click(modifiers=["Shift"])
    expect(page.locator("#picks-count")).to_have_text("4 pictures chosen")
    assert set(chosen()) == set(names[at - 3 : at + 1])
    page.keyboard.press("/")
    page.fill("#filter-where", "cat" if "dog" in names[at - 3] else "dog")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("20 pictures")
    expect(page.locator("body:not(.turning)")).to_have_count(1)
    page.locator("#grid .pick").nth(9).click(modifiers=["Shift"])  # the last one is not here
    expect(page.locator("#picks-count")).to_have_text("5 pictures chosen")
    page.locator("#picks-none").click()
