"""Command lines of the documents and of the help, given as they stand, with the model that comes with transhash."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import pages
import transhash
from kinds import KINDS, draw
from pages import ROOT
from transhash import Library
from transhash.cli import main

PICTURES = ROOT / "examples" / "pictures"
WAITS = (
    "--watch",
    "serve",
    "curl ",
    "jq ",
    "milvus://",
    "s3://",
    "--engine ray",
    "facebook/",
)  # for people, machines or the hub


def fill(folder: Path) -> None:
    """Write `photos/`, `labels.csv` and `cat.jpg`."""
    (folder / "photos" / "2024").mkdir(parents=True)
    for picture in sorted(PICTURES.glob("[cdt]*/*.jpg")):  # 80: `fit` wants more than 64
        shutil.copy2(picture, folder / "photos" / picture.name)
    for name in ("photos/cat.jpg", "photos/2024/cat.jpg", "cat.jpg"):
        shutil.copy2(PICTURES / "cat" / "cat-03.jpg", folder / name)
    (folder / "labels.csv").write_text("path,label,rating,day\ncat-01.jpg,tabby,5,2024-05-01\ncat-02.jpg,tabby,2,\n")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with these, and the library of the photographs."""
    folder = tmp_path_factory.mktemp("indexed")
    fill(folder)
    with Library.create(folder / "photos" / ".transhash", transhash.load("vits14-photographs")) as library:
        library.index(folder / "photos")
    return folder


