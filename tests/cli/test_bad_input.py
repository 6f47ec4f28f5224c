"""Whatever comes in: one clear sentence, exit code 1 or 2, no traceback, and what was good is kept."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from collection import draw
from image_files import png_chunk
from transhash.library.catalogue.database import CATALOGUE


def bomb(path: Path) -> None:
    """A PNG of 30,000 × 30,000 pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def animated(path: Path) -> None:
    frames = [Image.new("RGB", (24, 24), colour) for colour in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def truncated(path: Path) -> None:
    Image.effect_noise((200, 200), 80).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-3000])


BROKEN = {
    "one-byte.jpg": lambda path: path.write_bytes(b"\xff"),
    "empty.jpg": lambda path: path.write_bytes(b""),
    "text.jpg": lambda path: path.write_text("this is a text, not a picture\n" * 10),
    "bomb.png": bomb,
    "truncated.jpg": truncated,
    "link.jpg": lambda path: path.symlink_to(path.parent / "nowhere.jpg"),
}


@pytest.mark.parametrize(
    "arguments",
    [
        ["annotate", "closed/labels.csv"],
        ["export", "--to", "closed/all.parquet"],
        ["index", "photos", "--report", "closed/report.csv"],
        ["duplicates", "photos", "--verdicts", "closed/verdicts.jsonl"],
        ["index", "photos", "--library", "closed"],
    ],
    ids=["annotate", "export", "report", "verdicts", "library"],
)
def test_a_folder_that_may_not_be_entered_is_named(
    run, indexed: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    stat = os.stat

    def refused(path: object, *given: object, **options: object) -> os.stat_result:
        if not isinstance(path, int) and "/closed/" in f"/{path}/":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *given, **options)  # type: ignore[arg-type]

    (indexed.parent / "closed").mkdir()
    monkeypatch.setattr(os, "stat", refused)
    result = run(*arguments)
    assert result.code == 2
    assert "closed" in result.err
    assert "ermission denied; allow it, or choose another place" in result.err


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_and_the_rest_is_indexed(run, photos: Path, name: str) -> None:
    BROKEN[name](photos / "cat" / name)
    result = run("index", "photos")

    assert (result.code, result.out) == (1, "6 pictures in photos/.transhash: 6 added, 1 skipped\n")
    assert_one_sentence(result.err, f"photos/cat/{name}: skipped: ")
    assert run("search", "photos/cat/cat-0.png", "-k", 1).out == "   0  photos/cat/cat-0.png  (the same picture)\n"


def assert_one_sentence(err: str, start: str) -> None:
    """One line that starts so, with a reason and a remedy."""
    assert err.startswith(start)
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "; " in err
    assert "Traceback" not in err


def test_a_broken_query_is_named_and_the_others_are_answered(run, photos: Path) -> None:
    run("index", "photos")
    BROKEN["text.jpg"](photos / "text.jpg")
    result = run("search", "photos/cat/cat-0.png", "photos/text.jpg", "photos/nowhere.png", "-k", 1)

    assert (result.code, result.out) == (1, "photos/cat/cat-0.png:\n   0  photos/cat/cat-0.png  (the same picture)\n")
    first, second = result.err.splitlines(keepends=True)
    assert_one_sentence(first, "photos/text.jpg: ")
    assert_one_sentence(second, "photos/nowhere.png: ")


def test_only_broken_queries(run, photos: Path) -> None:
    run("index", "photos")
    result = run("search", "photos/nowhere.png", "--library", "photos")

    assert (result.code, result.out) == (2, "")
    assert_one_sentence(result.err, "photos/nowhere.png: ")


def test_an_animated_gif_is_its_first_frame(run, photos: Path) -> None:
    animated(photos / "animated.gif")
    result = run("index", "photos")

    assert result.out.startswith("7 pictures in photos/.transhash: 7 added")


def test_nothing_but_broken_files(run, photos: Path) -> None:
    shutil.rmtree(photos)
    photos.mkdir()
    for name, make in BROKEN.items():
        make(photos / name)
    result = run("index", "photos")

    assert (result.code, result.out) == (2, "0 pictures in photos/.transhash: 6 skipped\n")
    assert len(result.err.splitlines()) == 7
    assert result.err.endswith("none of the 6 files could be used\n")


