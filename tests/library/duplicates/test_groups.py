"""Groups of near-identical pictures in a library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from fake_model import FakeModel
from grouped import EXAMPLES, OneCode, groups_of, looked_at, names, picture
from transhash import Library
from transhash.errors import HammingIndexError
from transhash.library import Duplicates
from transhash.library.duplicates import groups as grouping
from transhash.library.duplicates import pairing
from transhash.library.duplicates.confirmation import Finding
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.planning import plan_of
from transhash.library.duplicates.presence import CHANGED


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
    read = looked_at(monkeypatch)

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
    read = looked_at(monkeypatch)
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
        ("b.png", CHANGED),
    ]
    assert [set(group) for group in names(report.groups)] == [{"05.png", "c.png", "d.png"}]


def test_a_library_that_was_copied_without_its_dates_has_its_duplicates(pictures: Path, tmp_path: Path) -> None:
    shutil.copy(pictures / "05.png", pictures / "a.png")
    with Library.create(pictures / ".transhash", FakeModel()) as library:
        library.index(pictures)
    copied = tmp_path / "copied"
    shutil.copytree(pictures, copied, copy_function=shutil.copyfile)
    for path in copied.glob("*.png"):
        os.utime(path, (1, 1))
    with Library.open(copied, FakeModel()) as library:
        report = library.duplicates()

    assert not report.skipped
    assert [set(group) for group in names(report.groups)] == [{"05.png", "a.png"}]


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
    for path in pictures.iterdir():
        path.unlink()
    image = picture(sorted(EXAMPLES.rglob("*.jpg"))[0])
    for number in range(4):
        image.resize((96 - number, 96 - number)).save(pictures / f"{number}.png")

    def next_only(self: pairing.Pairing, pairs: list[tuple[int, int]]) -> list[Finding]:
        return [Finding(Kind.COPY if abs(one - other) == 1 else None) for one, other in pairs]

    monkeypatch.setattr(pairing.Pairing, "confirm", next_only)
    assert names(groups_of(pictures, model=OneCode(), keep=["largest"])) == [["0.png", "1.png"], ["2.png", "3.png"]]


def told(monkeypatch: pytest.MonkeyPatch, kinds: dict[str, Kind]) -> None:
    """Have pairs of `scenes` be of these kinds, by the names of both, and others of none."""

    def confirm(self: pairing.Pairing, pairs: list[tuple[int, int]]) -> list[Finding]:
        return [Finding(kinds.get("".join(sorted("abcdez"[each] for each in pair)))) for pair in pairs]

    monkeypatch.setattr(pairing.Pairing, "confirm", confirm)


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """One picture in five sizes, the largest is `z`, and the file of `a` once more, `b`."""
    image = picture(sorted(EXAMPLES.rglob("*.jpg"))[0])
    for name, size in (("z", 96), ("a", 95), ("c", 94), ("d", 93), ("e", 92)):
        image.resize((size, size)).save(tmp_path / f"{name}.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    return tmp_path


def kinds_in(groups: list[Duplicates]) -> dict[str, dict[str, str]]:
    return {group.keep.path.stem: {copy.path.stem: copy.kind for copy in group.same} for group in groups}


def test_equal_files_stay_together_when_they_are_a_burst_of_another(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {"az": Kind.BURST, "ac": Kind.COPY, "cz": Kind.BURST, "dz": Kind.EDIT, "ez": Kind.COPY}
    told(monkeypatch, kinds)
    groups = kinds_in(groups_of(scenes, model=OneCode(), kinds=["all"], keep=["largest"]))
    (kept,) = groups.keys() - {"z"}
    (twin,) = {"a", "b"} - {kept}
    assert groups == {kept: {twin: "same-file", "c": "copy"}, "z": {kept: "burst", "d": "edit", "e": "copy"}}


def test_copies_follow_what_turns_out_to_be_a_copy(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups that an edit brings together, whose pictures to keep were no candidates."""
    told(monkeypatch, {"ac": Kind.COPY, "dz": Kind.COPY, "cd": Kind.EDIT, "az": Kind.COPY, "cz": Kind.COPY})
    monkeypatch.setattr(grouping, "by_signs", lambda *_: [(0, 2), (3, 5), (2, 3)])
    groups = kinds_in(groups_of(scenes, model=OneCode(), kinds=["copy", "edit"], keep=["largest"]))
    assert groups == {"z": dict.fromkeys("abcd", "copy")}


