"""Groups of the kinds, the folders and the references that are asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageOps

from collection import draw
from fake_model import FakeModel
from grouped import EXAMPLES, OneCode, groups_of, names, photograph
from transhash import Library, find_duplicates
from transhash.errors import LibraryError
from transhash.library.digests import file_digest
from transhash.library.duplicates.confirmation import Finding
from transhash.library.duplicates.pairing import Pairing
from transhash.library.duplicates.verdicts import Verdicts


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
        (pictures / "later").mkdir()
        with pytest.raises(LibraryError, match="later: no picture of the library"):
            library.duplicates(folders=pictures / "later")


def test_kinds_that_are_not_asked_for_are_counted(pictures: Path) -> None:
    ImageOps.mirror(Image.open(pictures / "11.png")).save(pictures / "11-mirrored.png")
    with Library.create(pictures / ".transhash", OneCode()) as library:
        library.index(pictures)
        report = library.duplicates(64)
        assert (report.groups, report.others) == ([], {"edit": 1})
        (group,) = library.duplicates(64, kinds=["edit"]).groups
    assert (group.same[0].kind, "mirrored" in group.same[0].why) == ("edit", True)


def test_a_plus_adds_kinds_to_the_default_and_equal_files_are_counted_without_them(pictures: Path) -> None:
    ImageOps.mirror(Image.open(pictures / "11.png")).save(pictures / "11-mirrored.png")
    (pictures / "more").mkdir()
    for copy in ("05-again.png", "more/05.png"):
        shutil.copy(pictures / "05.png", pictures / copy)
    (pictures / "05-link.png").hardlink_to(pictures / "05.png")  # the same file
    with Library.create(pictures / ".transhash", OneCode()) as library:
        library.index(pictures)
        added = library.duplicates(64, kinds=["+edit"])
        replaced = library.duplicates(64, kinds=["edit"])
        assert library.duplicates(64, kinds=["edit"], within=True).others == {"same-file": 1}
    assert sorted(copy.kind for group in added.groups for copy in group.same) == ["edit", "same-file", "same-file"]
    assert ([copy.kind for group in replaced.groups for copy in group.same], replaced.others) == (
        ["edit"],
        {"same-file": 2},
    )


@pytest.mark.parametrize("name", ["0 titled.png", "9 titled.png"])
def test_the_best_of_two_has_no_letters_on_it(tmp_path: Path, name: str) -> None:
    image = Image.open(sorted(EXAMPLES.rglob("*.jpg"))[0]).convert("RGB").resize((320, 240), Image.Resampling.BICUBIC)
    image.save(tmp_path / "5.png")
    larger = image.resize((400, 300), Image.Resampling.BICUBIC)
    ImageDraw.Draw(larger).text((12, 250), "BEST PRICE", "white", font_size=38, stroke_width=4, stroke_fill="black")
    larger.save(tmp_path / name)
    (group,) = groups_of(tmp_path, kinds=["edit"])
    assert names([group]) == [["5.png", name]]
    assert group.why.endswith("nothing was laid over it")
    assert group.same[0].why.startswith("something laid over it")


@pytest.mark.parametrize("name", ["0 lesser.png", "9 lesser.png"])
@pytest.mark.parametrize(("what", "why"), [("grey", "has its colours"), ("a part", "shows more of it")])
def test_the_best_of_two_has_its_colours_and_all_of_it(tmp_path: Path, name: str, what: str, why: str) -> None:
    example = Image.open(sorted(EXAMPLES.rglob("*.jpg"))[0]).convert("RGB")
    image = example.resize((320, 240), Image.Resampling.BICUBIC)
    image.save(tmp_path / "5.jpg", quality=50)
    lesser = image.convert("L") if what == "grey" else image.crop((4, 4, 300, 226))
    lesser.save(tmp_path / name)
    (group,) = groups_of(tmp_path, kinds=["copy", "edit"])
    assert names([group]) == [["5.jpg", name]]
    assert why in group.why


def test_pictures_of_a_reference_folder_are_kept(pictures: Path) -> None:
    (pictures / "old").mkdir()
    Image.open(pictures / "05.png").resize((60, 60)).save(pictures / "old" / "small.png")
    shutil.copy(pictures / "old" / "small.png", pictures / "old" / "again.png")
    (group,) = groups_of(pictures, reference=[pictures / "old"])
    assert (group.keep.path.parent.name, [copy.path.name for copy in group.same]) == ("old", ["05.png"])


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A master folder with `a.png`, and an inbox with a copy of that, and with `b.png` and its copy."""
    for number, path in enumerate(["master/a.png", "inbox/a2.png", "inbox/b.png", "inbox/b2.png"]):
        draw(tmp_path / "home" / path, number // 2 + 1, 64)
    return tmp_path / "home"


def test_only_copies_of_what_a_reference_folder_has_are_listed(inbox: Path) -> None:
    found = groups_of(inbox, reference=[inbox / "master"])
    assert names(found) == [["a.png", "a2.png"]]
    assert names(groups_of(inbox, folders=[inbox / "inbox"], reference=[inbox / "master"])) == names(found)
    assert names(groups_of(inbox, folders=[inbox / "inbox"])) == [["b.png", "b2.png"]]


def test_files_without_a_library_are_compared_with_a_reference_folder(inbox: Path) -> None:
    report = find_duplicates(inbox / "inbox", reference=[inbox / "master"])
    assert names(report.groups) == [["a.png", "a2.png"]]
    (inbox / "empty").mkdir()
    with pytest.raises(LibraryError, match="empty: no picture lies below it"):
        find_duplicates(inbox / "inbox", reference=[inbox / "empty"])


def test_pictures_of_a_reference_folder_are_not_compared_with_one_another(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pictures / "old").mkdir()
    Image.open(pictures / "05.png").save(pictures / "old" / "one.jpg", quality=80)
    Image.open(pictures / "05.png").save(pictures / "old" / "two.jpg", quality=60)
    confirmed: list[set[Path]] = []
    confirm = Pairing.confirm

    def noted(self: Pairing, pairs: list[tuple[int, int]]) -> list[Finding]:
        confirmed.extend({self._picture(each).path for each in pair} for pair in pairs)
        return confirm(self, pairs)

    monkeypatch.setattr(Pairing, "confirm", noted)
    groups_of(pictures, folders=[pictures / "old"], reference=[pictures / "old"])
    assert confirmed == []


def test_a_reference_folder_that_was_never_indexed_is_named(inbox: Path, tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere" / "c.png", 1, 64)
    for folders in (None, [inbox / "inbox"]):
        with pytest.raises(LibraryError, match=r"elsewhere: no picture of the library .* `transhash index`"):
            groups_of(inbox, folders=folders, reference=[inbox / "master", tmp_path / "elsewhere"])


def test_within_compares_pictures_of_one_folder_only(pictures: Path) -> None:
    (pictures / "other").mkdir()
    shutil.copy(pictures / "05.png", pictures / "other")
    shutil.copy(pictures / "06.png", pictures / "again.png")
    assert [sorted(group) for group in names(groups_of(pictures, within=True))] == [["06.png", "again.png"]]


def test_within_a_folder_is_a_pair_whose_first_picture_has_equal_bytes_elsewhere(pictures: Path) -> None:
    (pictures / "other").mkdir()
    shutil.copy(pictures / "05.png", pictures / "other")
    Image.open(pictures / "05.png").resize((60, 60)).save(pictures / "other" / "small.png")
    assert [sorted(group) for group in names(groups_of(pictures, within=True))] == [["05.png", "small.png"]]


def test_a_pair_that_somebody_has_told_apart_is_not_shown_again(pictures: Path) -> None:
    Image.open(pictures / "05.png").save(pictures / "05.jpg", quality=80)
    assert len(groups_of(pictures)) == 1
    pair = file_digest(pictures / "05.jpg").hex(), file_digest(pictures / "05.png").hex()
    assert Verdicts(pictures / ".transhash").add([pair]) == 1
    assert Verdicts(pictures / ".transhash").add([pair[::-1]]) == 0
    assert groups_of(pictures) == []


@pytest.mark.parametrize("wish", [{"kinds": ["twins"]}, {"keep": ["prettiest"]}, {"keep": ["path:"]}])
def test_a_kind_or_a_rule_that_there_is_not_is_refused(pictures: Path, wish: dict[str, list[str]]) -> None:
    with pytest.raises(LibraryError, match="; "):
        groups_of(pictures, **wish)


def test_a_raw_file_and_its_jpeg_are_a_group_that_no_plan_touches(tmp_path: Path) -> None:
    from transhash.library.duplicates.planning import plan_of

    folder = tmp_path / "photos"
    image = Image.open(draw(folder / "seed.png", 3, 64)).convert("RGB")
    for name in ("IMG_1.JPG", "IMG_2.jpg"):
        image.save(folder / name, "JPEG")
    (folder / "img_1.cr2").write_bytes(b"II*\0")
    (folder / "other.dng").write_bytes(b"II*\0")
    with Library.create(folder / ".transhash", FakeModel()) as library:
        library.index(folder)
        default = library.duplicates(64)
        report = library.duplicates(64, kinds=["raw+jpeg"])
        digests = {id_: each.digest for id_, each in library.pictures(library.passing()).items()}

    assert "raw+jpeg" not in {copy.kind for group in default.groups for copy in group.same}
    (group,) = report.groups
    assert (group.keep.path.name, [copy.path.name for copy in group.same]) == ("img_1.cr2", ["IMG_1.JPG"])
    assert group.same[0].kind == "raw+jpeg"
    assert plan_of(report, digests, None, ()).actions == ()


@pytest.mark.parametrize("name", ["0 shot.png", "9 shot.png"])
def test_the_best_of_two_is_no_screenshot(tmp_path: Path, name: str) -> None:
    image = photograph()
    image.save(tmp_path / "5.jpg", quality=90)
    shot = Image.new("RGB", (320, 600), "black")
    shot.paste(image, (0, 180))
    ImageDraw.Draw(shot).text((10, 5), "12:41", "white", font_size=14)
    shot.save(tmp_path / name)
    ImageOps.expand(image, 20, "white").save(tmp_path / "bordered.jpg", quality=95)
    (group,) = groups_of(tmp_path)
    assert group.keep.path.name == "5.jpg"
    assert {copy.path.name for copy in group.same} == {name, "bordered.jpg"}
    assert "has no border" in group.why


def test_the_best_of_two_is_what_was_saved_without_a_loss_first(tmp_path: Path) -> None:
    page = Image.new("RGB", (400, 300), "white")
    for line in range(9):
        ImageDraw.Draw(page).text((10, 10 + 30 * line), f"{line} lines of words that are read", "black", font_size=22)
    page.save(tmp_path / "page.png")
    page.save(tmp_path / "page 0.jpg", quality=80)
    photograph().save(tmp_path / "photo.jpg", quality=90)
    Image.open(tmp_path / "photo.jpg").save(tmp_path / "again.png")
    assert names(groups_of(tmp_path)) == [["page.png", "page 0.jpg"], ["photo.jpg", "again.png"]]
