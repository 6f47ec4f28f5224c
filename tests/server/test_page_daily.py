"""The page in Chromium: searches that are saved, pictures that are dragged out and enlarged, text of twice the size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fake_model import FakeModel
from gallery import Gallery
from serving import eventually, serving
from transhash import Library
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")

DRAGGED = """element => {
  const data = new DataTransfer();
  element.dispatchEvent(new DragEvent("dragstart", {bubbles: true, cancelable: true, dataTransfer: data}));
  element.dispatchEvent(new DragEvent("dragend", {bubbles: true}));
  return ["DownloadURL", "text/plain"].map((type) => data.getData(type));
}"""


def test_a_search_is_saved_found_again_and_forgotten(visit: Visit) -> None:
    page = visit.page
    expect(page.locator("#save")).to_be_hidden()  # the whole library needs no name
    page.keyboard.press("/")
    page.fill("#filter-where", "cat")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_have_text("20 pictures, the newest first")
    page.locator("#save").click()
    page.fill("#search-name", "All <b>cats</b>")
    page.keyboard.press("Enter")
    expect(page.locator("#save")).to_have_text("Forget")
    page.locator("#home").click()
    expect(page.locator("#summary")).to_have_text("40 pictures, the newest first")

    page.reload()
    page.locator("#saved").select_option(label="All <b>cats</b>")
    expect(page.locator("#summary")).to_have_text("20 pictures, the newest first")
    expect(page.locator("#filter-where")).to_have_value("cat")
    page.go_back()
    expect(page.locator("#summary")).to_have_text("40 pictures, the newest first")
    page.go_forward()
    page.locator("#save").click()
    expect(page.locator("#saved")).to_be_hidden()
    expect(page.locator("#save")).to_have_text("Save")


def test_pictures_are_dragged_out_as_files_and_enlarged(visit: Visit, gallery: Gallery) -> None:
    page = visit.page
    item = page.locator("#grid li").nth(3)
    address, path = item.evaluate(DRAGGED)
    kind, name, url = address.split(":", 2)
    assert (kind, name) == ("image/png", path.rpartition("/")[2])
    served = Image.open(io.BytesIO(visit.page.request.get(url).body()))
    assert served.tobytes() == Image.open(gallery.photos / path).tobytes()
    item.drag_to(page.locator("#search"))  # and let go over the page itself
    expect(page.locator("#queries .query")).to_have_count(0)
    expect(page.locator("#drop")).to_be_hidden()

    page.locator("#grid .view").nth(3).evaluate("each => each.click()")
    picture = page.locator("#viewer-picture")
    expect(picture).to_have_attribute("src", url)
    assert picture.evaluate(DRAGGED)[0] == address

    def width() -> float:
        return float(picture.bounding_box()["width"])

    whole = width()
    page.keyboard.press("+")
    assert width() == pytest.approx(1.5 * whole)
    picture.hover()
    page.mouse.wheel(0, -400)
    assert eventually(lambda: width() > 3 * whole)
    page.mouse.wheel(0, -400)
    assert eventually(lambda: width() > 9 * whole)
    before = picture.bounding_box()["x"]
    page.keyboard.press("Shift+ArrowRight")
    assert picture.bounding_box()["x"] < before  # there is more of it to the right
    expect(page.locator("#viewer-name")).to_have_text(name)  # it did not turn
    page.keyboard.press("0")
    assert width() == pytest.approx(whole)
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-name")).not_to_have_text(name)
    expect(page.locator("#frame")).not_to_have_class("frame zoomed")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()


def test_twice_the_size_of_text_in_forced_colours_loses_nothing(browser: Any, gallery: Gallery) -> None:
    """What a browser shows at 200 %: a window of half the size, in pixels of CSS; with the duplicates."""
    half = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}
    visit = Visit(browser, gallery.server.url, forced_colors="active", **half).ready()
    page = visit.page

    def fits(*needed: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for each in needed:
            element = page.locator(each)
            element.scroll_into_view_if_needed()
            expect(element).to_be_in_viewport()
            box = element.bounding_box()
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 640, each

    fits("#show-duplicates", "#toggle-filters", "#sort")
    visit.drop(gallery.photos / "cat" / "cat-03.png")
    expect(page.locator("#cutoff-text")).to_have_text("40 pictures, any distance")
    fits("#distance", "#cutoff-text")
    page.locator("#grid .view").first.evaluate("each => each.click()")
    expect(page.locator("#neighbours button")).to_have_count(12)
    fits("#viewer-picture", "#more", "#copy-path", "#close", "#neighbours li:last-child")
    page.keyboard.press("Escape")
    page.click("#show-duplicates")
    expect(page.locator("#duplicates-title")).to_have_text("No duplicates")
    fits("#duplicates-kinds", "#duplicates-keep", "#duplicates-distance")
    visit.context.close()
    assert visit.errors == []


def test_what_is_downloaded_is_named_as_what_the_server_gives(window: Any, tmp_path: Path) -> None:
    """JPEG where the file is one; all else as PNG."""
    for name in ("one.webp", "two.jpg"):
        Image.new("RGB", (40, 30), "teal").save(tmp_path / name)
    with Library.create(tmp_path / ".transhash", FakeModel()) as library:
        library.index(tmp_path)
        with serving(library.path, FakeModel()) as server:
            visit = Visit(window, f"{server.url}#show=1").ready()
            for id_, name in library.pictures([1, 2]).items():
                visit.page.evaluate("id => { location.hash = `show=${id}`; }", id_)
                expect(visit.page.locator("#viewer-name")).to_have_text(name.path.name)
                with visit.page.expect_download() as download:
                    visit.page.click("#download")
                wanted = {"one.webp": "one.webp.png", "two.jpg": "two.jpg"}[name.path.name]
                assert download.value.suggested_filename == wanted
            visit.forget()
