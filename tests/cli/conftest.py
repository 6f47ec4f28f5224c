"""The program run in this process or in one of its own, with a model that needs no network."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import transhash.model
from collection import draw
from fake_transhash import FAKES
from transhash.cli import main


@dataclass
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the program here."""
    for name, fake in FAKES.items():
        monkeypatch.setattr(transhash.model, name, fake)

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["transhash", *map(os.fspath, map(str, arguments))])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        return Result(int(exit_.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six pictures below `photos`, which is in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRANSHASH_LIBRARY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path.with_name(f"{tmp_path.name}-state")))
    for i in range(3):
        draw(tmp_path / "photos" / "cat" / f"cat-{i}.png", i)
        draw(tmp_path / "photos" / "dog" / f"dog-{i}.png", 10 + i)
    return tmp_path / "photos"


@pytest.fixture
def indexed(run: Run, photos: Path) -> Path:
    """These pictures, with their library."""
    assert run("index", "photos").code == 0
    return photos
