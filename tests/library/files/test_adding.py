"""Pictures that are taken in, and pictures that are forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.ImageFile import ImageFile

from collection import draw
from transhash import Library
from transhash.errors import ImageError, LibraryError
from transhash.library.catalogue.catalogue import Catalogue


def test_all_kinds_of_pictures_are_put_away_and_found(library: Library, photos: Path, tmp_path: Path) -> None:
    path = draw(tmp_path / "a.png", 30)
    content = draw(tmp_path / "b.png", 31).read_bytes()
    image = Image.open(draw(tmp_path / "c.png", 32))
    array = np.asarray(Image.open(draw(tmp_path / "d.png", 33)))

    ids = library.add([path, content, image, array])

    assert len(set(ids)) == 4
    for id_, query in zip(ids, (path, content, image, array), strict=True):
        hit = library.search(query, 1)[0]
        assert (hit.id, hit.distance) == (id_, 0)
        assert hit.path.parent.parent == photos / "added"
    assert library.pictures(ids)[ids[0]].path.read_bytes() == path.read_bytes()


def test_the_same_content_is_the_same_picture(library: Library, tmp_path: Path) -> None:
    path = draw(tmp_path / "a.png", 30)

    assert library.add([path]) == library.add([path.read_bytes()]) == library.add([path, path])[:1]
    assert len(library) == 1


def test_indexing_knows_what_was_added(library: Library, photos: Path, tmp_path: Path) -> None:
    library.index(photos)
    ids = library.add([draw(tmp_path / "a.png", 30)])

    report = library.index(photos)

    assert (report.unchanged, report.added, report.removed) == (7, 0, 0)
    assert list(library.pictures(ids)) == ids


def test_what_cannot_be_used_is_refused_before_anything_is_written(
    library: Library, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match="not a picture"):
        library.add([draw(tmp_path / "a.png", 30), b"not a picture" * 9])
    with pytest.raises(ImageError, match="too many pixels"):
        library.add([draw(tmp_path / "a.png", 30)], max_pixels=100)

    assert not (photos / "added").exists()
    assert len(library) == 0


@pytest.mark.parametrize("indexed", [True, False])
def test_content_whose_file_was_edited_is_not_taken_for_the_edit(
    library: Library, photos: Path, tmp_path: Path, *, indexed: bool
) -> None:
    picture = draw(tmp_path / "a.png", 30)
    (id_,) = library.add([picture])
    edited = draw(library.pictures([id_])[id_].path, 31)
    if indexed:
        library.index(photos)

    with pytest.raises(LibraryError, match="was changed after it was put there; give it another name"):
        library.add([picture])

    edited.rename(photos / "edited.png")
    (other,) = library.add([picture])
    assert library.search(picture, 1)[0].id == other
    library.index(photos)
    assert library.pictures([other])[other].path.read_bytes() == picture.read_bytes()
    assert library.search(photos / "edited.png", 1)[0].path == photos / "edited.png"


def test_nothing_is_put_away_through_a_link(library: Library, photos: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (photos / "added").symlink_to(outside)

    with pytest.raises(LibraryError, match="leads elsewhere; remove that link"):
        library.add([draw(tmp_path / "a.png", 30)])

    assert not list(outside.rglob("*.png"))


def test_only_own_files_are_deleted(library: Library, photos: Path, tmp_path: Path) -> None:
    library.index(photos)
    (added,) = library.add([draw(tmp_path / "a.png", 30)])
    file = library.pictures([added])[added].path

    assert library.remove([added, 1, 999]) == 2

    assert not file.exists()
    assert len(list(photos.rglob("*.png"))) == 6
    assert len(library) == 5
    assert library.index(photos).added == 1  # the user's file is still there


@pytest.fixture
def other(library: Library) -> Iterator[Library]:
    """The same library, as another process has it open."""
    with Library.open(library.path, library.model) as opened:
        yield opened


def before_writing(monkeypatch: pytest.MonkeyPatch, turn: int, happens: Callable[[], object]) -> None:
    """Something happens just before a catalogue is written to for the given time."""
    begin, times = Catalogue.writing, itertools.count(1)

    def writing(self: Catalogue) -> AbstractContextManager[None]:
        if next(times) == turn:
            happens()
        return begin(self)

    monkeypatch.setattr(Catalogue, "writing", writing)


def test_content_that_is_added_while_it_is_removed_keeps_its_file(
    library: Library, other: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "a.png", 30)
    (id_,) = library.add([path])
    before_writing(monkeypatch, 2, lambda: other.add([path]))

    assert library.remove([id_]) == 1

    (picture,) = library.pictures(range(10)).values()
    assert picture.path.read_bytes() == path.read_bytes()


def test_content_that_is_removed_while_it_is_added_has_its_file(
    library: Library, other: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "a.png", 30)
    (id_,) = library.add([path])
    before_writing(monkeypatch, 1, lambda: other.remove([id_]))

    (again,) = library.add([path])

    assert library.pictures([again])[again].path.read_bytes() == path.read_bytes()


def test_who_could_not_add_leaves_the_file_to_who_could(
    library: Library, other: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "a.png", 30)

    def fails() -> None:
        other.add([path])
        raise LibraryError(library.path, "another process is writing to this library", "try again")

    before_writing(monkeypatch, 1, fails)

    with pytest.raises(LibraryError, match="another process"):
        library.add([path])

    (picture,) = library.pictures(range(10)).values()
    assert picture.path.read_bytes() == path.read_bytes()


def test_a_picture_is_decoded_once(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw(tmp_path / "a.png", 30)
    load, opened = ImageFile.load, []
    monkeypatch.setattr(ImageFile, "load", lambda image: (opened.append(image), load(image))[1])

    library.add([path, draw(tmp_path / "b.png", 31).read_bytes()])

    assert len(set(map(id, opened))) == 2


def test_the_limit_on_pixels_holds(library: Library, tmp_path: Path) -> None:
    path = draw(tmp_path / "a.png", 30, size=50)
    for picture in (path, path.read_bytes(), Image.open(path)):
        with pytest.raises(ImageError, match="too many pixels"):
            library.add([picture], max_pixels=2400)
    with pytest.raises(ImageError, match=f"^{path}: "):
        library.add([path], max_pixels=2400)
