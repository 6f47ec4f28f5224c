"""What `transhash duplicates` prints and returns."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from collection import draw
from transhash import Library
from transhash.cli import sheet
from transhash.library.results import DuplicatesReport


@pytest.fixture
def copied(run, photos: Path) -> Path:
    """Six pictures, one of them there three times, another twice."""
    for name in ("dog/zero.png", "cat/zero.png"):
        shutil.copy(photos / "cat" / "cat-0.png", photos / name)
    shutil.copy(photos / "dog" / "dog-2.png", photos / "dog" / "two.png")
    assert run("index", "photos").code == 0
    return photos


def test_groups_are_separated_by_blank_lines_and_what_to_keep_comes_first(run, copied: Path) -> None:
    result = run("duplicates", "photos")
    blocks = [block.splitlines() for block in result.out.split("\n\n")]

    kinds = [[line[:13].strip() for line in block] for block in blocks]
    assert kinds == [["keep", "same-file", "same-file"], ["keep", "same-file"]]
    assert {line[13:] for line in blocks[0]} == {"photos/cat/cat-0.png", "photos/cat/zero.png", "photos/dog/zero.png"}
    assert {line[13:] for line in blocks[1]} == {"photos/dog/dog-2.png", "photos/dog/two.png"}
    assert result.code == 0
    assert result.err.startswith("2 groups with 3 copies of what is kept, ")
    assert len(list(photos_of(copied))) == 9


def test_on_a_terminal_the_line_below_a_picture_says_why(run, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run("duplicates", "photos").out.splitlines()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = run("duplicates", "photos").out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == plain
    below = lines[lines.index(plain[0]) + 1]
    assert below.strip() == "the oldest file"


def photos_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


def test_a_folder_restricts_the_search(run, copied: Path) -> None:
    assert set(run("duplicates", "photos/cat").out.split()) == {
        "keep",
        "photos/cat/cat-0.png",
        "same-file",
        "photos/cat/zero.png",
    }


def test_a_plan_has_the_contents_that_were_compared(run, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those that another process has indexed since: nobody has looked whether these are copies."""
    usual = Library.duplicates

    def slow(library: Library, *given: Any, **named: Any) -> DuplicatesReport:
        report = usual(library, *given, **named)
        for copy in (copy for group in report.groups for copy in group.same):
            draw(copy.path, copy.id)
        library.index(copied)
        return report

    with monkeypatch.context() as patch:
        patch.setattr(Library, "duplicates", slow)
        assert run("duplicates", "photos", "--plan", "plan.jsonl").code == 0
    removals = [action for action in map(json.loads, Path("plan.jsonl").read_text().splitlines()[1:])]
    assert len(removals) == 5
    assert all(action["digest"] == action["keep_digest"] for action in removals)
    assert run("apply", "plan.jsonl", "--to", "gone").code == 2


def test_json_has_an_object_for_each_group(run, copied: Path) -> None:
    lines = [json.loads(line) for line in run("duplicates", "--library", "photos", "--json").out.splitlines()]

    assert [len(line["same"]) for line in lines] == [2, 1]
    assert set(lines[0]["keep"]) == {
        *("path", "id", "width", "height", "bytes", "distance", "identical", "kind", "why")
    }
    assert all(copy["identical"] for line in lines for copy in line["same"])
    assert Path(lines[0]["keep"]["path"]).is_absolute()


def test_csv_has_a_line_for_each_picture(run, copied: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("duplicates", "photos", "--csv").out)))

    assert [(row["group"], row["mark"]) for row in rows] == [
        ("1", "keep"),
        ("1", "same"),
        ("1", "same"),
        ("2", "keep"),
        ("2", "same"),
    ]
    assert rows[0]["width"] == "24"


def test_kinds_replace_the_default_and_a_plus_adds_to_it(run, copied: Path) -> None:
    replaced, added = (run("duplicates", "photos", "--kinds", kinds) for kinds in ("copy,edit", "+edit"))
    assert (replaced.out, added.out.count("same-file")) == ("", 3)
    assert "not shown: pairs of other kinds, 3 of kind same-file; " in replaced.err


def test_json_and_csv_at_once_are_refused(run, copied: Path) -> None:
    result = run("duplicates", "photos", "--json", "--csv")
    assert (result.code, result.out) == (2, "")


def test_none_is_no_failure(run, photos: Path) -> None:
    run("index", "photos")
    result = run("duplicates", "photos")
    assert (result.code, result.out) == (0, "")
    assert result.err == "no duplicates\n"


def test_a_file_that_has_gone_is_named_and_the_rest_is_done(run, copied: Path) -> None:
    (copied / "cat" / "zero.png").unlink()
    result = run("duplicates", "photos")
    assert result.code == 1
    assert "photos/cat/zero.png: skipped: cannot be read" in result.err
    assert result.out.count("same") == 2


