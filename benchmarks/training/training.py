"""What freezing and the token cache save: training images a second of a ViT-S/14 at 70 px, in one run.

    python -m benchmarks.training.training [--blocks N] [--steps S]

Three ways are timed on random pictures and weights, interleaved, medians of three: everything trains; the first N
blocks are frozen and computed in every step; they are frozen and their tokens come from the cache. The rate at which
the cache is built is reported beside them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from transhash.data.augment import Augmentation, augment
from transhash.data.sets import Images, ImageSet
from transhash.losses import BayesianLoss, Task
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig
from transhash.training.device import autocast, precision_of
from transhash.training.source import Decoded
from transhash.training.tokens import TokenCache

BATCH = 128
ROUNDS = 3
HOW = Augmentation(scale=(0.35, 1.0), ratio=1.33, flip=True, jitter=0.4, erase=0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--steps", type=int, default=4)
    arguments = parser.parse_args()
    blocks, precision = arguments.blocks, precision_of("auto")
    config = ViTConfig(image_size=70, patch_size=14, dim=384, heads=6, mlp_dim=1536, layer_scale=True)
    network = MGVT(HashConfig(config))
    criterion = BayesianLoss(Task(network.config.branch_bits))
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (BATCH * 4, 70, 70, 3), dtype=np.uint8)
    labels = torch.arange(BATCH) % 10
    rows = np.arange(BATCH)

    def step(forward: Callable[[], torch.Tensor], frozen: int) -> None:
        network.trunk.requires_grad_(False)
        network.trunk.blocks[frozen:].requires_grad_(True)
        if not frozen:
            network.requires_grad_(True)
        with autocast(torch.device("cpu"), precision):
            h = forward()
        criterion(h, labels).backward()
        network.zero_grad()

    def computed() -> torch.Tensor:
        with torch.no_grad():
            z = network.lower(augment(pictures[rows], 70, HOW), blocks)
        out: torch.Tensor = network(z, after=blocks)
        return out

    def cached() -> torch.Tensor:
        out: torch.Tensor = network(cache.take(0, rows).float(), after=blocks)
        return out

    with tempfile.TemporaryDirectory() as folder:
        cache = TokenCache(Path(folder), 1)
        start = time.perf_counter()
        images = ImageSet("random", Images(pictures), np.zeros(len(pictures), np.int64), ("any",), len(pictures))
        cache.build(network, blocks, Decoded(images, np.arange(len(pictures)), 70), HOW, seed=0, precision=precision)
        build = len(pictures) / (time.perf_counter() - start)
        ways: dict[str, tuple[Callable[[], torch.Tensor], int]] = {
            "all blocks train": (lambda: network(augment(pictures[rows], 70, HOW)), 0),
            f"{blocks} blocks frozen, computed": (computed, blocks),
            f"{blocks} blocks frozen, from the cache": (
                lambda: network(cache.take(0, rows).float(), after=blocks),
                blocks,
            ),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (forward, frozen) in ways.items():
                start = time.perf_counter()
                for _ in range(arguments.steps):
                    step(forward, frozen)
                rates[name].append(arguments.steps * BATCH / (time.perf_counter() - start))
    result = {f"{name}, images/s": round(statistics.median(rate), 1) for name, rate in rates.items()}
    print(
        json.dumps({**result, "building the cache, images/s": round(build, 1), "precision": str(precision)}, indent=1)
    )


if __name__ == "__main__":
    main()
