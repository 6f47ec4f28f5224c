"""Files that plans remove."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def photos(album: Path) -> Path:
    """Four pairs of equal files, and a home of their own for the trash."""
    for number in range(4):
        for name in ("kept", "copy"):
            (album / f"{name}{number}.jpg").write_bytes(b"picture %d " % number * 400)
    return album