def test_files_that_have_gone_are_counted_and_nothing_is_said_of_what_was_not_compared(run, copied: Path) -> None:
    for number in range(8):
        shutil.copy(copied / "cat" / "cat-1.png", copied / f"more-{number}.png")
    run("index", "photos")
    pictures = photos_of(copied)
    for picture in pictures:
        picture.unlink()
    result = run("duplicates", "photos", "--max-distance", "64")
    reason = "cannot be read (no such file or directory)"
    assert (result.code, result.out) == (1, "")
    assert result.err.count("; run `transhash index`") == 5
    assert f"and {len(pictures) - 5} more for the same reason ({reason})\n" in result.err
    assert result.err.endswith("nothing was compared: no file of the pictures to compare could be read\n")


def test_no_duplicates_among_what_could_be_read(run, photos: Path) -> None:
    run("index", "photos")
    (photos / "cat" / "cat-0.png").unlink()
    result = run("duplicates", "photos", "--max-distance", "64")
    assert (result.code, result.out) == (1, "")
    assert result.err.endswith("no duplicates among the pictures that could be read: 5\n")


def test_without_a_library_the_remedy_is_named(run, photos: Path) -> None:
    result = run("duplicates", "photos")
    assert (result.code, result.out) == (2, "")
    assert "transhash index" in result.err


def test_interrupted_it_says_that_nothing_was_changed(run, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Library, "duplicates", interrupted)
    result = run("duplicates", "photos")
    assert (result.code, result.out, result.err) == (
        1,
        "",
        "interrupted: nothing was changed; run the same command again\n",
    )


def test_a_sheet_shows_each_group_in_a_line(run, copied: Path, tmp_path: Path) -> None:
    plain = run("duplicates", "photos")
    result = run("duplicates", "photos", "--sheet", "copies.png")

    assert (result.code, result.out) == (0, plain.out)
    with Image.open(tmp_path / "copies.png") as drawn:
        assert 3 * 160 < drawn.width < 4 * 160  # the larger group: one to keep, two copies
        assert 2 * 160 < drawn.height < 3 * 160


def test_groups_that_do_not_fit_on_a_sheet_are_counted(run, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "HIGHEST", 300)
    result = run("duplicates", "photos", "--sheet", "copies.png")

    assert (result.code, Path("copies.png").exists()) == (0, True)
    assert result.err.startswith("the sheet has 1 group, 1 more does not fit on one page; ask for fewer pictures\n")
    assert "2 groups with 3 copies of what is kept" in result.err


def test_what_was_found_is_said_although_no_sheet_can_be_written(run, copied: Path) -> None:
    result = run("duplicates", "photos", "--sheet", "nowhere/copies.png")

    assert (result.code, result.out.count("same-file")) == (1, 3)
    assert result.err.startswith("nowhere/copies.png: the sheet cannot be written (")
    assert "2 groups with 3 copies of what is kept" in result.err


def test_without_groups_no_sheet_is_made(run, photos: Path, tmp_path: Path) -> None:
    run("index", "photos")
    assert run("duplicates", "photos", "--sheet", "copies.png").code == 0
    assert not (tmp_path / "copies.png").exists()


def test_a_sheet_that_cannot_be_drawn_is_refused_before_the_work(run, copied: Path) -> None:
    for name in ("copies.txt", "copies.gif"):
        result = run("duplicates", "photos", "--sheet", name)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"{name}: no sheet can be drawn in this format; name a file that ends in .jpg")


def test_a_plan_is_applied_and_undone(run, copied: Path) -> None:
    result = run("duplicates", "photos", "--plan", "plan.jsonl")
    assert "a plan to remove 3 files" in result.err
    assert len(photos_of(copied)) == 9
    applied = run("apply", "plan.jsonl", "--to", "removed")
    assert (applied.code, "3 files removed" in applied.err) == (0, True)
    assert "run `transhash index`" in applied.err
    assert len(photos_of(copied)) == 6
    assert run("apply", "plan.jsonl", "--to", "removed").code == 2  # there is a log already
    undone = run("undo", "plan.jsonl.log")
    assert (undone.code, "3 files brought back" in undone.err) == (0, True)
    assert "run `transhash index`" in undone.err
    assert "transhash index" not in run("undo", "plan.jsonl.log").err  # nothing has changed
    assert len(photos_of(copied)) == 9


def test_the_exit_code_says_whether_anything_was_done(run, copied: Path) -> None:
    run("duplicates", "photos", "--plan", "plan.jsonl")
    removed = [line for line in map(json.loads, Path("plan.jsonl").read_text().splitlines()) if "keep" in line]
    paths = [Path(line["path"]) for line in removed if line["action"] == "remove"]
    before = [path.read_bytes() for path in paths]

    for path in paths:
        path.write_bytes(b"another one")
    nothing = run("apply", "plan.jsonl", "--to", "removed", "--log", "0.log")
    paths[0].write_bytes(before[0])
    part = run("apply", "plan.jsonl", "--to", "removed", "--log", "1.log")
    paths[0].write_bytes(b"another one")
    undone = run("undo", "1.log")
    paths[0].unlink()

    assert [(each.code, "0 files" in each.err) for each in (nothing, part, undone)] == [
        (2, True),
        (1, False),
        (2, True),
    ]
    assert run("undo", "1.log").code == 0


