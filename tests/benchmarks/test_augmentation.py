"""The former way of augmentation is the one of today where nothing is reduced, so that their times compare."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.training import augmentation
from transhash.data.augment import Augmentation, augment


def test_without_anything_random_but_the_mirror_both_give_the_pictures() -> None:
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 28, 28, 3), np.uint8))
    still = augment(pictures, 28, Augmentation())
    former = augmentation.former(pictures, 28, Augmentation())
    for one, other in zip(former, still, strict=True):
        assert min((one - other).abs().max(), (one.flip(2) - other).abs().max()) < 1e-3


def test_rates_and_ratios_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    found = augmentation.main(["--size", "28", "--depth", "2", "--batch", "4", "--rounds", "1", "--device", "cpu"])
    ours, before = (float(str(found[f"{name}, images/s"])) for name in ("two products", "former way"))
    assert found["augmentation, times as fast"] == pytest.approx(ours / before, rel=0.05)
    assert '"training step, times as fast"' in capsys.readouterr().out
