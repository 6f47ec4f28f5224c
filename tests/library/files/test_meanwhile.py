"""Two processes write to one library: what one has found out is compared with what the other has written since."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collection import draw
from fake_model import FakeModel
from transhash import Library


@pytest.mark.parametrize("change", ["renamed", "touched"])
def test_a_picture_that_another_process_replaces_meanwhile_has_its_own_code(
    library: Library, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """An older export is imported between the look at a file and the writing of what it has shown."""
    picture = photos / "cat" / "cat-0.png"
    library.index(photos)
    library.export(tmp_path / "old.parquet")
    draw(picture, 80)
    library.index(photos)
    os.utime(picture, (1.6e9, 1.6e9))
    if change == "renamed":
        picture = picture.rename(photos / "dog" / "renamed.png")
    usual, done = FakeModel.one, list[Library]()

    def late(model: FakeModel, item: object, source: object, max_pixels: int | None) -> object:
        if not done:
            done.append(Library.import_(tmp_path / "old.parquet", library.path, FakeModel())[0])
            done[0].close()
        return usual(model, item, source, max_pixels)

    draw(photos / "new.png", 90)
    monkeypatch.setattr(FakeModel, "one", late)
    library.index(photos)
    assert done

    library.index(photos)
    assert library.verify(deep=True).problems == []
    assert library.search(picture, k=1)[0].path == picture
