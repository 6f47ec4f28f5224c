"""Two pictures side by side: how one lies on the other, and what differs in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.library.duplicates.pairs import Pair, pair_of
from transhash.library.files.thumbnails import Thumbnails


def pair(photos: Path, one: str, other: str) -> Pair:
    with Library.create(photos / ".transhash", FakeModel(), exist_ok=True) as library:
        library.index(photos)
        named = {each.name: each for each in library.pictures(library.passing()).values()}
        return pair_of(named[one], named[other], Thumbnails(library.path))


def words(found: Pair) -> dict[str, str]:
    return {each.what: each.words for each in found.differences}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    image = Image.open(draw(tmp_path / "photos" / "one.png", 7, 320)).convert("RGB")
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Maker One"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 10:00:00"
    image.save(tmp_path / "photos" / "dated.jpg", quality=95, exif=exif)
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 10:00:02"
    image.resize((160, 160)).save(tmp_path / "photos" / "later.jpg", quality=95, exif=exif)
    image.crop((32, 16, 288, 272)).save(tmp_path / "photos" / "part.png")
    return tmp_path / "photos"


def test_where_a_part_lies_is_told_in_shares(photos: Path) -> None:
    found = pair(photos, "part.png", "one.png")

    assert str(found.finding.kind) in {"copy", "edit"}
    assert found.onto is not None
    assert np.allclose(found.onto, [0.8, 0, 0, 0.8, 0.1, 0.05], atol=0.01)


def test_what_differs_is_said_in_words(photos: Path) -> None:
    said = words(pair(photos, "dated.jpg", "later.jpg"))

    assert said["pixels"] == "75% fewer pixels"
    assert said["taken"] == "2 s later"
    assert said["format"] == said["camera"] == said["folder"] == ""
    assert said["name"] == "another"


def test_what_one_file_alone_tells_is_said(photos: Path) -> None:
    found = pair(photos, "dated.jpg", "one.png")

    said = words(found)
    assert (said["camera"], said["format"]) == ("not known here", "another")
    assert next(each.one for each in found.differences if each.what == "camera") == "Maker One"


def test_equal_bytes_are_one_file_laid_as_it_is(photos: Path) -> None:
    (photos / "again.png").write_bytes((photos / "one.png").read_bytes())

    found = pair(photos, "one.png", "again.png")

    assert (str(found.finding.kind), found.onto) == ("same-file", (1.0, 0.0, 0.0, 1.0, 0.0, 0.0))