def test_no_plan_removes_what_a_group_keeps(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, {"az": Kind.BURST})
    with Library.create(scenes / ".transhash", OneCode()) as library:
        library.index(scenes)
        report = library.duplicates(64, kinds=["all"], keep=["largest"])
        digests = {id_: each.digest for id_, each in library.pictures(library.passing()).items()}
    plan = plan_of(report, digests, None, ())
    assert len(report.groups) == 2
    assert [Path(action.path).stem for action in plan.removals] in (["a"], ["b"])


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
    assert ("reading", 40, 40, "") in said
    assert all(done <= total for _, done, total, _ in said)


def test_other_metadata_and_another_lossless_format_are_the_same_pixels(pictures: Path) -> None:
    Image.open(pictures / "04.png").save(pictures / "04.bmp")
    (group,) = groups_of(pictures)
    assert [copy.kind for copy in group.same] == ["same-pixels"]


@pytest.mark.parametrize("size", [(20, 20), (400, 300)])
def test_the_reason_of_equal_pixels_does_not_say_that_nothing_can_be_told(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    for name in ("blank.png", "blank.bmp"):
        Image.new("RGB", size, "white").save(tmp_path / name)
    (group,) = groups_of(tmp_path, model=OneCode())
    assert [(copy.kind, copy.why) for copy in group.same] == [("same-pixels", "all pixels are equal")]


def test_transparency_that_differs_is_not_the_same_pixels(pictures: Path) -> None:
    image = Image.open(pictures / "04.png").convert("RGBA")
    image.putalpha(Image.new("L", image.size, 254))
    image.save(pictures / "04-clear.png")
    assert all(copy.kind != "same-pixels" for group in groups_of(pictures, kinds=["all"]) for copy in group.same)


def test_files_dated_beyond_2262_are_compared(pictures: Path) -> None:
    twin = pictures / "twin.png"
    twin.write_bytes((pictures / "00.png").read_bytes())
    os.utime(twin, (10413792000, 10413792000))
    assert names(groups_of(pictures)) == [["00.png", "twin.png"]]


def test_a_link_and_a_hard_link_are_the_picture_itself(pictures: Path) -> None:
    (pictures / "aa.png").symlink_to(pictures / "05.png")
    os.link(pictures / "06.png", pictures / "bb.png")
    assert groups_of(pictures) == []


def test_a_copy_of_what_a_link_leads_to_is_found(pictures: Path) -> None:
    (pictures / "00 link.png").symlink_to(pictures / "05.png")
    Image.open(pictures / "05.png").save(pictures / "05.jpg", quality=80)
    assert names(groups_of(pictures)) == [["05.png", "05.jpg"]]


def test_animations_are_copies_only_when_all_frames_agree(pictures: Path) -> None:
    frames = [Image.open(pictures / f"{number:02}.png") for number in range(6)]
    kwargs: dict[str, Any] = {"save_all": True, "duration": 100}
    frames[0].save(pictures / "one.gif", append_images=frames[1:3], **kwargs)
    frames[0].save(pictures / "two.gif", append_images=frames[3:5], **kwargs)
    frames[0].save(pictures / "again.gif", append_images=frames[1:3], comment=b"again", **kwargs)
    found = [[copy.path.name for copy in (group.keep, *group.same)] for group in groups_of(pictures, model=OneCode())]
    assert [sorted(group) for group in found] == [["again.gif", "one.gif"]]
