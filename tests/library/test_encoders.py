"""A library of an encoder of one's own: four members, and everything but what needs more."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pages
from collection import draw
from transhash import Encoder, Library
from transhash.errors import ImageError, LibraryError, ModelError, UncalibratedError
from transhash.library import LiveLibrary, Queries


class Brightness:
    """Which of 64 parts of a picture are brighter than its mean."""

    name = "brightness"
    bits = 64
    fingerprint = hashlib.sha256(b"brightness").hexdigest()

    def __init__(self) -> None:
        self.given: list[Image.Image] = []

    def encode(self, items: Iterable[Image.Image]) -> np.ndarray:
        images = list(items)
        self.given += images
        grey = np.array([np.asarray(image.convert("L").resize((8, 8)), float).ravel() for image in images])
        return np.packbits(grey > grey.mean(axis=1, keepdims=True), axis=1)


@pytest.fixture
def encoder() -> Brightness:
    return Brightness()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(20):
        draw(tmp_path / "photos" / f"{number:02d}.png", number)
    return tmp_path / "photos"


@pytest.fixture
def library(photos: Path, encoder: Brightness) -> Library:
    made = Library.create(photos / ".transhash", encoder)
    made.index(photos)
    return made


def test_the_example_of_the_documents_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        draw(tmp_path / "photos" / f"{number}.jpg", number)
    draw(tmp_path / "photos" / "query.jpg", 3)
    monkeypatch.chdir(tmp_path)
    (text,) = [
        block for block in pages.blocks(pages.ROOT / "docs" / "models.md", "python") if "class Brightness" in block
    ]
    made: dict[str, Any] = {}
    exec(compile(text, "docs/models.md", "exec"), made)

    assert {hit.path.name for hit in made["hits"][:2]} == {"3.jpg", "query.jpg"}
    assert len(made["hits"]) == 5


def test_four_members_make_an_encoder(encoder: Brightness) -> None:
    one: Encoder = encoder
    assert {name for name in dir(type(one)) if not name.startswith("_")} <= {"name", "bits", "fingerprint", "encode"}


def test_hits_are_those_of_its_codes(library: Library, photos: Path, encoder: Brightness) -> None:
    pictures = sorted(photos.glob("*.png"))
    codes = encoder.encode(Image.open(picture).convert("RGB") for picture in pictures)
    distances = np.bitwise_count(codes[7] ^ codes).sum(axis=1)
    expected = [(pictures[at], int(distances[at])) for at in np.lexsort((np.arange(20), distances))][:5]

    for found in (library.search(pictures[7], 5), library.search(Queries(codes[7:8]), 5)[0]):
        assert [(hit.path, hit.distance) for hit in found] == expected
        assert {hit.probability for hit in found} == {None}


def test_it_is_given_upright_pictures_in_rgb(library: Library, photos: Path, encoder: Brightness) -> None:
    turned = Image.new("L", (30, 20), 200)
    turned.putpixel((0, 0), 0)
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was turned
    turned.save(photos / "turned.jpg", exif=exif)
    library.index(photos)

    assert {(image.mode, type(image)) for image in encoder.given} == {("RGB", Image.Image)}
    assert encoder.given[-1].size == (20, 30)
    (hit,) = library.search(photos / "turned.jpg", 1)
    assert (hit.path, hit.width, hit.height) == (photos / "turned.jpg", 20, 30)


def test_what_cannot_be_used_is_reported_and_the_others_keep_their_codes(library: Library, photos: Path) -> None:
    (photos / "05b.png").write_bytes(b"no picture")
    draw(photos / "05c.png", 90)
    report = library.index(photos)

    assert [(one.path.name, one.reason) for one in report.skipped] == [("05b.png", "not a picture")]
    assert library.search(photos / "05c.png", 1)[0].path == photos / "05c.png"
    with pytest.raises(ImageError, match=r"05b\.png"):
        library.search([photos / "05c.png", photos / "05b.png"])


def test_verifying_encodes_again(library: Library, photos: Path) -> None:
    assert library.verify(deep=True).problems == []
    library.catalogue.database.execute("UPDATE picture SET code = x'0123456789abcdef' WHERE id = 3")
    library.catalogue.database.execute("DELETE FROM revision")
    library.catalogue.database.execute("INSERT INTO revision VALUES (9, randomblob(8))")
    assert any("code" in problem.what for problem in library.verify(deep=True).problems)


def test_pictures_are_added_and_removed(library: Library, tmp_path: Path) -> None:
    (id_,) = library.add([draw(tmp_path / "other" / "new.png", 77)])
    assert library.search(tmp_path / "other" / "new.png", 1)[0].id == id_
    assert library.remove([id_]) == 1


def test_it_is_opened_with_the_encoder_alone(library: Library, photos: Path, encoder: Brightness) -> None:
    library.close()
    with Library.open(photos, encoder) as again:
        assert len(again.search(photos / "00.png")) == 10
    with Library.open(photos) as without, pytest.raises(LibraryError, match=r"does not ship .* `Library.open`"):
        without.search(photos / "00.png")
    other = Brightness()
    other.fingerprint = "0" * 64  # type: ignore[misc]
    with pytest.raises(LibraryError, match="cannot be compared"):
        Library.open(photos, other)


def test_what_it_does_not_tell_is_one_sentence(library: Library, photos: Path, encoder: Brightness) -> None:
    with pytest.raises(UncalibratedError, match="has no calibration"):
        library.search(photos / "00.png", min_probability=0.5)
    with pytest.raises(LibraryError, match="have no embedding"):
        library.fit()
    with pytest.raises(LibraryError, match="gives codes alone, and a server asks for more"):
        LiveLibrary(photos, encoder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bits": 63}, "codes of 63 bits; use a multiple of 8"),
        ({"bits": 1024}, "up to 512"),
        ({"bits": "64"}, "codes of '64' bits"),
        ({"encode": lambda items: np.zeros((1, 8))}, r"gave float64 \(1, 8\) for 2 pictures; return .* uint8 \(2, 8\)"),
        ({"encode": lambda items: np.zeros((2, 7), np.uint8)}, r"gave uint8 \(2, 7\) for 2 pictures"),
        ({"name": None}, "the name of a Made is None; make it a text"),
        ({"fingerprint": 7}, "the fingerprint of a Made is 7; make it a text"),
    ],
)
def test_what_is_no_encoder_is_an_error(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    for number in range(2):
        draw(tmp_path / f"{number}.png", number)
    made = type(
        "Made", (Brightness,), {name: staticmethod(each) if callable(each) else each for name, each in changes.items()}
    )
    with pytest.raises(ModelError, match=words), Library.create(tmp_path / ".transhash", made()) as library:
        library.index(tmp_path)


def test_something_without_its_members_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match="a dict is no encoder, it has no name, bits, fingerprint, encode; give it name"
    ):
        Library.create(tmp_path / "library", {})  # type: ignore[arg-type]
    assert not (tmp_path / "library").exists()
