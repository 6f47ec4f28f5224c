"""Metadata that only a removed file has is kept next to the file that stays, and undone with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from collection import draw
from image_files import encoded, heic, png_chunk
from transhash.library.digests import file_digest
from transhash.library.duplicates.applying import apply_plan
from transhash.library.duplicates.merging import additions
from transhash.library.duplicates.metadata import Folders
from transhash.library.duplicates.plan import Action, Plan
from transhash.library.duplicates.undoing import undo_log

DATE = "2024:05:01 10:00:02"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A picture without metadata, and a copy of it with a date, a place, a film and a RAW file."""
    folder = tmp_path / "photos"
    image = Image.open(draw(folder / "seed.png", 5, 64)).convert("RGB")
    image.save(folder / "kept.jpg")
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = DATE
    exif[0x8825] = {1: "S", 2: (12.0, 30.0, 36.0), 3: "E", 4: (8.0, 15.0, 0.0)}
    image.save(folder / "copy.jpg", exif=exif)
    (folder / "copy.MOV").write_bytes(b"a film")
    (folder / "copy.CR2").write_bytes(b"raw")
    return folder


def plan_of(photos: Path, folders: tuple[str, ...] | None = None, reference: tuple[str, ...] = ()) -> Plan:
    one, keep = photos / "copy.jpg", photos / "kept.jpg"
    digests = [file_digest(path).hex() for path in (one, keep)]
    sizes = [path.stat().st_size for path in (one, keep)]
    action = Action("remove", 1, str(one), sizes[0], digests[0], "copy", "", str(keep), sizes[1], digests[1], sizes[0])
    return Plan((str(photos),) if folders is None else folders, reference, (action,))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_date_place_and_films_are_kept_and_undone(photos: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in photos.iterdir()}

    done = apply_plan(plan_of(photos), str(tmp_path / "gone"), tmp_path / "log", merge_metadata=True)

    assert (done.done, done.skipped) == (1, [])
    assert names(photos) == before.keys() - {"copy.jpg"} | {"kept.MOV", "kept.xmp"}
    assert (photos / "kept.MOV").read_bytes() == b"a film"
    xmp = (photos / "kept.xmp").read_text("utf-8")
    assert 'exif:DateTimeOriginal="2024-05-01T10:00:02"' in xmp
    assert 'exif:GPSLatitude="12,30.600000S"' in xmp
    assert 'exif:GPSLongitude="8,15.000000E"' in xmp
    assert (photos / "kept.jpg").read_bytes() == before["kept.jpg"]
    assert undo_log(tmp_path / "log").skipped == []
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before


def test_the_sidecar_of_the_removed_file_is_taken_as_it_is(photos: Path, tmp_path: Path) -> None:
    (photos / "copy.jpg.xmp").write_text("<mine/>")

    apply_plan(plan_of(photos), str(tmp_path / "gone"), tmp_path / "log", merge_metadata=True)

    assert (photos / "kept.jpg.xmp").read_text() == "<mine/>"
    assert not (photos / "kept.xmp").exists()


def test_what_the_kept_file_has_is_not_touched(photos: Path, tmp_path: Path) -> None:
    (photos / "kept.xmp").write_text("<kept/>")
    (photos / "kept.mov").write_text("kept")

    done = apply_plan(plan_of(photos), str(tmp_path / "gone"), tmp_path / "log", merge_metadata=True)

    assert done.done == 1
    assert ((photos / "kept.xmp").read_text(), (photos / "kept.mov").read_text()) == ("<kept/>", "kept")
    assert "kept.MOV" not in names(photos)


@pytest.mark.parametrize("where", ["outside", "reference"])
def test_nothing_is_written_where_the_plan_may_touch_nothing(photos: Path, tmp_path: Path, where: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    kept = (photos / "kept.jpg").rename(other / "kept.jpg")
    folders = (str(photos),) if where == "outside" else (str(tmp_path),)
    plan = plan_of_moved(photos, kept, folders, (str(other),) if where == "reference" else ())

    done = apply_plan(plan, str(tmp_path / "gone"), tmp_path / "log", merge_metadata=True)

    assert (done.done, names(other)) == (0, {"kept.jpg"})
    assert "its metadata cannot be kept: the file that is kept lies" in done.skipped[0].reason
    assert (photos / "copy.jpg").exists()


def plan_of_moved(photos: Path, kept: Path, folders: tuple[str, ...], reference: tuple[str, ...]) -> Plan:
    (photos / "kept.jpg").write_bytes(kept.read_bytes())
    (action,) = plan_of(photos).actions
    (photos / "kept.jpg").unlink()
    return Plan(folders, reference, (Action(**{**vars_of(action), "keep": str(kept)}),))


def test_what_a_heic_file_says_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.new("RGB", (64, 48), "teal")
    image.save(tmp_path / "kept.jpg")
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = DATE
    (tmp_path / "copy.heic").write_bytes(heic(image, exif=exif.tobytes()))
    monkeypatch.setattr(Image, "OPEN", {kind: found for kind, found in Image.OPEN.items() if kind != "HEIF"})

    assert has_kept_date(tmp_path / "copy.heic", tmp_path / "kept.jpg")


def test_what_large_photographs_say_is_kept(
    photos: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    for most in (3_000, 100):  # pixels, above which Pillow warns, and refuses twice as many
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        assert has_kept_date(photos / "copy.jpg", photos / "kept.jpg")
    assert not recwarn.list


def test_what_a_png_with_a_broken_comment_says_is_kept(photos: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = DATE
    data = encoded(Image.new("RGB", (9, 9)), "PNG", exif=exif.tobytes())
    (photos / "copy.png").write_bytes(data[:33] + png_chunk(b"tEXt", b"Comment\0hello")[:-1] + b"?" + data[33:])

    assert has_kept_date(photos / "copy.png", photos / "kept.jpg")


def has_kept_date(removed: Path, kept: Path) -> bool:
    """Whether a plan names the date that only the removed picture has, and what is kept of that has it."""
    assert "the camera's date" in Folders().only_here(removed, kept)
    made = [each.content for each in additions(removed, kept) if each.source is None]
    return len(made) == 1 and b"2024-05-01T10:00:02" in made[0]


def vars_of(action: Action) -> dict:
    return {name: getattr(action, name) for name in Action.__dataclass_fields__}


def test_what_somebody_wrote_since_is_not_deleted_by_undo(photos: Path, tmp_path: Path) -> None:
    apply_plan(plan_of(photos), str(tmp_path / "gone"), tmp_path / "log", merge_metadata=True)
    (photos / "kept.xmp").write_text("rated")

    undone = undo_log(tmp_path / "log")

    assert [(each.path.name, each.reason) for each in undone.skipped] == [
        ("kept.xmp", "was made by the plan and has changed since")
    ]
    assert (photos / "copy.jpg").exists()


def test_a_run_that_was_killed_while_it_added_leaves_nothing_behind(photos: Path, tmp_path: Path) -> None:
    log = [
        {"transhash log": 1},
        {"do": "add", "from": str(photos / "kept.xmp"), "to": str(photos / ".kept.xmp.transhash"), "digest": "00"},
    ]
    (tmp_path / "log").write_text("\n".join(map(json.dumps, log)))
    (photos / ".kept.xmp.transhash").write_bytes(b"ha")

    assert undo_log(tmp_path / "log").skipped == []
    assert ".kept.xmp.transhash" not in names(photos)
