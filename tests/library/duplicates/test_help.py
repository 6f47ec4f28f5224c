"""Processes that help a search for duplicates."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from grouped import OneCode, groups_of
from transhash.images.helpers import Helpers
from transhash.library.duplicates import groups


@pytest.fixture
def copied(pictures: Path) -> Path:
    """Some pictures with copies of two of them."""
    for name in ("03", "07"):
        Image.open(pictures / f"{name}.png").save(pictures / f"{name}.jpg", quality=60)
    return pictures


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether processes, which help from the fifth pair on, answered what they were asked."""
    monkeypatch.setattr(groups, "MANY", 5)
    monkeypatch.setattr(groups, "CONFIRMED_AT_ONCE", 4)
    monkeypatch.setenv("TRANSHASH_THREADS", "2")
    found: list[bool] = []
    ask = Helpers.ask

    def noted(self: Helpers, *question: Any) -> Any:
        answer = ask(self, *question)
        found.append(answer is not None)
        return answer

    monkeypatch.setattr(Helpers, "ask", noted)
    return found


def test_processes_that_help_find_what_this_one_finds(copied: Path, answers: list[bool]) -> None:
    found = groups_of(copied, model=OneCode())
    assert any(answers)

    with pytest.MonkeyPatch.context() as alone:
        alone.setenv("TRANSHASH_THREADS", "1")
        assert groups_of(copied, model=OneCode()) == found
    assert len(found) == 2


def test_processes_that_end_are_done_without(
    copied: Path, answers: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("true"))  # a program that ends at once
    assert len(groups_of(copied, model=OneCode())) == 2
    assert answers
    assert not any(answers)