def test_many_files_with_one_fault_are_grouped(run, photos: Path) -> None:
    for i in range(9):
        BROKEN["text.jpg"](photos / f"{i}.jpg")
    lines = run("index", "photos").err.splitlines()

    assert [line.split(":")[0] for line in lines[:5]] == [f"photos/{i}.jpg" for i in range(5)]
    assert lines[5].startswith("and 4 more for the same reason (")
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("nowhere", "nowhere: no such folder; check the path\n"),
        ("photos/cat/cat-0.png", "photos/cat/cat-0.png: a file, not a folder; name the folder that holds it\n"),
        ("empty", "empty: no pictures here ("),
    ],
)
def test_a_folder_that_is_none_or_has_nothing(run, photos: Path, tmp_path: Path, folder: str, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    result = run("index", folder)

    assert (result.code, result.out) == (2, "")
    assert_one_sentence(result.err, sentence)
    assert not list(tmp_path.rglob(".transhash"))


def test_a_library_whose_pictures_have_all_vanished_is_no_error(run, photos: Path) -> None:
    run("index", "photos")
    for folder in ("cat", "dog"):
        shutil.rmtree(photos / folder)

    assert run("index", "photos").out == "0 pictures in photos/.transhash: 6 vanished\n"


def test_a_model_that_does_not_exist(run, photos: Path) -> None:
    result = run("index", "photos", "--model", "nonsense")

    assert (result.code, result.out) == (2, "")
    assert_one_sentence(result.err, "nonsense: ")
    assert not (photos / ".transhash").exists()


@pytest.mark.parametrize("verb", [("index", "photos"), ("search", "photos/cat/cat-0.png")])
def test_a_library_of_another_model(run, photos: Path, verb: tuple[str, str]) -> None:
    run("index", "photos")
    draw(photos / "new.png", 40)
    result = run(*verb, "--model", "other")

    assert (result.code, result.out) == (2, "")
    assert_one_sentence(result.err, "photos/.transhash: its codes come from model fake (")
    assert run("index", "photos").out == "7 pictures in photos/.transhash: 1 added, 6 unchanged\n"


def test_a_damaged_library(run, photos: Path) -> None:
    run("index", "photos")
    (photos / ".transhash" / CATALOGUE).write_bytes(b"this is no database" * 1000)

    for verb in (("index", "photos"), ("search", "photos/cat/cat-0.png"), ("info", "--library", "photos")):
        result = run(*verb)
        assert (result.code, result.out) == (2, "")
        assert_one_sentence(result.err, "photos/.transhash/catalogue.sqlite: the catalogue is damaged; ")


@pytest.mark.parametrize(
    "arguments", [("index",), ("search",), ("search", "a.png", "-k", "0"), ("index", "--nonsense")]
)
def test_wrong_usage(run, photos: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)

    assert (result.code, result.out) == (2, "")
    assert "Traceback" not in result.err
    assert "Usage: transhash" in result.err


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("serch", "no verb is called 'serch'; did you mean search or "),
        ("xyzzy", "no verb is called 'xyzzy'; `transhash --help` lists the verbs\n"),
    ],
)
def test_a_verb_that_does_not_exist(run, name: str, sentence: str) -> None:
    result = run(name, "photos")

    assert (result.code, result.out) == (2, "")
    assert_one_sentence(result.err, sentence)


def test_an_option_that_does_not_exist_before_the_verb(run) -> None:
    result = run("--nothing", "info")

    assert result.code == 2
    assert result.err.startswith("Usage: transhash [--version] [--install-completion] VERB [OPTIONS]\n")


def test_an_empty_name_is_not_the_current_folder(run, photos: Path) -> None:
    run("index", "photos")
    before = sorted(photos.parent.iterdir())
    for arguments in (("export", "-l", "photos", "--to", ""), ("info", "--library", ""), ("index", ""), ("fit", "")):
        result = run(*arguments)
        assert (result.code, result.out) == (2, "")
        assert "an argument is empty" in result.err

    assert sorted(photos.parent.iterdir()) == before
