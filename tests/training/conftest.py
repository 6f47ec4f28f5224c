"""Pictures and a backbone small enough to train on within a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_run import SHAPE

from transhash.nn.vit import ViT


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
