"""The last blocks learn: first block eleven with both streams, then the streams alone.

An embedding learns along, so that the likenesses are in few numbers of the features; what ships has one of its own
(`heads.py`).

Nine blocks never change, so each photograph and one view of it are read through them once, in bfloat16. A step takes
a batch of photographs, a quarter of the time all of one set, each as it is or as its view. Targets are those of the
photograph (`likenesses.py`): views become like their photographs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.photographs.box import likenesses
from benchmarks.photographs.box.views import SIZE
from transhash.nn.mgvt import MGVT
from transhash.nn.preprocessing import normalised
from transhash.nn.weights import load_vit

LENGTHS = (16, 32, 48, 64, 128)
VALUES = 192  # of the embedding that learns along
FIXED, TRUNK = 9, 11  # blocks that never change, and blocks below the streams
ONE_SET = 0.25  # share of batches that are of one set
FEWEST = 600  # pictures of a set for that
Z = NDArray[np.float16]


@dataclass(frozen=True)
class Photographs:
    """What there is to learn from: N photographs, each with a view."""

    tokens: Z  # (N, 2, 1 + M, D), of the photograph and its view after the blocks that do not change
    teacher: Tensor  # (N, T), unit vectors
    before: Tensor  # (N, F), features of the backbone before
    sets: NDArray[np.int64]  # (N,)
    classes: Tensor  # int64 (N,), -1 for none


@dataclass(frozen=True)
class Phase:
    """One phase of learning."""

    minutes: float
    batch: int
    rate: float  # of the streams
    lowest: int  # the first block that learns; 11: the streams alone
    trunk_rate: float = 0.0
    embedding_rate: float = 2e-4


FIRST = Phase(22, 256, 2.5e-4, 10, 1.25e-4)
SECOND = Phase(13, 384, 2e-4, 11)


def backbone(weights: Path) -> MGVT:
    """The network before: both streams are copies of the backbone's last block."""
    return MGVT.from_vit(load_vit(weights, image_size=SIZE), bits=64, groups=2, lengths=LENGTHS)


def features(network: MGVT, tokens: Tensor, after: int) -> Tensor:
    """What the hash layers read of tokens that leave block `after`: float32 (N, 3·D), the global stream first."""
    z = network.middle(tokens, after)
    local = network.local_norm(network.local_block.read(z, network.groups)).flatten(1)
    return torch.cat([network.global_features(z), local], 1).float()


@torch.no_grad()
def read(compute: Callable[[Tensor], Tensor], tokens: Z, batch: int = 64) -> NDArray[np.float32]:
    """What is computed in bfloat16 of tokens (N, …), a batch at a time."""
    with torch.autocast("cpu", torch.bfloat16):
        parts = [tokens[start : start + batch] for start in range(0, len(tokens), batch)]
        return np.concatenate([compute(torch.from_numpy(part).bfloat16()).float().numpy() for part in parts])


@torch.no_grad()
def fixed_tokens(network: MGVT, squares: NDArray[np.uint8]) -> Z:
    """Pictures uint8 (N, 140, 140, 3) through the blocks that do not change, in bfloat16."""
    images = normalised(torch.from_numpy(squares).permute(0, 3, 1, 2).float())
    with torch.autocast("cpu", torch.bfloat16):
        return np.asarray(network.lower(images, FIXED).half().numpy())


class Learner:
    """A network and an embedding that learn from photographs whose tokens leave block `after`."""

    def __init__(self, network: MGVT, embedding: nn.Linear, photos: Photographs, after: int) -> None:
        self.network, self.embedding, self.photos, self.after = network, embedding, photos, after
        self.guess = nn.Linear(photos.before.shape[1], photos.teacher.shape[1])  # of the teacher's vector
        self.mean = photos.before.mean(0)

    def learn(self, phase: Phase, say: Callable[[str], None]) -> None:
        """One phase, in place; the rates rise for 40 steps and fall as a cosine."""
        random, sets = np.random.default_rng(0), self.photos.sets
        optimizer = self._optimizer(phase)
        rates = [group["lr"] for group in optimizer.param_groups]
        start, step, order = time.monotonic(), 0, np.empty(0, np.int64)
        while (share := (time.monotonic() - start) / 60 / phase.minutes) < 1:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * min(1, (step + 1) / 40) * (1 + math.cos(math.pi * share)) / 2
            if random.random() < ONE_SET:
                rows = of_one_set(sets, phase.batch, random)
            else:
                if len(order) < phase.batch:
                    order = random.permutation(len(sets))
                rows, order = order[: phase.batch], order[phase.batch :]
            loss = self.loss(rows, random.random(len(rows)) < 0.5, phase.lowest)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_([p for p in self.network.parameters() if p.requires_grad], 2.0)
            optimizer.step()
            step += 1
            if step % 25 == 0:
                say(f"step {step}, {time.monotonic() - start:.0f} s, loss {loss.item():.3f}")

    def loss(self, rows: NDArray[np.int64], views: NDArray[np.bool_], lowest: int) -> Tensor:
        """Of some photographs, or their views: blocks from `lowest` on learn.

        The teacher's likeness and its vectors weigh 1 each, the likeness before 0.5, labels 0.3; the embedding learns
        the mean of both likenesses (1) and labels (0.3).
        """
        teacher, sets = self.photos.teacher[rows], torch.from_numpy(self.photos.sets[rows])
        asked = likenesses.batch(teacher, self.photos.before[rows], sets, self.photos.classes[rows], self.mean)
        tokens = torch.from_numpy(self.photos.tokens[rows, views.astype(np.int64)]).bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                for block in self.network.trunk.blocks[self.after : lowest]:
                    tokens = block(tokens)
            found = features(self.network, tokens, lowest)
        one = bool((sets == sets[0]).all())
        vectors = functional.normalize(found - (found.mean(0).detach() if one else self.mean), dim=1)
        short = functional.normalize(self.embedding(found), dim=1)
        return (
            likenesses.divergence(vectors, asked.teacher)
            + (1 - (functional.normalize(self.guess(found), dim=1) * teacher).sum(1)).mean()
            + 0.5 * likenesses.divergence(vectors, asked.before)
            + 0.3 * likenesses.contrast(vectors, asked)
            + likenesses.divergence(short, asked.mixed)
            + 0.3 * likenesses.contrast(short, asked)
        )

    def _optimizer(self, phase: Phase) -> torch.optim.Optimizer:
        self.network.requires_grad_(False)
        streams = [p for each in self.network.streams() for module in each for p in module.parameters()]
        trunk = [p for block in self.network.trunk.blocks[phase.lowest :] for p in block.parameters()]
        for parameter in (*streams, *trunk):
            parameter.requires_grad_(True)
        groups = [
            {"params": streams, "lr": phase.rate, "weight_decay": 0.02},
            {"params": trunk, "lr": phase.trunk_rate, "weight_decay": 0.02},
            {"params": list(self.guess.parameters()), "lr": 2e-3, "weight_decay": 0.01},
            {"params": list(self.embedding.parameters()), "lr": phase.embedding_rate, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def of_one_set(sets: NDArray[np.int64], batch: int, random: np.random.Generator) -> NDArray[np.int64]:
    """A batch of rows of one of the large sets."""
    large = np.flatnonzero(np.bincount(sets) >= min(FEWEST, np.bincount(sets).max()))
    rows = np.flatnonzero(sets == random.choice(large))
    return random.choice(rows, min(batch, len(rows)), replace=False)
