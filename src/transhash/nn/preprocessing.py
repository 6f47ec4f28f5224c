"""From 8-bit pictures to the numbers that a network reads."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB in 0…1; what most backbones were trained with
STD = (0.229, 0.224, 0.225)


def normalise(images: np.ndarray | Tensor) -> Tensor:
    """uint8 (N, H, W, 3) to the network's input, float32 (N, 3, H, W)."""
    return normalised(torch.as_tensor(images).permute(0, 3, 1, 2).float())


def normalised(x: Tensor) -> Tensor:
    """Values 0…255 to the network's input: (N, 3, H, W), shape and type are kept."""
    mean, std = (torch.tensor(v, device=x.device, dtype=x.dtype).view(3, 1, 1) * 255 for v in (MEAN, STD))
    return (x - mean) / std
