"""Decoding in helping processes gives what decoding here gives, errors too, whatever happens to a helper."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transhash.errors import ImageError
from transhash.images.helpers import Decoder, Helpers


@pytest.fixture
def sources(tmp_path: Path) -> list[object]:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    data = (tmp_path / "a.png").read_bytes()
    gone = ImageError("b.png", "gone", "look")
    return [tmp_path / "a.png", str(tmp_path / "broken.png"), data, pixels, Image.fromarray(pixels), gone]


def alike(found: list[object], wanted: list[object]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert type(one) is type(other)
        if isinstance(other, ImageError):
            assert str(one) == str(other)
        else:
            np.testing.assert_array_equal(one.pixels, other.pixels)
            assert (one.width, one.height, one.taken) == (other.width, other.height, other.taken)


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    found = Helpers(1)
    yield found
    found.close()


def test_helpers_give_what_the_calling_thread_gives(sources: list[object], helpers: Helpers) -> None:
    assert len(helpers) == 1
    for size in (28, 30):
        alike(Decoder(size, 1.0, None, helpers).decode(sources), Decoder(size, 1.0, None).decode(sources))
    files = [one for one in sources if isinstance(one, str | Path | bytes)]
    alike(helpers.ask(Decoder(28, 1.0, None).decode, files), Decoder(28, 1.0, None).decode(files))  # not decoded here


@pytest.mark.skipif(not hasattr(os, "getsid"), reason="there are sessions on POSIX alone")
def test_helpers_share_the_priority_of_the_program_and_not_its_ctrl_c(helpers: Helpers) -> None:
    [helper] = helpers.processes
    assert os.getsid(helper) == os.getsid(0)
    assert os.getpgid(helper) == helper != os.getpgid(0)


def test_relative_paths_are_those_of_the_program(
    sources: list[object], helpers: Helpers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # after the helpers were started
    names = ["a.png", "no.png"]
    alike(helpers.ask(Decoder(28, 1.0, None).decode, names), Decoder(28, 1.0, None).decode(names))


def test_a_helper_that_ends_is_done_without(sources: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("true"))  # a program that ends at once
    helpers = Helpers(2)
    for _ in range(3):
        alike(Decoder(28, 1.0, None, helpers).decode(sources), Decoder(28, 1.0, None).decode(sources))
    assert helpers.ask(Decoder(28, 1.0, None).decode, sources[:1]) is None
    helpers.close()


def test_limits_reach_the_helpers(sources: list[object], helpers: Helpers) -> None:
    [error] = helpers.ask(Decoder(28, 1.0, 100).decode, sources[:1])
    assert isinstance(error, ImageError)
    assert str(error) == str(Decoder(28, 1.0, 100).decode(sources[:1])[0])


def test_a_module_in_the_current_folder_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit")
    (tmp_path / "pickle.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    helpers = Helpers(1)
    assert helpers.ask(os.path.basename, "folder/name") == "name"
    helpers.close()


def test_a_task_that_fails_is_left_to_the_program_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    helpers = Helpers(1)
    assert helpers.ask(int, "three") is None
    assert helpers.ask(int, "3") == 3
    helpers.close()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("name", "value"), [("frozen", True), ("executable", None), ("executable", "")])
def test_a_program_without_a_python_starts_no_helpers(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, name, value, raising=False)
    assert len(Helpers(2)) == 0
