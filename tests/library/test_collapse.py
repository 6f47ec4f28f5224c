"""Hits that are copies of one another are one hit with a count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from transhash import Library

OF_THREE = {"00 link.png", "03.png", "copy-0.jpg", "copy-1.jpg", "copy-2.jpg"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve pictures, of one of them three copies, and the bytes of another one twice."""
    folder = tmp_path / "photos"
    for seed in range(12):
        draw(folder / f"{seed:02d}.png", seed, 320)
    image = Image.open(folder / "03.png").convert("RGB")
    for number, size in enumerate((240, 280, 300)):
        image.resize((size, size)).save(folder / f"copy-{number}.jpg", quality=92)
    (folder / "again.png").write_bytes((folder / "07.png").read_bytes())
    return folder


@pytest.fixture
def library(photos: Path) -> Iterator[Library]:
    with Library.create(photos / ".transhash", FakeModel()) as library:
        library.index(photos)
        yield library


def test_copies_are_one_hit_that_names_them(library: Library, photos: Path) -> None:
    plain = library.search(photos / "03.png", 16)
    hits = library.search(photos / "03.png", 16, collapse=True)

    assert len(plain) == 16
    names = {hit.id: hit.path.name for hit in plain}
    copies = {hit.path.name: {names[id_] for id_ in hit.copies} for hit in hits if hit.copies}
    of_three = {"03.png", "copy-0.jpg", "copy-1.jpg", "copy-2.jpg"}
    (first,) = of_three & set(copies)
    assert copies[first] == of_three - {first}
    (twin,) = {"07.png", "again.png"} & set(copies)
    assert copies[twin] == {"07.png", "again.png"} - {twin}
    assert [hit.id for hit in hits] == [hit.id for hit in plain if hit.id in {each.id for each in hits}]
    assert len(hits) == 12


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_link_and_what_it_leads_to_are_one_hit(photos: Path, link: Callable[[Path, Path], None]) -> None:
    link(photos / "00 link.png", photos / "03.png")
    with Library.create(photos / ".transhash", FakeModel()) as library:
        library.index(photos)
        plain = {hit.id: hit.path.name for hit in library.search(photos / "03.png", 17)}
        hits = library.search(photos / "03.png", 17, collapse=True)

    assert "00 link.png" in plain.values()
    (of_link,) = ({plain[id_] for id_ in (hit.id, *hit.copies)} for hit in hits if hit.path.name in OF_THREE)
    assert of_link == OF_THREE
    assert len(hits) == 12


def test_k_different_ones_are_found_where_there_are_so_many(library: Library, photos: Path) -> None:
    hits = library.search(photos / "03.png", 3, collapse=True)

    assert len(hits) == 3
    assert len(hits[0].copies) == 3
    (several,) = library.search([photos / "03.png"], 3, collapse=True)
    assert several == hits


def test_pictures_that_somebody_told_apart_stay_apart(library: Library, photos: Path) -> None:
    from transhash.library.duplicates.verdicts import Verdicts

    pictures = {each.name: each for each in library.pictures(library.passing()).values()}
    of_three = [pictures[name].digest for name in ("03.png", "copy-0.jpg", "copy-1.jpg", "copy-2.jpg")]
    Verdicts(library.path).add((one, other) for one in of_three for other in of_three if one != other)

    hits = library.search(photos / "03.png", 16, collapse=True)

    assert {hit.path.name for hit in hits if hit.copies} <= {"07.png", "again.png"}


def test_limits_hold_before_hits_collapse(library: Library, photos: Path) -> None:
    hits = library.search(photos / "03.png", 16, collapse=True, where="name like 'copy*'")

    assert [len(hit.copies) for hit in hits] == [2]
