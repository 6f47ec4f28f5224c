"""Groups of duplicates below a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fake_model import FakeModel
from transhash import Library
from transhash.images import Source
from transhash.library import Duplicates
from transhash.library.duplicates import pairing
from transhash.library.duplicates.reading import Looked, look
from transhash.library.files.thumbnails import Thumbnails
from transhash.model import Encoded

EXAMPLES = Path(__file__).parents[2] / "examples" / "pictures"


class OneCode(FakeModel):
    """A model for which all pictures are of one kind."""

    def one(self, item: object, source: Source, max_pixels: int | None) -> Encoded:
        encoded = super().one(item, source, max_pixels)
        code = None if encoded.code is None else np.zeros_like(encoded.code)
        return Encoded(item, code, encoded.values, encoded.error, encoded.width, encoded.height)


def picture(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB").resize((96, 96), Image.Resampling.BICUBIC)


def photograph(number: int = 0, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture with the detail of a photograph: four of the examples side by side."""
    page = Image.new("RGB", size)
    half = size[0] // 2, size[1] // 2
    every = sorted(EXAMPLES.rglob("*.jpg"))
    for place in range(4):
        part = Image.open(every[(number * 4 + place) * 3 % len(every)]).convert("RGB")
        page.paste(part.resize(half, Image.Resampling.BICUBIC), (place % 2 * half[0], place // 2 * half[1]))
    return page


def groups_of(folder: Path, max_distance: int = 64, model: FakeModel | None = None, **wishes: Any) -> list[Duplicates]:
    with Library.create(folder / ".transhash", model or FakeModel(), exist_ok=True) as library:
        library.index(folder)
        report = library.duplicates(max_distance, **wishes)
    assert report.skipped == []
    return report.groups


def names(groups: list[Duplicates]) -> list[list[str]]:
    return [[copy.path.name for copy in (group.keep, *group.same)] for group in groups]


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that are looked at from now on."""
    read: list[str] = []

    def noted(wanted: pairing.Picture, thumbnails: Thumbnails | None) -> Looked:
        read.append(wanted.path.name)
        return look(wanted, thumbnails)

    monkeypatch.setattr(pairing, "look", noted)
    return read
