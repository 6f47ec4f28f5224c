"""Corel-5k: 4,999 photographs of 192 × 128 pixels, each with one to five words out of 374.

Duygulu et al., "Object Recognition as Machine Translation", ECCV 2002. In a folder: `labels/words`, one a line;
`labels/training_label` and `labels/test_label`, a line for each photograph with its number and the places of its words,
from 1; and the photographs, `db/train/NUMBER.jpeg` and `db/test/NUMBER.jpeg`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transhash.data.sets import Images, ImageSet
from transhash.errors import DataError

PARTS = ("train", "training_label"), ("test", "test_label")  # folder below db, file below labels


def corel5k(root: Path) -> ImageSet:
    """The 4,500 training photographs, then the 499 of the test part, each part in the order of its file of labels.

    Raises `DataError` for labels that are not in this form, with file and line, and for a photograph that is missing.
    """
    if not (root / "labels" / "words").is_file():
        raise DataError(
            root,
            "no Corel-5k here (labels/words is missing)",
            "give a folder with labels/words, labels/training_label, labels/test_label, db/train and db/test",
        )
    words = tuple((root / "labels" / "words").read_text("utf-8").split())
    parts = [_part(root / "db" / folder, root / "labels" / file, len(words)) for folder, file in PARTS]
    files = [file for part, _ in parts for file in part]
    labels = np.concatenate([labels for _, labels in parts])
    return ImageSet("corel5k", Images(files), labels, words, len(parts[0][0]))


def _part(folder: Path, file: Path, words: int) -> tuple[list[Path], NDArray[np.uint8]]:
    """The photographs of a file of labels, and which words they have: uint8 (n, words)."""
    if not file.is_file():
        raise DataError(file, "no such file", "take all files of Corel-5k")
    lines = [(number, line.split()) for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)]
    lines = [(number, fields) for number, fields in lines if fields]
    files, labels = [], np.zeros((len(lines), words), np.uint8)
    for row, (number, fields) in enumerate(lines):
        if len(fields) < 2 or not all(field.isdecimal() and 1 <= int(field) <= words for field in fields[1:]):
            raise DataError(
                f"{file}, line {number}",
                "not a photograph and its words",
                f"give its number and places from 1 to {words}",
            )
        photograph = folder / f"{fields[0]}.jpeg"
        if not photograph.is_file():
            raise DataError(photograph, f"no such file, which {file.name} names", "take all files of Corel-5k")
        files.append(photograph)
        labels[row, [int(field) - 1 for field in fields[1:]]] = 1
    return files, labels
