"""Pictures in which groups are looked for, and a folder whose files may go to the trash."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouped import EXAMPLES, picture


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty different pictures of 96 pixels, some animals and some vehicles."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, path in enumerate(sorted(EXAMPLES.rglob("*.jpg"))[::5]):
        picture(path).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with a home of its own for the trash."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "photos"
    empty.mkdir()
    return empty
