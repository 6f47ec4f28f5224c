"""DSH on the terms of its published figures: its own small network, from random weights, on all of CIFAR-10.

    python -m benchmarks.training.published CIFAR10 [--bits 24,48] [--iterations 70000] [--state FOLDER] [--to FILE]

Liu, Wang, Shan and Chen, "Deep Supervised Hashing for Fast Image Retrieval", CVPR 2016, and the code that its authors
published: three convolutions and two linear layers, pixels from 0 to 255 with mirrored copies, batches of 200 of the
50,000 training images, SGD with momentum 0.9, decay 0.004 and rate 0.001, a tenth of it after six sevenths of the
steps, a hundredth after thirteen fourteenths. The loss is `transhash.losses.dsh`. As in their code the 10,000 test
images are searched for one another, each itself too: mAP over the whole ranking. Theirs takes 70,000 steps for a first
length, and 30,000 from there for each other one; here each length begins anew.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.common import program, write
from transhash.codes import pack
from transhash.data.datasets import load_dataset
from transhash.evaluation import evaluate
from transhash.losses.dsh import DSHLoss
from transhash.losses.hash_loss import Task
from transhash.system import machine
from transhash.training import checkpoint

PUBLISHED = {24: 0.6512, 48: 0.6755}
TRAINING = 50_000  # images; then the test images
BATCH = 200
SCALE = 5e-5  # of the normalisation
RATE, MOMENTUM, DECAY = 1e-3, 0.9, 4e-3


class Normalised(nn.Module):
    """Each value divided by what is around it in its own map: (1 + 5e-5 · mean square of 3 × 3)^0.75."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W)."""
        found: Tensor = Normalise.apply(x)  # type: ignore[no-untyped-call]
        return found


class Normalise(torch.autograd.Function):
    """What `Normalised` does, with its derivative written out: a step takes 0.8 times as long."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Maps (N, C, H, W)."""
        root = functional.avg_pool2d(x * x, 3, stride=1, padding=1).mul_(SCALE).add_(1).rsqrt_()
        factor = root * root.sqrt()
        ctx.save_for_backward(x, root, factor)
        return x * factor

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> Tensor:
        """The derivative by x (N, C, H, W)."""
        x, root, factor = ctx.saved_tensors
        scaled = above[0] * factor
        around = functional.avg_pool2d(scaled * x * root * root, 3, stride=1, padding=1)
        found: Tensor = scaled - around.mul_(x).mul_(1.5 * SCALE)
        return found


def network(bits: int) -> nn.Sequential:
    """Images (N, 3, 32, 32) to relaxed codes (N, bits)."""
    layers = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(), Normalised(),
        nn.Conv2d(32, 32, 5, padding=2), nn.AvgPool2d(3, 2, ceil_mode=True), nn.ReLU(), Normalised(),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Flatten(), nn.Linear(64 * 4 * 4, 500), nn.ReLU(), nn.Linear(500, bits),
    )  # fmt: skip
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = math.sqrt(3 / layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layers


def learn(
    images: NDArray[np.uint8], labels: NDArray[np.int64], bits: int, iterations: int, state: Path | None = None
) -> nn.Sequential:
    """A network that learned from images (N, 32, 32, 3).

    The folder `state` keeps it after every fourth pass over them; a run that was stopped goes on from there, and gives
    the same.
    """
    torch.manual_seed(0)
    made, loss = network(bits), DSHLoss(Task((bits,)))
    weights = [value for value in made.parameters() if value.ndim > 1]
    biases = [value for value in made.parameters() if value.ndim == 1]
    groups = [{"params": weights, "weight_decay": DECAY}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM)
    pixels, classes = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
    last, first = state and checkpoint.latest(state), 0
    if last:
        first = checkpoint.restore(last, {"network": made}, optimizer)["step"]
    a_pass, began = len(images) // BATCH, time.perf_counter()
    for step in range(first, iterations):
        if step % a_pass == 0:
            random = np.random.default_rng((0, step // a_pass))
            order = random.permutation(len(images))
        rows = torch.from_numpy(order[step % a_pass * BATCH :][:BATCH])
        rate = RATE * 0.1 ** (sum(14 * step >= part * iterations for part in (12, 13)))
        for group, times in zip(optimizer.param_groups, (1, 2), strict=True):
            group["lr"] = times * rate
        batch = pixels[rows].float()
        mirrored = torch.from_numpy(random.random(BATCH) < 0.5)
        batch[mirrored] = batch[mirrored].flip(3)
        value = loss(made(batch.contiguous(memory_format=torch.channels_last)), classes[rows])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if (step + 1) % (4 * a_pass) == 0:
            if state:
                checkpoint.save(state, step + 1, {"network": made}, optimizer, {"history": []})
            seconds = time.perf_counter() - began
            told = f"{bits} bits: {step + 1:,} steps, loss {value.item():.3f}, {seconds:.0f} s"
            print(told, file=sys.stderr, flush=True)
    return made.eval()


def codes(made: nn.Sequential, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Packed codes of images (N, 32, 32, 3): uint8 (N, bits/8)."""
    with torch.inference_mode():
        parts = [made(part.permute(0, 3, 1, 2).float()) for part in torch.from_numpy(images).split(1000)]  # type: ignore[no-untyped-call]
    return pack(torch.cat(parts).numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--bits", default="24,48", help="code lengths, with commas; of those published 12 and 36 are no whole bytes"
    )
    parser.add_argument("--iterations", type=int, default=70_000)
    parser.add_argument("--state", type=Path, help="folder that keeps what was learned, for a run that is stopped")
    parser.add_argument("--to", type=Path, help="also write the figures there, as JSON")
    asked = parser.parse_args()
    images = load_dataset("cifar10", asked.data)
    pixels = images.images.decode(np.arange(len(images.labels)), 32)
    labels = images.labels.astype(np.int64)
    found = {}
    for bits in map(int, asked.bits.split(",")):
        state = asked.state and asked.state / f"{bits}-{asked.iterations}"
        made = learn(pixels[:TRAINING], labels[:TRAINING], bits, asked.iterations, state)
        test, train = codes(made, pixels[TRAINING:]), codes(made, pixels[:TRAINING])
        of_test, of_train = labels[TRAINING:], labels[:TRAINING]
        among, in_training = evaluate(test, of_test, test, of_test), evaluate(test, of_test, train, of_train)
        found[str(bits)] = {
            "iterations": asked.iterations,
            "map_conventional": among.map_conventional,
            "map": among.map,
            "map_in_training_images": in_training.map,
            "published": PUBLISHED.get(bits),
        }
        print(json.dumps({"bits": bits, **found[str(bits)]}), flush=True)
    if asked.to:
        write(asked.to, {"machine": machine(), "dsh": found})


if __name__ == "__main__":
    program(main)
