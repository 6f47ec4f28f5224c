"""Pictures in which groups are looked for."""

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