@pytest.fixture
def give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Gives a command line in a new folder; returns what it printed."""
    fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRANSHASH_LIBRARY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def give(line: str) -> str:
        line, _, file = re.sub(r"\s+#.*", "", line).partition(" > ")
        monkeypatch.setattr(sys, "argv", pages.words(line))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        if end.value.code:
            raise AssertionError(f"{line}: exit code {end.value.code}: {err}")
        if file:
            Path(file.strip()).write_text(out)
        return out

    return give


def block(page: str, holding: str) -> list[str]:
    """The lines of the block of a page that has a certain line."""
    (found,) = [text for text in pages.blocks(ROOT / page) if holding in text]
    return [line for line in found.splitlines() if line.startswith("transhash") and not any(w in line for w in WAITS)]


def test_the_first_block_of_the_readme_runs_as_printed(give, tmp_path: Path) -> None:
    lines = block("README.md", "transhash index photos/  ")
    assert len(lines) == 5
    shutil.copy(tmp_path / "cat.jpg", tmp_path / "photos" / "copy.jpg")
    printed = [give(line) for line in lines]

    assert printed[0].startswith("83 pictures in photos/.transhash: 83 added")
    assert len(printed[1].splitlines()) == 5
    assert "(the same picture)" in printed[1]
    assert re.match(r"keep +photos/", printed[3])
    assert (tmp_path / "copies.jpg").is_file()
    assert printed[4].startswith("library   photos/.transhash\n")


def test_the_readme_prints_what_make_demo_prints(give, tmp_path: Path) -> None:
    """Distances may differ by a bit or two between machines, so the first and the order of kinds are compared."""
    shutil.copytree(PICTURES, tmp_path / "examples" / "pictures")
    makefile = (ROOT / "Makefile").read_text()
    lines = re.findall(r"^\t\$\(BIN\)/(transhash .*)$", makefile.partition("\ndemo:")[2].partition("\n\n")[0], re.M)
    out = [give(line) for line in lines][-1]
    (shown,) = [text for text in pages.blocks(ROOT / "README.md") if "truck-01.jpg  (the same picture)" in text]

    assert out.split("\n")[0].split() == shown.split("\n")[0].split()
    paths, expected = ([line.split("  ")[-1] for line in text.splitlines()[1:]] for text in (out, shown))
    assert len(set(paths) & set(expected)) >= 3


def of_kinds(folder: Path) -> None:
    """Put pictures of a few kinds into folders, a folder for each kind, and their labels into a file."""
    rows = ["path,label"]
    for number, path in enumerate(draw(folder, 120)):
        kind = folder / f"kind {number % KINDS}"
        kind.mkdir(exist_ok=True)
        rows.append(f"{path.rename(kind / path.name)},{kind.name}")
    Path("labels.csv").write_text("\n".join(rows))


@pytest.mark.parametrize(
    "verb",
    ["index", "search", "duplicates", "info", "annotate", "calibrate", "verify", "models", "fit", "export", "import_"],
)
def test_the_examples_of_a_verb_run(give, indexed: Path, verb: str) -> None:
    shutil.copytree(indexed, ".", dirs_exist_ok=True)
    if verb == "calibrate":
        of_kinds(Path("photos"))
    give("transhash index photos/ --model vits14-photographs")
    if verb == "search":
        give("transhash annotate labels.csv")
    if verb == "index":
        give("transhash fit photos/ --out mine")
    if verb == "import_":
        give("transhash export --to all.parquet")
        np.save("vectors.npy", np.random.default_rng(0).standard_normal((9, 16)))
        Path("ids.txt").write_text("".join(f"{number}\n" for number in range(9)))
        Path("more.csv").write_text("year\n" + "1999\n" * 9)
    (examples,) = [said.text for said in pages.help_texts() if said.where == f"examples of {verb}"]
    lines = [line.strip() for line in examples.splitlines() if not any(word in line for word in WAITS)]
    assert lines
    for line in lines:
        give(line)


def test_the_tutorial_on_photographs_runs(give, capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs" / "start" / "photographs.md"
    for text in pages.blocks(page):
        for line in text.splitlines():
            give(line)
    (table,) = pages.blocks(page, "csv")
    assert table.splitlines()[0] == Path("labels.csv").read_text().splitlines()[0].removesuffix(",day")
    (snippet,) = pages.blocks(page, "python")
    exec(snippet, {})
    assert capsys.readouterr().out.splitlines()[0].startswith("0 ")


def test_the_tutorial_on_training_runs(give, place: Path, tmp_path: Path) -> None:
    """With the smallest settings, from a small transformer: the question is whether the lines go together."""
    shutil.copytree(place / "data", tmp_path / "classes")
    shutil.copy(place / "vit.safetensors", tmp_path)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    small = "--set epochs=1 --set batch_size=8 --set precision=float32"
    start = "--backbone vit.safetensors"
    more = {
        "train": f"--set image_size=28 --set freeze=0 --set cached_views=0 {small}",
        "compare": f"--image-size 28 --bits 16 --jobs 1 --set cached_views=1 {small}",
    }
    for text in pages.blocks(ROOT / "docs" / "start" / "training.md"):
        for line in text.splitlines():
            verb = line.split()[1]
            begins = start if verb in more and "--backbone" not in line else ""
            give(f"{line} {more.get(verb, '')} {begins}")

    assert "| itq |" in (tmp_path / "compare" / "table.md").read_text()
    assert (tmp_path / "classes" / ".transhash").is_dir()


@pytest.mark.parametrize("page", ["docs/catalogue.md"])
def test_the_blocks_of_a_page_run(give, page: str) -> None:
    give("transhash index photos/")
    give("transhash annotate labels.csv")
    ran = 0
    for text in pages.blocks(ROOT / page):
        for line in text.splitlines():
            if line.startswith("transhash"):
                give(line)
                ran += 1
    assert ran


def test_the_training_of_the_readme_runs(give, place: Path, tmp_path: Path) -> None:
    """With the smallest settings: the question is whether the lines go together."""
    shutil.copytree(place / "data", tmp_path / "classes")
    shutil.copy(place / "vit.safetensors", tmp_path)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    small = " ".join(f"--set {each}" for each in ("epochs=1", "batch_size=8", "image_size=28", "bits=16"))
    lines = block("README.md", "transhash train recipes/folder.yaml")
    assert len(lines) == 3
    printed = [give(f"{line} {small}" if " train " in line else line) for line in lines]

    assert "model in runs/mine/model" in printed[0]
    assert '"map"' in printed[1]
    assert printed[2].startswith("82 pictures in runs/mine/library")
