"""Decoding in helping processes gives what decoding here gives, errors too, whatever happens to a helper."""

from __future__ import annotations

import os
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


def test_helpers_give_what_the_calling_thread_gives(sources: list[object]) -> None:
    with Helpers(28, 1.0, None, processes=1) as helpers:
        assert helpers.processes == 1
        for _ in range(2):
            alike(helpers.decode(sources), Decoder(28, 1.0, None).decode(sources))


def test_relative_paths_are_those_of_the_program(
    sources: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Helpers(28, 1.0, None, processes=1) as helpers:
        monkeypatch.chdir(tmp_path)  # after the helpers were started
        alike(helpers.decode(["a.png", "no.png"]), Decoder(28, 1.0, None).decode(["a.png", "no.png"]))


def test_a_helper_that_ends_is_done_without(sources: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", os.devnull)  # no Python can start
    with Helpers(28, 1.0, None, processes=2) as helpers:
        for _ in range(3):
            alike(helpers.decode(sources), Decoder(28, 1.0, None).decode(sources))


def test_limits_reach_the_helpers(sources: list[object]) -> None:
    with Helpers(28, 1.0, 100, processes=1) as helpers:
        [error] = helpers.decode(sources[:1])
        assert isinstance(error, ImageError)
        assert str(error) == str(Decoder(28, 1.0, 100).decode(sources[:1])[0])
