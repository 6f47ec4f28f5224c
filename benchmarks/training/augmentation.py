"""Augmentation in two matrix products beside torch's own sampling of a grid, alone and within a training step.

    python -m benchmarks.training.augmentation [--side 32] [--size 70] [--device auto]

Both take the same random pictures and settings, in turns in one process; medians of five rounds, pictures a second. The
step is a ViT-S/14 of which all blocks train, with a batch of 32.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.common import program
from transhash.data import augment as augmentation
from transhash.data.augment import Augmentation, augment
from transhash.data.resample import crop_resize
from transhash.losses import BayesianLoss, Task
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig
from transhash.training.device import autocast, described, device_of, precision_of

BATCH = 32
ROUNDS = 5
HOW = Augmentation(scale=(0.35, 1.0), ratio=1.33, flip=True, jitter=0.4, erase=0.25)  # as recipes/cifar10.yaml


def sampled(images: Tensor, size: int, crops: Tensor) -> Tensor:
    """What `resample.crop_resize` computes where nothing is reduced, by `grid_sample`."""
    n, height, width, _ = images.shape
    top, left, down, across = crops
    theta = torch.zeros(n, 2, 3, device=images.device)
    theta[:, 0, 0], theta[:, 1, 1] = across / width, down / height
    theta[:, 0, 2] = 2 * (left + across.abs() / 2) / width - 1
    theta[:, 1, 2] = 2 * (top + down / 2) / height - 1
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    x = images.permute(0, 3, 1, 2).float()
    return F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False)


def main() -> None:
    """Print the rates and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=32, help="of the pictures, pixels")
    parser.add_argument("--size", type=int, default=70, help="of the network's input, pixels")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = device_of(arguments.device)
    precision = precision_of("auto", device)
    shape = ViTConfig(arguments.size // 14 * 14, patch_size=14, dim=384, heads=6, mlp_dim=1536, layer_scale=True)
    network = MGVT(HashConfig(shape)).to(device)
    criterion = BayesianLoss(Task(network.config.branch_bits)).to(device)
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, arguments.side, arguments.side, 3), np.uint8)
    pictures, labels = torch.from_numpy(pixels).to(device), torch.arange(BATCH, device=device) % 10

    def alone() -> None:
        augment(pictures, shape.image_size, HOW)

    def step() -> None:
        x = augment(pictures, shape.image_size, HOW)
        with autocast(device, precision):
            h = network(x)
        criterion(h, labels).backward()
        network.zero_grad()

    def rate(work: Callable[[], None]) -> float:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return BATCH / (time.perf_counter() - start)

    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS + 1):
        for name, work in {"augmentation": alone, "training step": step}.items():
            for way in ("two products", "grid_sample"):
                sampling = sampled if way == "grid_sample" else crop_resize
                with mock.patch.object(augmentation, "crop_resize", sampling):
                    found.setdefault(f"{name}, {way}", []).append(rate(work))
    medians = {name: round(statistics.median(rates[1:]), 1) for name, rates in found.items()}  # the first one warms up
    ratios = {
        f"{name}, times as fast": round(medians[f"{name}, two products"] / medians[f"{name}, grid_sample"], 2)
        for name in ("augmentation", "training step")
    }
    print(json.dumps({"device": described(device), "precision": str(precision), **medians, **ratios}, indent=1))


if __name__ == "__main__":
    program(main)
