"""The page in Chromium: folders, names, columns and numbers that nobody expects."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collection import draw
from fake_model import FakeModel
from serving import Running, serving
from transhash import Library
from visiting import CHROMIUM, Visit, expect

pytest.importorskip("playwright.sync_api", reason="driving the page needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")

LARGE = 1234567890123456789  # which JavaScript rounds


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    photos, model = tmp_path_factory.mktemp("odd"), FakeModel()
    names = ["50% off/a.png", "50% off/below/b.png", "50 and off/c.png", "tri*p/below/d.png", "e\\..\\f:g*.png"]
    for seed, name in enumerate(names):
        draw(photos / name, seed)
    with Library.create(photos / ".transhash", model) as library:
        library.index(photos)
        rows = [
            {"path": name, "snowflake": LARGE + at, "debt": -LARGE - at, "two  spaces": "v  w", "toString": at}
            for at, name in enumerate(names)
        ]
        library.annotate(rows)
        with serving(library.path, model) as running:
            yield running


@pytest.fixture
def page(browser: Any, odd: Running) -> Iterator[Any]:
    visit = Visit(browser, odd.url).ready()
    expect(visit.page.locator("#grid .picture")).to_have_count(5)
    yield visit.page
    assert visit.errors == []
    visit.context.close()


@pytest.mark.parametrize(("folder", "found"), [("50% off", 2), ("tri*p", 1), ("50% off/below", 1), ("50*", 3)])
def test_a_folder_is_found_with_what_is_below_it_whatever_it_is_called(page: Any, folder: str, found: int) -> None:
    page.locator("#toggle-filters").click()
    expect(page.locator("#folders option")).to_have_count(5)
    page.locator("#filter-folder").fill(folder)
    page.locator("#filter-folder").press("Enter")
    expect(page.locator("#grid .picture")).to_have_count(found)


def test_rules_on_columns_with_odd_names(page: Any) -> None:
    page.locator("#toggle-filters").click()
    for column, operator, value, found in (("two  spaces", "is", "v  w", 5), ("toString", "is at least", "3", 2)):
        page.locator("#rule-column").evaluate("(e, name) => { e.value = name; }", column)
        page.locator("#rule-column").dispatch_event("change")
        page.locator("#rule-operator").select_option(label=operator)
        page.locator("#rule-value").fill(value)
        page.locator("#rule-add").click()
        expect(page.locator("#grid .picture")).to_have_count(found)


def test_large_whole_numbers_are_shown_and_exported_to_the_last_digit(page: Any) -> None:
    numbers = {str(LARGE + at) for at in range(5)}
    page.locator("#grid .view").first.click()
    assert any(number in page.locator("#facts").inner_text() for number in numbers)
    page.keyboard.press("Escape")
    page.locator("#grid .pick").first.click()
    page.locator("#grid .pick").last.click(modifiers=["Shift"])
    with page.expect_download() as table:
        page.locator("#picks-table").click()
    rows = list(csv.DictReader(io.StringIO(Path(table.value.path()).read_text("utf-8-sig"))))
    assert {row["snowflake"] for row in rows} == numbers
    assert {row["debt"] for row in rows} == {f"-{number}" for number in numbers}


def test_files_of_an_archive_have_names_that_any_system_has(page: Any) -> None:
    page.locator("#grid .pick").first.click()
    page.locator("#grid .pick").last.click(modifiers=["Shift"])
    with page.expect_download() as files:
        page.locator("#picks-files").click()
    with zipfile.ZipFile(files.value.path()) as archive:
        assert sorted(archive.namelist()) == ["a.png", "b.png", "c.png", "d.png", "e_.._f_g_.png"]


def test_what_is_no_picture_is_not_downloaded_as_one(browser: Any, odd: Running) -> None:
    visit = Visit(browser, odd.url).ready()
    page = visit.page
    page.locator("#grid .pick").first.click()
    login = {"content_type": "text/html", "body": "<!doctype html>Sign in"}
    for act, told in (
        (lambda route: route.fulfill(**login), "the server gave no proper answer"),
        (lambda route: route.abort(), "the server cannot be reached; check the network"),
    ):
        for pattern in ("**/original*", "**/thumbnail*"):
            page.route(pattern, act)
        page.locator("#picks-files").click()
        expect(page.locator("#troubles .trouble", has_text=told)).to_be_visible()
    visit.context.close()


def test_what_is_shown_goes_on_where_the_browser_refuses_entries_of_its_history(browser: Any, odd: Running) -> None:
    """Firefox and Safari do, of many in a few seconds: while the cut-off is moved, or one leafs through pictures."""
    visit = Visit(browser, odd.url).ready()
    page = visit.page
    page.locator("#grid .picture").first.click()
    expect(page.locator("#grid .badge")).to_have_count(5)
    page.evaluate(
        "() => { window.entries = 0; const kept = history.replaceState; history.replaceState = function (...all) {"
        " if (++entries > 40) throw new DOMException('too many', 'SecurityError'); kept.apply(this, all); }; }"
    )
    for bits in range(64, 0, -1):
        visit.cut(bits)
    expect(page.locator("#grid .badge")).to_have_count(1)
    assert "cut=1" in page.url
    page.evaluate("entries = 100")
    visit.cut(64)
    expect(page.locator("#grid .badge")).to_have_count(5)
    page.locator("#grid .view").first.click()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#neighbours button")).to_have_count(4)
    assert visit.errors == []
    visit.context.close()
