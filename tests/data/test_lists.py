"""The field's list files: what they give, and what each mistake in them is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transhash.data.datasets import ImageSet, load_dataset
from transhash.data.protocols import PROTOCOLS, split
from transhash.errors import DataError

MULTI = {
    "database.txt": ["b.png 1 0 1", "a.png 0 1 0", "c.png 0 0 1"],
    "train.txt": ["a.png 0 1 0", "d.png 1 1 0"],
    "test.txt": ["q.png 0 0 1"],
}
SINGLE = {
    "database.txt": ["a.png 0 1", "b.png 1 0"],
    "train.txt": ["b.png 1 0"],
    "test.txt": ["q.png 0 1"],
}


def write(root: Path, lists: dict[str, list[str]], *, folder: str = "lists", end: str = "\n") -> Path:
    """The lists, and below the root a picture of its own colour for each name in them."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for file, lines in lists.items():
        (root / folder / file).write_bytes("".join(line + end for line in lines).encode())
    for shade, name in enumerate("abcdefq"):
        Image.new("RGB", (4, 4), (shade, 0, 0)).save(root / f"{name}.png")
    return root


def names(images: ImageSet) -> list[str]:
    return [Path(source).stem for source in images.images.sources]


def changed(file: str, *lines: str, base: dict[str, list[str]] = MULTI) -> dict[str, list[str]]:
    return {**base, file: list(lines)}


@pytest.mark.parametrize("folder", ["lists", "coco", "."])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_an_image_is_one_row_and_the_database_keeps_its_order(tmp_path: Path, folder: str, end: str) -> None:
    name = "coco" if folder == "coco" else "lists"
    wide = {file: [line + " 0" * 77 for line in lines] for file, lines in MULTI.items()}
    images = load_dataset(name, write(tmp_path, wide if name == "coco" else MULTI, folder=folder, end=end))
    assert names(images) == ["b", "a", "c", "d", "q"]
    assert images.labels[:, :3].tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]]
    assert images.labels.dtype == np.uint8
    parts = split(name, images, seed=3)
    assert [part.tolist() for part in (parts.database, parts.train, parts.query)] == [[0, 1, 2], [1, 3], [4]]
    assert (images.training, images.notes, images.name) == (4, (), name)
    assert images.images.decode(np.arange(5), 4)[:, 0, 0, 0].tolist() == [1, 0, 2, 3, 6]


def test_lists_from_windows_are_read_and_that_is_said(tmp_path: Path) -> None:
    there = {file: [f".\\pictures\\{line}" for line in lines] for file, lines in SINGLE.items()}
    write(tmp_path / "pictures", there, folder="../lists")
    images = load_dataset("lists", tmp_path)
    assert names(images) == ["a", "b", "q"]
    assert images.images.decode(np.arange(3), 4)[:, 0, 0, 0].tolist() == [0, 1, 6]
    [note] = images.notes
    assert "backslashes" in note


def test_a_backslash_in_a_name_is_kept_where_there_is_such_a_file(tmp_path: Path) -> None:
    root = write(tmp_path, {file: [rf"x\{line}" for line in lines] for file, lines in SINGLE.items()})
    for name in "abq":
        (root / f"{name}.png").rename(root / rf"x\{name}.png")
    images = load_dataset("lists", root)
    assert names(images) == [r"x\a", r"x\b", r"x\q"]
    assert images.notes == ()


def test_one_label_an_image_becomes_a_class(tmp_path: Path) -> None:
    images = load_dataset("lists", write(tmp_path, SINGLE))
    assert images.labels.dtype == np.int64
    assert dict(zip(names(images), images.labels.tolist(), strict=True)) == {"a": 1, "b": 0, "q": 1}
    imagenet = {
        file: [f"{line.split()[0]} {' '.join('01'[column == 7] for column in range(100))}" for line in lines]
        for file, lines in SINGLE.items()
    }
    images = load_dataset("imagenet100", write(tmp_path, imagenet))
    assert images.labels.tolist() == [7, 7, 7]
    assert (PROTOCOLS["imagenet100"].topk, PROTOCOLS["nuswide-81"].topk, PROTOCOLS["lists"].topk) == (1000, 5000, None)


def test_blanks_of_other_kinds_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    root = write(tmp_path, changed("test.txt", "q.png\t0  0\t1"))
    marked = root / "lists" / "train.txt"
    marked.write_bytes(b"\xef\xbb\xbf" + marked.read_bytes() + b"\n\n")
    images = load_dataset("lists", root)
    assert images.labels[4].tolist() == [0, 0, 1]
    assert names(images)[3] == "d"


@pytest.mark.parametrize("author", ["./data/coco/", "../data/coco/", "/home/someone/coco/", "coco/"])
def test_folders_of_a_lists_author_are_left_out_and_said(tmp_path: Path, author: str) -> None:
    lists = {file: [f"{author}{line}" for line in lines] for file, lines in MULTI.items()}
    images = load_dataset("lists", write(tmp_path, lists))
    assert names(images) == ["b", "a", "c", "d", "q"]
    left_out = author.removeprefix("./")
    assert images.notes == (f"{tmp_path}: the listed paths are read without {left_out}",)


def test_only_the_same_folders_are_left_out(tmp_path: Path) -> None:
    lists = changed("test.txt", "val/q.png 0 0 1", base={k: [f"train/{x}" for x in v] for k, v in MULTI.items()})
    with pytest.raises(DataError, match=r"val/q\.png: not there \(.*test\.txt, line 1\); give"):
        load_dataset("lists", write(tmp_path, lists))


