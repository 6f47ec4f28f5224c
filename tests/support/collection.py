"""What tests do to a collection of pictures."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transhash import Library
from transhash.library import IndexReport


def draw(path: Path, seed: int, size: int = 24) -> Path:
    """A picture file of coarse random blocks: another seed is another picture and another code."""
    blocks = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blocks).resize((size, size), Image.Resampling.NEAREST).save(path, "PNG")
    return path


def lock(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder unreadable, for the superuser too."""
    scandir = os.scandir

    def refuse(path: str | bytes) -> object:
        if os.fsencode(path) == os.fsencode(folder):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def counts(report: IndexReport) -> dict[str, int]:
    """What the report counts, without zeros."""
    numbers = {**asdict(report), "skipped": len(report.skipped)}
    return {name: number for name, number in numbers.items() if number}


def found(library: Library, picture: Path) -> list[Path]:
    """What the library holds of exactly this picture's code."""
    return [hit.path for hit in library.search(picture, k=100, max_distance=0)]
