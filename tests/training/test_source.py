"""Where training input comes from: the same pictures, wherever they lie."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_run import SHAPE
from transhash.data.augment import Augmentation, augment
from transhash.data.sets import Images, ImageSet
from transhash.errors import RecipeError
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.training.source import Decoded, OnDevice, Pictures
from transhash.training.tokens import TokenCache

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 36, 36, 3), np.uint8)
HOW = Augmentation((0.5, 1.0), 1.3, True, 0.2)
CPU = torch.device("cpu")


class Counted(Images):
    """Pictures that tell which of them were decoded."""

    def __init__(self) -> None:
        super().__init__(PIXELS)
        self.decoded: list[int] = []

    def decode(self, rows: np.ndarray, size: int, *, crop: float = 1.0) -> np.ndarray:
        self.decoded += rows.tolist()
        return super().decode(rows, size, crop=crop)


def image_set(images: Images) -> ImageSet:
    return ImageSet("toy", images, np.zeros(20, np.int64), ("a",), 20)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("make", [Pictures, OnDevice])
def test_every_source_gives_the_views_of_its_pictures(make, shared: bool, tmp_path: Path) -> None:
    chosen = np.array([3, 5, 8, 13, 19, 2, 1])
    images = Counted()
    source = make(Decoded(image_set(images), chosen, 36, tmp_path / "kept" if shared else None), 28, HOW, CPU)
    for step, rows in enumerate(([6, 0, 1], [2, 3], [0, 6], [4, 5])):
        source.ahead(0, np.array(rows))
        torch.manual_seed(step)
        x, after = source.batch(0, np.array(rows))
        torch.manual_seed(step)
        assert torch.equal(x, augment(PIXELS[chosen[rows]], 28, HOW))
        assert after is None
    assert sorted(images.decoded) == sorted(chosen.tolist())  # each once, and when it was asked for
    source.remove()
    assert not (tmp_path / "kept").exists()


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system has no call that makes room")
def test_room_on_a_disk_is_taken_before_a_map_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = image_set(Counted())
    Decoded(images, np.arange(20), 360, tmp_path / "kept")
    assert (tmp_path / "kept" / "pixels").stat().st_blocks * 512 >= 20 * 360 * 360 * 3
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RecipeError, match=r"other.pixels: cannot be written \(No space left on device\); make room"):
        Decoded(images, np.arange(20), 36, tmp_path / "other")
    network = MGVT(HashConfig(SHAPE, bits=16))
    with pytest.raises(RecipeError, match=r"view-000.writing: cannot be written \(No space left on device\)"):
        TokenCache(tmp_path / "tokens", 1).build(
            network, 1, Decoded(images, np.arange(20), 36), HOW, seed=0, precision=torch.float32
        )


def test_nothing_is_decoded_before_it_is_asked_for() -> None:
    images = Counted()
    decoded = Decoded(image_set(images), np.arange(20), 36)
    assert images.decoded == []
    decoded.take(np.array([4, 7]))
    assert images.decoded == [4, 7]


def test_processes_share_what_one_of_them_decoded(tmp_path: Path) -> None:
    one, other = Counted(), Counted()
    first = Decoded(image_set(one), np.arange(20), 36, tmp_path / "kept")
    second = Decoded(image_set(other), np.arange(20), 36, tmp_path / "kept")
    first.take(np.array([4, 7]))
    np.testing.assert_array_equal(second.take(np.array([7, 4, 9])), PIXELS[[7, 4, 9]])
    assert other.decoded == [9]


def test_another_batch_than_the_one_begun_with_is_still_the_right_one() -> None:
    source = Pictures(Decoded(image_set(Images(PIXELS)), np.arange(20), 36), 36, Augmentation(), CPU)
    source.ahead(0, np.array([1, 2]))
    x, _ = source.batch(0, np.array([3]))
    assert torch.equal(x, augment(PIXELS[[3]], 36, Augmentation()))