def test_after_undo_the_plan_can_be_applied_again(run, copied: Path) -> None:
    run("duplicates", "photos", "--plan", "my plan.jsonl")
    for log in ("my plan.jsonl.log", "my plan.jsonl (2).log"):
        applied = run("apply", "my plan.jsonl", "--to", "removed")
        assert (applied.code, f"transhash undo '{log}'\n" in applied.err) == (0, True)
        assert "there is a log already" in run("apply", "my plan.jsonl", "--to", "removed").err
        assert "3 files brought back, 0 were there already" in run("undo", log).err
        assert len(photos_of(copied)) == 9
        assert "0 files brought back, 3 were there already" in run("undo", log).err


def test_links_are_not_called_removed_and_one_is_one(run, copied: Path) -> None:
    run("duplicates", "photos/cat", "--plan", "one.jsonl")
    applied = run("apply", "one.jsonl", "--to", "hardlink").err
    assert applied.startswith("1 file replaced by a link, ")
    assert " bytes; to bring it back: transhash undo one.jsonl.log\n" in applied
    assert "`transhash index` on its folder: until then a library takes the link for a changed file\n" in applied
    assert (
        "`transhash index` on its folder: a library that was indexed meanwhile does not know it"
        in run("undo", "one.jsonl.log").err
    )


def test_what_is_no_plan_is_said_in_plain_words(run, photos: Path) -> None:
    assert run("apply", "photos/cat/cat-0.png", "--to", "trash").err.startswith(
        "photos/cat/cat-0.png: not a plan of duplicates; "
    )
    assert "no plan can be read here (no such file or directory)" in run("apply", "none", "--to", "trash").err


@pytest.mark.parametrize("empty", [False, True])
def test_what_cannot_be_brought_back_is_not_promised(run, copied: Path, empty: bool) -> None:
    run("duplicates", "photos", "--plan", "plan.jsonl")
    if empty:
        head = Path("plan.jsonl").read_text().splitlines()[0]
        Path("plan.jsonl").write_text(f"{head}\n")
    applied = run("apply", "plan.jsonl", "--to", "removed" if empty else "delete")

    assert applied.err.startswith("0 files removed\n" if empty else "3 files removed, ")
    assert ("deleted files cannot come back" in applied.err) == (not empty)
    assert "transhash undo" not in applied.err


def test_a_plan_names_what_only_the_removed_file_has(run, copied: Path) -> None:
    for picture in photos_of(copied):
        if picture.name.startswith(("zero", "two")):
            picture.with_suffix(".xmp").write_text("<x/>")
            picture.with_suffix(".CR2").write_bytes(b"II*\0")
    run("duplicates", "photos", "--keep", "path:dog-*,path:cat-*", "--plan", "plan.jsonl")
    actions = [json.loads(line) for line in Path("plan.jsonl").read_text().splitlines()[1:]]
    assert [action["only_here"] for action in actions if action["action"] == "remove"] == [
        ["zero.CR2", "zero.xmp"],
        ["zero.CR2", "zero.xmp"],
        ["two.CR2", "two.xmp"],
    ]


def test_two_pictures_that_are_no_duplicates_are_remembered_and_taken_along(run, photos: Path) -> None:
    (photos / "cat" / "zero.png").write_bytes((photos / "cat" / "cat-0.png").read_bytes() + b"\0")
    run("index", "photos")
    assert run("duplicates", "photos").out.count("zero.png") == 1
    assert run("duplicates", "photos", "--not-duplicates", "photos/cat/zero.png", "photos/cat/cat-0.png").code == 0
    assert run("duplicates", "photos", "--verdicts", "told.txt").out == ""
    assert len(Path("told.txt").read_text().splitlines()) == 1


def test_files_with_equal_bytes_cannot_be_told_apart(run, copied: Path) -> None:
    told = run("duplicates", "photos", "--not-duplicates", "photos/cat/zero.png", "photos/cat/cat-0.png")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert told.err.startswith("both files have the same bytes, and a verdict is on two contents; keep both: ")

    Path("told.txt").write_text(f"{'0' * 32} {'0' * 32}\n{'1' * 32} {'0' * 32}\n")  # as an earlier version wrote it
    run("duplicates", "photos", "--verdicts", "told.txt")
    assert Path("told.txt").read_text() == f"{'0' * 32} {'1' * 32}\n"
    assert "zero.png" not in run("duplicates", "photos", "--kinds", "same-pixels,copy").out


@pytest.mark.parametrize(
    "words", [("--kinds", "twins"), ("--keep", "nicest"), ("--within", "drive"), ("--reference", "nowhere")]
)
def test_wishes_that_make_no_sense_are_refused(run, copied: Path, words: tuple[str, str]) -> None:
    result = run("duplicates", "photos", *words)
    assert (result.code, result.out) == (2, "")
