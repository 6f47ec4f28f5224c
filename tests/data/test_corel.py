"""Corel-5k as people have it: photographs, words, and files that say which photograph has which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from collection import draw
from transhash.data.datasets import load_dataset
from transhash.data.protocols import split
from transhash.errors import DataError


@pytest.fixture
def corel(tmp_path: Path) -> Path:
    """Three photographs to train on and two to query with."""
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "words").write_text("city\r\nsky\r\nsun\r\n", newline="")
    (tmp_path / "labels" / "training_label").write_text("30 1 2  \r\n7 2\r\n100 3 1\r\n", newline="")
    (tmp_path / "labels" / "test_label").write_text("8 3 \n9 2 1\n\n")
    for part, names in (("train", (30, 7, 100)), ("test", (8, 9))):
        for name in names:
            draw(tmp_path / "db" / part / f"{name}.jpeg", name)
    return tmp_path


def test_photographs_and_words_are_in_the_order_of_the_labels(corel: Path) -> None:
    images = load_dataset("corel5k", corel)
    assert images.classes == ("city", "sky", "sun")
    assert images.labels.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1], [1, 1, 0]]
    names = [Path(str(source)).stem for source in images.images.sources]
    assert names == ["30", "7", "100", "8", "9"]
    assert images.images.decode(np.arange(5), 8).shape == (5, 8, 8, 3)


def test_the_test_part_queries_what_was_trained_on(corel: Path) -> None:
    parts = split("corel5k", load_dataset("corel5k", corel), seed=3)
    assert [part.tolist() for part in (parts.query, parts.train, parts.database)] == [[3, 4], [0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize("line", ["30 4", "30 0", "30", "30 sky"])
def test_labels_of_another_form_are_named_with_their_line(corel: Path, line: str) -> None:
    (corel / "labels" / "training_label").write_text(f"7 2\n{line}\n")
    with pytest.raises(DataError, match=r"training_label, line 2: .* from 1 to 3"):
        load_dataset("corel5k", corel)


@pytest.mark.parametrize("missing", ["labels/words", "labels/test_label", "db/test/9.jpeg"])
def test_what_is_not_there_is_named(corel: Path, missing: str) -> None:
    (corel / missing).unlink()
    with pytest.raises(DataError, match=missing.rpartition("/")[2].replace(".", r"\.")):
        load_dataset("corel5k", corel)
