"""What CONTRIBUTING.md tells to write works as it stands."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import typer

import pages
import twins
from collection import draw
from fake_model import FakeModel
from pages import ROOT
from transhash import Library
from transhash.cli.verbs import first_line
from transhash.data.datasets import DATASETS, load_dataset
from transhash.data.protocols import split
from transhash.errors import DataError
from transhash.losses import Task


def module(holding: str) -> ModuleType:
    """The Python block of the page that has a certain text, as a module."""
    (text,) = [text for text in pages.blocks(ROOT / "CONTRIBUTING.md", "python") if holding in text]
    made = ModuleType("example")
    made.__dict__["Path"] = Path
    exec(compile(text, "CONTRIBUTING.md", "exec"), made.__dict__)
    return made


def test_the_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "flowers", module("def flowers").flowers)
    for number in range(20):
        draw(tmp_path / "data" / f"{'rose' if number % 2 else 'daisy'}_{number}.jpg", number)
    images = load_dataset("flowers", tmp_path / "data")

    assert (images.classes, images.labels.tolist()) == (("daisy", "rose"), [0] * 10 + [1] * 10)
    assert images.images.decode_one(0, 16).shape == (16, 16, 3)
    assert len(split("folder", images, seed=0).query) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="CLASS_NUMBER"):
        load_dataset("flowers", tmp_path / "empty")


def test_the_twin_of_a_method_equals_the_method_of_the_page() -> None:
    (page,) = pages.blocks(ROOT / "docs" / "methods.md", "python")
    method: dict[str, Any] = {}
    exec(compile(page, "docs/methods.md", "exec"), method)
    (text,) = [text for text in pages.blocks(ROOT / "CONTRIBUTING.md", "python") if "def my(" in text]
    twin = {**vars(twins)}
    exec(compile(text, "CONTRIBUTING.md", "exec"), twin)
    h, labels = torch.randn(6, 16, dtype=torch.float64), torch.tensor([0, 0, 1, 1, 2, 2])
    loss = method["MyLoss"](Task((16,), classes=3), sharpness=0.3)

    torch.testing.assert_close(loss(h, labels), twin["my"](loss, h, labels, sharpness=0.3))


def test_the_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("cat", "dog"):
        draw(tmp_path / "photos" / folder / "a.png", len(folder))
    with Library.create(tmp_path / "photos" / ".transhash", FakeModel()) as library:
        library.index(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    verb = module("def folders")
    monkeypatch.setitem(sys.modules, "example", verb)
    app = typer.Typer(rich_markup_mode=None)
    app.command("folders")(verb.folders)

    def run(*arguments: object) -> SimpleNamespace:
        if arguments[0] == "folders":
            monkeypatch.setattr(sys, "argv", [*map(str, arguments)])
            with pytest.raises(SystemExit):
                app()
        return SimpleNamespace(out=capsys.readouterr().out)

    module("def test_the_folders").test_the_folders_of_a_library(run, Path("photos"))
    assert len(first_line(verb.folders)) <= 65
    assert verb.EXAMPLES.strip() == "transhash folders"


def test_the_rooms_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = [word.strip("`,.;:") for word in text.split() if word.startswith(("`src/transhash", "`tests/"))]
    missing = [each for each in named if not (ROOT / each).exists()]

    assert missing == []
    assert len(named) > 15
