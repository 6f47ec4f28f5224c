"""Libraries of vectors, and of models that read words, served: over REST, and on the page."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colours import COLOURS, Colours
from fake_model import FakeModel
from serving import Running, serving
from transhash import Library, open_library
from transhash.errors import LibraryError
from transhash.library import Mixture, Queries, Words
from visiting import CHROMIUM, Visit, expect


@pytest.fixture
def coloured(tmp_path: Path) -> Path:
    """A picture of each colour, and of two together."""
    for name, colour in {**COLOURS, "red green": (1, 1, 0)}.items():
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8) + np.array(colour, np.uint8) * 250).save(path)
    with Library.create(tmp_path / "photos" / ".transhash", Colours()) as library:
        library.index(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((400, 32)).astype(np.float32)


@pytest.fixture
def of_vectors(tmp_path: Path, vectors: np.ndarray) -> Path:
    Library.create(tmp_path / "own" / "library", vectors=vectors, columns={"year": range(400)}).close()
    return tmp_path / "own" / "library"


def first(server: Running, way: str, **body: Any) -> str:
    answer = server.post(f"/search/{way}", json={"k": 1, **body})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["results"][0]["hits"][0]["name"])


def test_words_vectors_and_pictures_find_pictures(coloured: Path) -> None:
    with serving(coloured, Colours()) as server:
        facts = server.get("/library").json()
        assert (facts["reads"], facts["lacks"]) == (["pictures", "words", "vectors"], ["explanations"])
        assert [first(server, "by-words", words=[colour]) for colour in COLOURS] == [f"{c}.png" for c in COLOURS]
        assert first(server, "by-vector", vectors=[[0, 0, 2] * 4]) == "blue.png"
        with open_library(server.url) as remote:
            assert remote.search(Words("green"), 1)[0].picture.name == "green.png"
            assert remote.search([np.tile([1.0, 0, 0], 4)], 1)[0][0].picture.name == "red.png"
            with pytest.raises(LibraryError, match="ask for one kind at once"):
                remote.search(Mixture([Words("green")]))
        found = subprocess.run(
            [sys.executable, "-m", "transhash", "search", "red green", "-k", "1", "--library", server.url],
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.rstrip().endswith("red green.png")
        sent = server.send(coloured / "green.png", k=1).json()["results"][0]
        assert (sent["hits"][0]["name"], sent["hits"][0]["identical"]) == ("green.png", True)
        assert first(server, "by-values", values=[sent["values"]], embeddings=[sent["embedding"]]) == "green.png"
        mixed = {"like": [{"words": "red"}, {"values": sent["values"], "embedding": sent["embedding"]}]}
        assert first(server, "joined", **mixed) == "red green.png"
        assert first(server, "joined", like=[{"words": "red green"}], unlike=[{"words": "red"}] * 2) == "green.png"
        lacking = server.get("/pictures/1/occlusion")
        assert (lacking.status_code, lacking.json()["code"]) == (404, "lacking")
        wrong = server.post("/search/by-vector", json={"vectors": [[1.0, 2.0]]}).json()
        assert (wrong["code"], wrong["remedy"]) == (
            "model",
            "give (12,) numbers of the model colours, or a list of such vectors",
        )


def test_pictures_are_added_with_an_encoder_of_vectors(coloured: Path, tmp_path: Path) -> None:
    Image.new("RGB", (9, 7), (250, 0, 250)).save(tmp_path / "new.png")
    with serving(coloured, Colours(), writable=True) as server:
        (id_,) = server.send(tmp_path / "new.png", path="/pictures").json()["ids"]
        found = server.post("/search/by-words", json={"words": ["red blue"], "k": 1}).json()["results"][0]["hits"][0]
        assert (found["id"], found["width"], found["height"]) == (id_, 9, 7)


def test_a_library_of_vectors_is_searched_by_vectors_and_ids(of_vectors: Path, vectors: np.ndarray) -> None:
    with serving(of_vectors, None) as server:
        facts = server.get("/library").json()
        assert facts["reads"] == ["vectors"]
        assert {"thumbnails", "duplicates"} < set(facts["lacks"])
        asked = {"vectors": vectors[[3, 8]].tolist(), "k": 5, "where": "year < 9"}
        for number, found in zip((3, 8), server.post("/search/by-vector", json=asked).json()["results"], strict=True):
            assert (found["hits"][0]["name"], found["searched"]) == (str(number), 9)
        id_ = found["hits"][0]["id"]
        assert first(server, "by-id", ids=[id_]) == "8"
        for refused in (server.post("/search/by-words", json={"words": ["red"]}), server.send(b"no matter")):
            assert refused.status_code == 422
        assert (
            "openai/clip-vit-base-patch32" in server.post("/search/by-words", json={"words": ["red"]}).json()["remedy"]
        )


def test_a_model_without_words_names_one_that_has(library: Library, model: FakeModel) -> None:
    with serving(library.path, model) as server:
        assert server.get("/library").json()["reads"] == ["pictures"]
        answer = server.post("/search/by-words", json={"words": ["red"]})
        assert (answer.status_code, answer.json()["code"]) == (422, "model")
        assert "--model openai/clip-vit-base-patch32" in answer.json()["remedy"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")
def test_words_on_the_page(browser: Any, coloured: Path, of_vectors: Path) -> None:
    with serving(coloured, Colours()) as server:
        visit = Visit(browser, server.url).ready()
        visit.page.fill("#words", "red green - red")
        visit.page.press("#words", "Enter")
        expect(visit.page.locator("#announce")).to_have_text("4 pictures like “red green”, but not “red”")
        assert visit.names()[0] == "green.png"
        visit.page.fill("#words", "blue")
        visit.page.press("#words", "Enter")
        expect(visit.page.locator("#announce")).to_have_text("4 pictures like “blue”")
        assert visit.names()[0] == "blue.png"
        visit.page.reload()
        expect(visit.page.locator("#announce")).to_have_text("4 pictures like “blue”")
        assert visit.errors == []
        visit.context.close()
    with serving(of_vectors, None) as server:
        visit = Visit(browser, server.url).ready()
        expect(visit.page.locator("#lacks")).to_contain_text("These are vectors: there are no thumbnails")
        expect(visit.page.locator("#described")).to_be_hidden()
        visit.page.locator("#grid .picture", has_text="399").click()
        expect(visit.page.locator("#grid .picture").first).to_have_text("399")
        expect(visit.page.locator("#queries .said")).to_have_text("399")
        assert visit.errors == []
        visit.context.close()
    pictures = sorted(each.name for each in coloured.glob("*.png"))
    Library.create(coloured / "own", vectors=np.eye(len(pictures), 8), ids=pictures).close()
    with serving(coloured / "own", None) as server:
        visit = Visit(browser, server.url).ready()
        visit.page.locator("#grid .picture").first.press("Space")
        expect(visit.page.locator("#viewer-picture")).to_be_visible()  # not of 0 pixels
        expect(visit.page.locator("#part")).to_be_hidden()
        visit.context.close()


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    """Pictures of three kinds, whose probabilities the library tells."""
    random, kinds = np.random.default_rng(0), list(COLOURS)
    rows = {}
    for number in range(60):
        path = tmp_path / "photos" / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = random.integers(0, 120, (8, 8, 3)) + np.array(COLOURS[kinds[number % 3]]) * 130
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        rows[path] = {"kind": kinds[number % 3]}
    with Library.create(tmp_path / "photos" / ".transhash", Colours()) as library:
        library.index(tmp_path / "photos")
        library.annotate(rows)
        library.calibrate("kind")
    return tmp_path / "photos"


def test_only_what_pictures_find_has_a_probability(calibrated: Path) -> None:
    with serving(calibrated, Colours()) as server:

        def likely(way: str, **body: Any) -> set[bool]:
            answer = server.post(f"/search/{way}", json={"k": 9, **body})
            assert answer.status_code == 200, answer.text
            return {hit["probability"] is not None for hit in answer.json()["results"][0]["hits"]}

        sent = server.post("/search/by-words", json={"words": ["red"], "k": 1}).json()["results"][0]
        values = {"values": [sent["values"]], "embeddings": [sent["embedding"]]}
        assert likely("by-values", **values) == {True}  # as if they were of a picture
        assert likely("by-values", **values, of_words=True) == {False}
        relaxed = np.array([sent["values"]], np.float32), np.frombuffer(bytes.fromhex(sent["embedding"]), np.int8)[None]
        with open_library(server.url) as remote:
            for of_words in (False, True):
                (hits,) = remote.search(replace(Queries.of(*relaxed), of_words=of_words), 9)
                assert {hit.probability is None for hit in hits} == {of_words}
        assert likely("joined", like=[{"id": 1}]) == {True}
        assert likely("joined", like=[{"words": "red"}]) == {False}
        assert likely("joined", like=[{"id": 1}, {"id": 2}]) == {False}
        assert likely("joined", like=[{"id": 1}], unlike=[{"id": 2}]) == {False}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")
def test_the_page_calls_nothing_likely_that_words_find(browser: Any, calibrated: Path) -> None:
    with serving(calibrated, Colours()) as server:
        visit = Visit(browser, server.url).ready()
        page = visit.page
        page.fill("#words", "red")
        page.press("#words", "Enter")
        expect(page.locator("#announce")).to_have_text("60 pictures like “red”")
        expect(page.locator("#grid .badge").first).to_have_text(re.compile(r"^\d+$"))
        page.reload()
        expect(page.locator("#grid .badge").first).to_have_text(re.compile(r"^\d+$"))
        page.locator("#grid .picture").first.click()
        expect(page.locator("#grid .badge").nth(1)).to_have_text(re.compile("%"))
        assert visit.errors == []
        visit.context.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")
@pytest.mark.parametrize("words", ["- red", "- red - blue"])
def test_words_that_say_only_what_is_not_wanted_find_nothing(browser: Any, coloured: Path, words: str) -> None:
    with serving(coloured, Colours()) as server:
        visit = Visit(browser, server.url).ready()
        page = visit.page
        page.fill("#words", words)
        page.press("#words", "Enter")
        expect(page.locator("#troubles")).to_contain_text("One picture or word at least has to be like what is found")
        expect(page.locator("#queries .query")).to_have_count(0)
        expect(page.locator("#words")).to_have_value(words)
        page.fill("#words", "green")
        page.press("#words", "Enter")
        expect(page.locator("#announce")).to_have_text("4 pictures like “green”")
        page.fill("#words", words)
        page.press("#words", "Enter")  # besides that, it can be left out
        expect(page.locator("#queries .unlike")).to_have_count(words.count("-"))
        assert visit.errors == []
        visit.context.close()