def test_folders_that_are_there_are_kept(tmp_path: Path) -> None:
    lists = {file: [f"pictures/{line}" for line in lines] for file, lines in MULTI.items()}
    write(tmp_path / "pictures", lists, folder="../lists")
    Image.new("RGB", (4, 4), "white").save(tmp_path / "b.png")  # would be found without the folder
    images = load_dataset("lists", tmp_path)
    assert images.images.sources[0] == tmp_path / "pictures" / "b.png"
    assert images.notes == ()


def test_unlabelled_images_and_queries_in_the_database_are_kept_and_said(tmp_path: Path) -> None:
    lists = {**MULTI, "train.txt": ["a.png 0 1 0", "e.png 0 0 0"], "test.txt": ["q.png 0 0 0", "b.png 1 0 1"]}
    images = load_dataset("lists", write(tmp_path, lists))
    assert names(images) == ["b", "a", "c", "e", "q"]
    unlabelled, shared = images.notes
    assert unlabelled.endswith("kept and are similar to nothing: 1 in train.txt, 1 in test.txt")
    assert shared.endswith("1 of the 2 queries are also in the database or train")
    assert split("lists", images).query.tolist() == [0, 4]


@pytest.mark.parametrize("other", ["./data/coco/", "../root/"])
def test_an_image_that_is_listed_by_two_paths_is_named(tmp_path: Path, other: str) -> None:
    lists = changed("database.txt", *(f"{other}{line}" for line in ("b.png 1 0 1", "a.png 1 0 0", "c.png 0 1 0")))
    with pytest.raises(DataError, match=r"train\.txt, line 1: .*a\.png is also the image of .*database\.txt, line 2"):
        load_dataset("lists", write(tmp_path / "root", {**lists, "train.txt": ["a.png 0 1 0"]}))


def test_missing_images_are_named_and_counted(tmp_path: Path) -> None:
    root = write(tmp_path, MULTI)
    (root / "a.png").unlink()
    with pytest.raises(DataError, match=r"a\.png: not there \(.*database\.txt, line 2\); give"):
        load_dataset("lists", root)
    (root / "q.png").unlink()
    with pytest.raises(DataError, match=r"a\.png: not there .*, nor are 1 more of the 5 images; give"):
        load_dataset("lists", root)


def test_a_path_that_no_system_takes_is_missing(tmp_path: Path) -> None:
    lists = changed("database.txt", "a.png 0 1 0", f"{'long' * 2000}.png 1 0 0")
    with pytest.raises(DataError, match=r"not there \(.*database\.txt, line 2\)"):
        load_dataset("lists", write(tmp_path, lists))


MISTAKES = {
    "count": (
        changed("train.txt", "a.png 0 1 0", "d.png 1 1"),
        r"train\.txt, line 2: 2 label columns where line 1 has 3",
    ),
    "another count": (changed("train.txt", "a.png 0 1"), r"train\.txt: 2 label columns where database\.txt has 3"),
    "no 0 or 1": (changed("train.txt", "d.png 0 2 0"), r"train\.txt, line 1: '2' is no label"),
    "a word": (changed("train.txt", "my d.png 0 1 0"), r"train\.txt, line 1: 'd\.png' is no label"),
    "no blank": (changed("train.txt", "d.png 01 0"), r"train\.txt, line 1: '01' is no label"),
    "class number": (changed("database.txt", "a.png 1"), r"database\.txt, line 1: 1 label columns where at least 2"),
    "no label": (changed("database.txt", "a.png"), r"database\.txt, line 1: 0 label columns"),
    "twice": (
        changed("test.txt", "q.png 0 0 1", "e.png 1 0 0", "./q.png 0 0 1"),
        r"test\.txt, line 3: q\.png is listed a second time, after line 1",
    ),
    "other labels": (
        changed("train.txt", "c.png 0 1 1"),
        r"train\.txt, line 1: c\.png has other labels than in .*database\.txt, line 3",
    ),
    "empty": (changed("test.txt"), r"test\.txt: no lines"),
    "blank line": (changed("test.txt", "q.png 0 0 1", "", "e.png 0 0 1"), r"test\.txt, line 2: an empty line"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_with_file_and_line(tmp_path: Path, mistake: str) -> None:
    lists, message = MISTAKES[mistake]
    with pytest.raises(DataError, match=message):
        load_dataset("lists", write(tmp_path, lists))


def test_lists_of_another_set_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, MULTI)
    with pytest.raises(DataError, match=r"line 1: 3 label columns where 21 are expected"):
        load_dataset("nuswide-21", root)
    with pytest.raises(DataError, match=r"line 1: 3 label columns where 80 or 91 are expected"):
        load_dataset("coco", root)
    two = {file: [f"{line.split()[0]} 1 1{' 0' * 98}" for line in lines] for file, lines in MULTI.items()}
    with pytest.raises(DataError, match=r"database\.txt, line 1: 2 labels where imagenet100 has one"):
        load_dataset("imagenet100", write(tmp_path, two))


def test_lists_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no list files here; put"):
        load_dataset("coco", tmp_path)
    root = write(tmp_path, MULTI)
    (root / "lists" / "test.txt").unlink()
    with pytest.raises(DataError, match=r"lists: test\.txt missing, though database\.txt"):
        load_dataset("lists", root)
    with pytest.raises(DataError, match="comes without list files"):
        split("coco", ImageSet("folder", images=None, labels=np.arange(3), classes=("a", "b", "c"), training=3))  # type: ignore[arg-type]


def test_an_evaluation_passes_on_what_was_noted(tmp_path: Path) -> None:
    from transhash.comparison import measure
    from transhash.model import load

    lists = changed("train.txt", "a.png 0 1 0", "d.png 0 0 0")
    measured = measure(load(), "lists", write(tmp_path, lists))
    assert (measured.scores.queries, measured.scores.database) == (1, 3)
    assert "similar to nothing: 1 in train.txt" in measured.to_dict()["notes"][0]
