"""Where the tests find real data, and what they do without it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# a shell's background job ignores Ctrl-C, and so would the programs that tests start and interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

_BESIDE = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with `cifar10/` and `tiny-imagenet/` in Parquet; skips the test when there is none."""
    root = Path(os.environ.get("TRANSHASH_DATA", _BESIDE / "data"))
    if not (root / "cifar10" / "train.parquet").is_file():
        pytest.skip(f"no real data at {root}: set TRANSHASH_DATA to a folder with cifar10/train.parquet")
    return root


@pytest.fixture(scope="session")
def backbone_file() -> Path:
    """The pretrained ViT-S/14 to start from; skips the test when it is absent."""
    path = Path(os.environ.get("TRANSHASH_BACKBONE", _BESIDE / "weights" / "vits14-tinyimagenet.safetensors"))
    if not path.is_file():
        pytest.skip(f"no backbone at {path}: set TRANSHASH_BACKBONE to a ViT-S/14 safetensors file")
    return path


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with class folders of pictures and a backbone, small enough to train on within a test (`tiny_run`)."""
    import numpy as np
    import torch
    from PIL import Image
    from safetensors.torch import save_file

    from tiny_run import SHAPE
    from transhash.nn.vit import ViT

    place = tmp_path_factory.mktemp("training")
    random = np.random.default_rng(0)
    for number, name in enumerate(("blue", "red")):
        (place / "data" / name).mkdir(parents=True)
        for i in range(14):
            pixels = random.integers(0, 100, (32, 40, 3), dtype=np.uint8)
            pixels[..., 2 - 2 * number] += 120
            Image.fromarray(pixels).save(place / "data" / name / f"{i:02d}.png")
    torch.manual_seed(0)
    state = {name: torch.randn_like(value) * 0.05 for name, value in ViT(SHAPE).state_dict().items()}
    save_file(state, place / "vit.safetensors")
    return place
