"""Groups of near-identical pictures in a library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from fake_model import FakeModel
from transhash import Library
from transhash.errors import HammingIndexError, LibraryError
from transhash.images import Source
from transhash.library import Duplicates
from transhash.library.duplicates import confirmation as likeness
from transhash.library.duplicates import groups as duplicates
from transhash.model import Encoded

EXAMPLES = Path(__file__).parents[3] / "examples" / "pictures"


class OneCode(FakeModel):
    """A model for which all pictures are of one kind."""

    def _one(self, item: object, source: Source) -> Encoded:
        encoded = super()._one(item, source)
        code = None if encoded.code is None else np.zeros_like(encoded.code)
        return Encoded(item, code, encoded.values, encoded.error, encoded.width, encoded.height)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty different pictures of 96 pixels, some animals and some vehicles."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, path in enumerate(sorted(EXAMPLES.rglob("*.jpg"))[::5]):
        picture(path).save(folder / f"{number:02}.png")
    return folder


def picture(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB").resize((96, 96), Image.Resampling.BICUBIC)


def groups_of(folder: Path, max_distance: int = 64, model: FakeModel | None = None) -> list[Duplicates]:
    with Library.create(folder / ".transhash", model or FakeModel(), exist_ok=True) as library:
        library.index(folder)
        report = library.duplicates(max_distance)
    assert report.skipped == []
    return report.groups


def names(groups: list[Duplicates]) -> list[list[str]]:
    return [[copy.path.name for copy in (group.keep, *group.same)] for group in groups]


def test_different_pictures_are_no_duplicates_even_when_they_share_a_code(pictures: Path) -> None:
    assert groups_of(pictures, model=OneCode()) == []


@pytest.mark.parametrize("model", [FakeModel, OneCode])
def test_copies_are_grouped_with_the_most_pixels_to_keep(pictures: Path, model: Callable[[], FakeModel]) -> None:
    image = Image.open(pictures / "03.png")
    image.resize((60, 60)).save(pictures / "03-small.jpg", quality=60)
    image.resize((200, 200)).save(pictures / "03-large.png")
    Image.open(pictures / "07.png").save(pictures / "07.jpg", quality=50)
    ImageOps.mirror(Image.open(pictures / "11.png")).save(pictures / "11-mirrored.png")

    groups = groups_of(pictures, model=model())
    assert names(groups) == [["03-large.png", "03.png", "03-small.jpg"], ["07.png", "07.jpg"]]
    assert not any(copy.identical for group in groups for copy in group.same)
    assert (groups[0].keep.width, groups[0].keep.height) == (200, 200)
    assert groups[0].keep.bytes == (pictures / "03-large.png").stat().st_size
    assert (groups[0].keep.distance, groups[0].keep.identical) == (0, True)


def test_equal_files_need_no_look_at_their_pixels(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(pictures / "05.png", pictures / "zz.png")
    shutil.copy(pictures / "05.png", pictures / "aa.png")
    read: list[str] = []
    monkeypatch.setattr(likeness, "thumbnail", read.append)

    (group,) = groups_of(pictures, max_distance=0)
    assert read == []
    assert sorted(copy.path.name for copy in (group.keep, *group.same)) == ["05.png", "aa.png", "zz.png"]
    assert all(copy.identical and copy.distance == 0 for copy in group.same)


def test_which_of_equal_pictures_to_keep(pictures: Path) -> None:
    for name, age in (("b.png", 200), ("c.png", 300), ("a.png", 300)):
        shutil.copy(pictures / "05.png", pictures / name)
        os.utime(pictures / name, (10**9 - age, 10**9 - age))
    padded = (pictures / "05.png").read_bytes() + b"\0"  # the same picture in a larger file
    (pictures / "d.png").write_bytes(padded)

    assert names(groups_of(pictures)) == [["d.png", "a.png", "c.png", "b.png", "05.png"]]


def test_codes_beyond_the_distance_are_no_candidates(pictures: Path) -> None:
    Image.open(pictures / "02.png").crop((0, 0, 91, 91)).save(pictures / "02-small.jpg", quality=50)
    (pair,) = groups_of(pictures)
    distance = pair.same[0].distance
    assert distance > 0
    assert names(groups_of(pictures, distance)) == [["02.png", "02-small.jpg"]]
    assert groups_of(pictures, distance - 1) == []


def test_each_picture_is_read_once_and_only_candidates_are(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.open(pictures / "02.png").save(pictures / "02.jpg", quality=90)
    thumbnail = likeness.thumbnail
    read: list[str] = []
    monkeypatch.setattr(likeness, "thumbnail", lambda path: read.append(Path(path).name) or thumbnail(path))
    files = sorted(path for path in pictures.iterdir() if path.is_file())
    codes = FakeModel().encode(files)
    distances = np.bitwise_count(codes[:, None] ^ codes[None]).sum(axis=2)
    near = [path.name for path, row in zip(files, distances, strict=True) if (row <= 3).sum() > 1]
    groups_of(pictures, 3)
    assert sorted(read) == near
    assert len(near) < 20


def test_an_orientation_in_the_metadata_is_heeded(pictures: Path) -> None:
    image = Image.open(pictures / "09.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    image.transpose(Image.Transpose.ROTATE_90).save(pictures / "09-turned.jpg", quality=95, exif=exif)
    assert names(groups_of(pictures)) == [["09.png", "09-turned.jpg"]]


def test_only_pictures_below_the_folders_count(pictures: Path) -> None:
    for folder in ("one", "two"):
        (pictures / folder).mkdir()
        shutil.copy(pictures / "05.png", pictures / folder / "copy.png")
        shutil.copy(pictures / "06.png", pictures / folder / f"{folder}.png")
    shutil.copy(pictures / "06.png", pictures / "one" / "again.png")
    with Library.create(pictures / ".transhash", FakeModel()) as library:
        library.index(pictures)
        assert len(library.duplicates().groups) == 2
        assert sorted(map(len, names(library.duplicates(folders=[pictures / "one", pictures / "two"]).groups))) == [
            2,
            3,
        ]
        (group,) = library.duplicates(folders=pictures / "one").groups
        assert {copy.path for copy in (group.keep, *group.same)} == {
            pictures / "one" / "again.png",
            pictures / "one" / "one.png",
        }
        with pytest.raises(LibraryError, match="nowhere"):
            library.duplicates(folders=pictures / "nowhere")


def test_what_has_changed_or_gone_since_indexing_is_skipped_and_named(pictures: Path) -> None:
    for name in ("a", "b", "c", "d"):
        shutil.copy(pictures / "05.png", pictures / f"{name}.png")
    with Library.create(pictures / ".transhash", FakeModel()) as library:
        library.index(pictures)
        (pictures / "a.png").unlink()
        Image.open(pictures / "06.png").save(pictures / "b.png", compress_level=0)
        report = library.duplicates()
    assert [(skipped.path.name, skipped.reason) for skipped in report.skipped] == [
        ("a.png", "cannot be read (no such file or directory)"),
        ("b.png", duplicates.CHANGED),
    ]
    assert [set(group) for group in names(report.groups)] == [{"05.png", "c.png", "d.png"}]


def test_a_file_that_has_become_unreadable_is_skipped(pictures: Path) -> None:
    data = (pictures / "05.png").read_bytes()
    Image.open(pictures / "05.png").resize((50, 50)).save(pictures / "small.png")
    with Library.create(pictures / ".transhash", FakeModel()) as library:
        library.index(pictures)
        status = (pictures / "05.png").stat()
        (pictures / "05.png").write_bytes(b"?" * len(data))
        os.utime(pictures / "05.png", ns=(status.st_atime_ns, status.st_mtime_ns))
        report = library.duplicates(64)
    assert [(skipped.path.name, skipped.reason) for skipped in report.skipped] == [("05.png", "not a picture")]
    assert report.groups == []


def test_every_one_of_a_group_is_a_copy_of_what_is_kept(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain in which each is like the next: the ends are not called copies of one another."""
    levels = {f"{level:03}.png": level for level in (100, 106, 112, 118)}
    for path in pictures.iterdir():
        path.unlink()
    for name, level in levels.items():
        Image.new("RGB", (40, 40), (level, level, level)).save(pictures / name)
    groups = groups_of(pictures, model=OneCode())
    for group in groups:
        for copy in group.same:
            assert abs(levels[copy.path.name] - levels[group.keep.path.name]) <= 8
    assert len(groups) == 2


