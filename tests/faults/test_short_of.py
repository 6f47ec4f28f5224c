"""A machine that is short of memory or disk: one sentence, which names the size or the file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import transhash.model
from collection import draw
from transhash.cli import main
from transhash.errors import LibraryError, RecipeError
from transhash.library.duplicates.applying import HEADER, Log
from transhash.library.duplicates.undoing import Undone, undo_log


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (lambda *_: np.empty(1 << 57, np.uint8), "not enough memory (Unable to allocate 128. PiB"),
        (lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device", "a/b")), "a/b: No space left on dev"),
    ],
)
def test_what_a_machine_has_run_out_of_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: Callable[..., object],
    sentence: str,
) -> None:
    draw(tmp_path / "1.png", 1)
    monkeypatch.setattr(transhash.model, "load", asked)
    monkeypatch.setattr(sys, "argv", ["transhash", "index", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(sentence)
    assert len(said.splitlines()) == 1


def test_a_checkpoint_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from transhash.training import checkpoint

    (tmp_path / "file").write_text("in the way")
    network = torch.nn.Linear(2, 2)
    with pytest.raises(RecipeError, match=r"checkpoint of step 7 cannot be written .*make room"):
        checkpoint.save(tmp_path / "file" / "run", 7, {"network": network}, torch.optim.SGD(network.parameters()), {})


@pytest.mark.parametrize("content", [b"", HEADER[:9], HEADER])
def test_a_log_that_tells_nothing_is_undone_at_once(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log").write_bytes(content)
    assert undo_log(tmp_path / "log") == Undone()


def test_a_log_that_cannot_be_begun_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LibraryError, match="log cannot be written"):
        Log(tmp_path / "log")
    assert not (tmp_path / "log").exists()
