"""Augmentation in two matrix products compared with the former way, alone and as a part of a training step.

    python -m benchmarks.training.augmentation [--side 32] [--size 70] [--device auto] [--batch 16] [--rounds 5]

The former way samples a grid (bicubic, `grid_sample`) and changes colours one after the other. Both take the same
random pictures and settings, in turns in one process; medians. The rest of a step, forward and backward of a ViT-S/14
of which all blocks train, is measured between them; a step is as much longer as its augmentation takes longer.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.common import program
from transhash.data.augment import Augmentation, augment
from transhash.losses import BayesianLoss, Task
from transhash.nn.draws import uniform
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.preprocessing import normalised
from transhash.nn.vit import ViTConfig
from transhash.speed.flops import synchronize
from transhash.training.device import autocast, described, device_of, precision_of

TURNS = 20  # of augmentation in a round, which is short
HOW = Augmentation(scale=(0.35, 1.0), ratio=1.33, flip=True, jitter=0.4, erase=0.25)  # as recipes/cifar10.yaml


def former(images: Tensor, size: int, how: Augmentation) -> Tensor:
    """Views as they were made before, by `grid_sample`: uint8 (N, H, W, 3) to float32 (N, 3, size, size)."""
    x = images.permute(0, 3, 1, 2).float()
    n, device = len(x), x.device
    area = uniform(n, low=how.scale[0], high=how.scale[1])
    log_ratio = uniform(n, low=-1) * math.log(how.ratio)
    width = (area.sqrt() * (log_ratio / 2).exp()).clamp(max=1)
    height = (area.sqrt() * (-log_ratio / 2).exp()).clamp(max=1)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = width * torch.where(uniform(n) < 0.5, -1.0, 1.0)
    theta[:, 1, 1] = height
    theta[:, 0, 2] = uniform(n, low=-1) * (1 - width)
    theta[:, 1, 2] = uniform(n, low=-1) * (1 - height)
    if min(x.shape[-2:]) >= 2 * size:  # it does not reduce without flicker
        x = F.interpolate(x, size=(round(size * 1.5),) * 2, mode="bilinear", antialias=True)
    grid = F.affine_grid(theta.to(device), [n, 3, size, size], align_corners=False)
    x = F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp_(0, 255)
    brightness, contrast, saturation = (
        (uniform(n, 1, 1, 1, low=-1) * how.jitter + 1).to(device) for _ in ("brightness", "contrast", "saturation")
    )
    x = x * brightness
    grey = (x * torch.tensor((0.299, 0.587, 0.114), device=device).view(3, 1, 1)).sum(dim=1, keepdim=True)
    centre = grey.mean(dim=(2, 3), keepdim=True)
    x = (x - centre) * contrast + centre
    grey = (grey - centre) * contrast + centre
    x = normalised((grey + (x - grey) * saturation).clamp_(0, 255))
    area, log_ratio = uniform(n, low=0.02, high=0.25), uniform(n, low=-1)
    half_h = (area.sqrt() * (log_ratio / 2).exp() * size / 2).view(-1, 1, 1)
    half_w = (area.sqrt() * (-log_ratio / 2).exp() * size / 2).view(-1, 1, 1)
    row = (torch.arange(size).view(1, -1, 1) - uniform(n, 1, 1) * size).abs()
    column = (torch.arange(size).view(1, 1, -1) - uniform(n, 1, 1) * size).abs()
    blank = (uniform(n) < how.erase).view(-1, 1, 1) & (row < half_h) & (column < half_w)
    return x.masked_fill(blank.to(device).unsqueeze(1), 0.0)


def main(arguments: list[str] | None = None) -> dict[str, object]:
    """Print the rates and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=32, help="of the pictures, pixels")
    parser.add_argument("--size", type=int, default=70, help="of the network's input, pixels")
    parser.add_argument("--depth", type=int, default=12, help="blocks of the network")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args(arguments)
    device = device_of(given.device)
    precision = precision_of("auto", device)
    size = given.size // 14 * 14
    shape = ViTConfig(size, patch_size=14, dim=384, heads=6, mlp_dim=1536, depth=given.depth, layer_scale=True)
    network = MGVT(HashConfig(shape)).to(device)
    criterion = BayesianLoss(Task(network.config.branch_bits)).to(device)
    pixels = np.random.default_rng(0).integers(0, 256, (given.batch, given.side, given.side, 3), np.uint8)
    pictures, labels = torch.from_numpy(pixels).to(device), torch.arange(given.batch, device=device) % 10
    ready = augment(pictures, size, HOW)

    def rest() -> None:
        with autocast(device, precision):
            h = network(ready)
        criterion(h, labels).backward()
        network.zero_grad()

    works: dict[str, Callable[[], object]] = {
        "two products": lambda: augment(pictures, size, HOW),
        "former way": lambda: former(pictures, size, HOW),
        "rest of a step": rest,
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(given.rounds + 1):
        for name in (*("two products", "former way") * TURNS, "rest of a step"):
            start = time.perf_counter()
            works[name]()
            synchronize(device)
            seconds[name].append(time.perf_counter() - start)
    median = {  # of the first round nothing counts: it warms up
        name: statistics.median(found[len(found) // (given.rounds + 1) :]) for name, found in seconds.items()
    }
    ours, before, others = median.values()
    found: dict[str, object] = {
        "device": described(device),
        "precision": str(precision),
        **{f"{name}, images/s": round(given.batch / value, 1) for name, value in median.items()},
        "augmentation, times as fast": round(before / ours, 2),
        "training step, times as fast": round((before + others) / (ours + others), 3),
    }
    print(json.dumps(found, indent=1))
    return found


if __name__ == "__main__":
    program(main)
