"""The measurement of words that find pictures, on two towers of vectors that lie apart, and on a tiny checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.words import measured, recalls
from collection import draw
from transhash.errors import ModelError
from transhash.model import Embedder


def test_centring_brings_words_to_where_pictures_are() -> None:
    random = np.random.default_rng(0)
    topics = random.standard_normal((40, 32))
    pictures = topics[random.integers(0, 40, 600)] + 0.5 * random.standard_normal((600, 32)) + 4
    words = topics + 0.2 * random.standard_normal((40, 32)) - 4  # the other side of zero, as towers may lie
    found = recalls(Embedder.named("towers", 32), pictures, words, 16)
    assert found["centred, distance"] > found["as they are, distance"] + 0.1
    assert found["centred, ordered"] >= found["centred, distance"]
    assert found["centred, ordered"] > 0.9


def test_a_checkpoint_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from checkpoints import save

    for number in range(20):
        draw(tmp_path / "photos" / f"{number}.png", number)
    save("clip", tmp_path / "clip")
    found = measured(str(tmp_path / "clip"), tmp_path / "photos", ["red car", "blue snow", "green"], [8])
    assert found["8"]["as they are, ordered"] == 1  # of 20 pictures all are candidates
    assert 0 <= found["8"]["centred, distance"] <= 1
    save("vit", tmp_path / "vit")
    with pytest.raises(ModelError, match="no text tower"):
        measured(str(tmp_path / "vit"), tmp_path / "photos", ["red"], [8])