def test_an_empty_library_has_none(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", FakeModel()) as library:
        assert library.duplicates().groups == []


def test_a_distance_below_zero_is_refused(pictures: Path) -> None:
    with pytest.raises(HammingIndexError, match="0 or more"):
        groups_of(pictures, -1)


def test_progress_is_told(pictures: Path) -> None:
    said = []
    with Library.create(pictures / ".transhash", OneCode()) as library:
        library.index(pictures)
        library.duplicates(progress=lambda *what: said.append(what))
    assert ("reading", 40, 40) in said
    assert said[-1] == ("comparing", 40, 40)


def test_groups_of_hashes_expand_to_all_pairs() -> None:
    starts = np.array([0, 2, 3, 6])
    flat = np.array([10, 11, 20, 30, 31, 32])
    pieces = list(duplicates._expanded(np.array([0, 1]), np.array([2, 2]), starts, flat))
    pairs = [(int(a), int(b)) for ones, others in pieces for a, b in zip(ones, others, strict=True)]
    assert pairs == [(a, b) for a in (10, 11) for b in (30, 31, 32)] + [(20, b) for b in (30, 31, 32)]


def test_without_room_for_small_copies_the_remedy_is_named(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(duplicates.tempfile, "TemporaryFile", full)
    with pytest.raises(LibraryError, match=r"No space left on device.*TMPDIR"):
        groups_of(pictures)
