"""Duplicates among files, without a library."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageOps

import transhash
from collection import lock
from transhash.errors import ImageError, LibraryError
from transhash.library.duplicates.kinds import Kind

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "pictures").rglob("*.jpg"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, path in enumerate(EXAMPLES[::20]):
        Image.open(path).convert("RGB").resize((160, 160), Image.Resampling.BICUBIC).save(tmp_path / f"{number}.png")
    return tmp_path


def test_files_and_folders_are_looked_through_together(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "copy.jpg"
    Image.open(folder / "3.png").resize((90, 90)).save(other, quality=85)
    (group,) = transhash.find_duplicates([folder, other]).groups
    assert (group.keep.path, [(copy.path, copy.kind) for copy in group.same]) == (folder / "3.png", [(other, "copy")])
    assert transhash.find_duplicates(folder).groups == []


def test_an_edit_is_found_by_its_keypoints(folder: Path) -> None:
    image = Image.open(folder / "2.png").convert("RGB")
    ImageOps.mirror(image).save(folder / "mirrored.png")
    report = transhash.find_duplicates(folder, kinds=["edit"])
    assert [[copy.path.name for copy in group.same] for group in report.groups] == [["mirrored.png"]] or [
        group.keep.path.name for group in report.groups
    ] == ["mirrored.png"]


def test_what_is_no_picture_is_named(folder: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xffno")
    assert [skipped.path.name for skipped in transhash.find_duplicates(folder).skipped] == ["broken.jpg"]
    with pytest.raises(ImageError):
        transhash.compare(folder / "broken.jpg", folder / "1.png")


def test_a_folder_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "closed").mkdir()
    lock(monkeypatch, folder / "closed")
    (skipped,) = transhash.find_duplicates(folder).skipped
    assert (skipped.path, skipped.reason) == (folder / "closed", "cannot be read (permission denied)")


def test_a_path_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(LibraryError, match="nowhere"):
        transhash.find_duplicates(folder / "nowhere")


def test_two_files_are_compared(folder: Path) -> None:
    (folder / "again.png").write_bytes((folder / "1.png").read_bytes())
    Image.open(folder / "1.png").save(folder / "again.bmp")
    Image.open(folder / "1.png").save(folder / "again.jpg", quality=80)
    kinds = [
        transhash.compare(folder / "1.png", folder / name).kind for name in ("again.png", "again.bmp", "again.jpg")
    ]
    assert kinds == [Kind.SAME_FILE, Kind.SAME_PIXELS, Kind.COPY]
    assert transhash.compare(folder / "1.png", folder / "2.png").kind is None
