"""What must be on which device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from transhash.nn.export import export_model
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig


class Elsewhere(MGVT):
    """A network that computes on the CPU only after it was moved there, as one that was trained on a GPU."""

    moved = False

    def cpu(self) -> Elsewhere:
        self.moved = True
        return super().cpu()

    def lower(self, x: Tensor, blocks: int) -> Tensor:
        if not self.moved:
            raise RuntimeError("Expected all tensors to be on the same device")
        return super().lower(x, blocks)


def test_a_network_from_a_gpu_is_exported_from_the_cpu(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = ViTConfig(image_size=28, patch_size=14, dim=64, depth=3, heads=1, mlp_dim=64)
    pictures = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 3), np.uint8)
    network = Elsewhere(HashConfig(shape, bits=16))
    assert export_model(network, tmp_path / "model", "tiny", {}, pictures=pictures).bits == 16
    assert not network.moved  # it may be needed where it is
