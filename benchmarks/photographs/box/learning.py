"""All blocks of a vision transformer learn from photographs what is like what.

Targets are those of the photograph (`likenesses.py`): what EfficientNet-Lite2, the backbone before and labels say of
the same cut of it. A batch is of all sets, a quarter of the time of one; four in ten are views, and shall be like their
photographs. Along with the network learn an embedding and hash layers, so that the likenesses are in few numbers of the
features and survive their signs; what ships has others (`embedding.py`, `codes.py`). The network is the mean of the
steps' networks.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.photographs.box import likenesses, squares
from benchmarks.photographs.box.squares import CUTS, Squares
from benchmarks.photographs.box.views import SIZE
from transhash.nn.mgvt import MGVT
from transhash.nn.preprocessing import normalised
from transhash.nn.weights import load_vit

LENGTHS = (16, 32, 48, 64, 128)
VALUES = 192  # of the embedding that learns along
SHORT = (32, 64, 128)  # bits of the hash layers that learn along
READ = 224  # pixels, of what the teacher reads
ONE_SET = 0.25  # share of batches that are of one set
FEWEST = 600  # pictures of a set for that
VIEWS = 0.4  # share of views
EVEN = 0.3  # power by which photographs of large sets are drawn less often than those of small ones
AVERAGE = 0.999

Teacher = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Settings:
    """How it learns."""

    minutes: float
    batch: int = 1024
    rate: float = 3e-4  # of the streams
    decay: float = 0.8  # of the rate from each block to the one below
    warmup: int = 150  # steps
    say_every: int = 100  # steps


@dataclass(frozen=True)
class Targets:
    """What the teacher and the backbone before say of every cut, on the device that learns."""

    teacher: Tensor  # (N, CUTS, T), unit vectors
    before: Tensor  # float16 (N, CUTS, F)


def backbone(weights: Path) -> MGVT:
    """The network before: both streams are copies of the backbone's last block."""
    return MGVT.from_vit(load_vit(weights, image_size=SIZE), bits=64, groups=2, lengths=LENGTHS)


def features(network: MGVT, images: Tensor) -> Tensor:
    """What the hash layers read of pictures (N, 3, S, S) in 0 … 255: float32 (N, 3·D), the global stream first."""
    with torch.autocast("cuda", torch.bfloat16, enabled=images.is_cuda):
        z = network.middle(network.lower(normalised(images), 0), 0)
        local = network.local_norm(network.local_block.read(z, network.groups)).flatten(1)
        return torch.cat([network.global_features(z), local], 1).float()


@torch.no_grad()
def read(network: MGVT, images: Tensor, device: torch.device, batch: int = 256) -> Tensor:
    """Features of pictures uint8 (N, S, S, 3), whole: float32 (N, F)."""
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]], device=device)
    found = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch].to(device)
        found.append(features(network, squares.cut(part, whole.expand(len(part), 4), SIZE)))
    return torch.cat(found)


@torch.no_grad()
def targets(photos: Squares, network: MGVT, teacher: Teacher, batch: int = 512) -> Targets:
    """What the teacher (float images (N, 3, 224, 224) in 0 … 255 to vectors) and the backbone say of every cut."""
    taught, before = [], []
    for start in range(0, len(photos.sets), batch):
        rows = slice(start, start + batch)
        for at in range(CUTS):
            images = squares.cut(photos.whole[rows], photos.boxes[rows, at], READ)
            taught.append(teacher(images).half())
            small = squares.cut(photos.whole[rows], photos.boxes[rows, at], SIZE)
            before.append(features(network, small).half())

    def arranged(parts: list[Tensor]) -> Tensor:
        return torch.cat([torch.stack(parts[at : at + CUTS], 1) for at in range(0, len(parts), CUTS)])

    return Targets(likenesses.half_whitened(arranged(taught)), arranged(before))


class Learner(nn.Module):
    """A network, and what learns along with it."""

    def __init__(self, network: MGVT, photos: Squares, asked: Targets) -> None:
        super().__init__()
        self.network, self.photos, self.asked = network, photos, asked
        width, vector = asked.before.shape[-1], asked.teacher.shape[-1]
        self.guess = nn.Linear(width, vector)  # of the teacher's vector
        self.embedding = nn.Linear(width, VALUES)
        self.hash = nn.Linear(width, sum(SHORT))
        self.before = asked.before[:, 0].float().mean(0)
        self.mean = self.before.clone()  # of the network's features, as they were lately
        weights = np.bincount(photos.sets)[photos.sets] ** -EVEN
        self.shares = weights / weights.sum()
        self.to(self.before.device)

    def learn(self, how: Settings, say: Callable[[str], None]) -> MGVT:
        """The mean of the networks of all steps, the latest weighing most; rates rise at first and fall as a cosine."""
        random = np.random.default_rng(0)
        optimizer = torch.optim.AdamW(self._groups(how), fused=True)
        rates = [group["lr"] for group in optimizer.param_groups]
        averaged = copy.deepcopy(self.network)
        own: list[Tensor] = list(self.network.parameters())
        start, step = time.monotonic(), 0
        while (share := (time.monotonic() - start) / 60 / how.minutes) < 1:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * min(1, (step + 1) / how.warmup) * (1 + math.cos(math.pi * share)) / 2
            loss = self.loss(self._rows(how.batch, random), random)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(own, 2.0)
            optimizer.step()
            step += 1
            with torch.no_grad():
                for mean, value in zip(averaged.parameters(), own, strict=True):
                    mean.lerp_(value, max(1 - AVERAGE, 1 / (step + 1)))
            if step % how.say_every == 0:
                say(f"step {step}, {time.monotonic() - start:.0f} s, loss {loss.item():.3f}")
        return averaged

    def loss(self, rows: NDArray[np.int64], random: np.random.Generator) -> Tensor:
        """Of some photographs, each as a cut or as its view.

        The teacher's likeness and its vectors weigh 1 each, the likeness before 0.5, labels 0.3; the embedding learns
        the mean of both likenesses (1) and labels (0.3), and so do the codes of every length (0.3 in all).
        """
        images, cuts = self._images(rows, random)
        at, one = self._put(rows), len(np.unique(self.photos.sets[rows])) == 1
        teacher, before = self.asked.teacher[at, cuts].float(), self.asked.before[at, cuts].float()
        sets, classes = self._put(self.photos.sets[rows]), self._put(self.photos.classes[rows])
        asked = likenesses.batch(teacher, before, sets, classes, None if one else self.before)
        found = features(self.network, images)
        if one:
            centre = found.mean(0).detach()
        else:
            self.mean.lerp_(found.mean(0).detach(), 0.02)
            centre = self.mean
        vectors = functional.normalize(found - centre, dim=1)
        short = functional.normalize(self.embedding(found), dim=1)
        codes = torch.split(torch.tanh(self.hash(found)), list(SHORT), dim=1)
        of_codes = torch.stack([_kept(functional.normalize(code, dim=1), asked) for code in codes]).mean()
        return (
            likenesses.divergence(vectors, asked.teacher)
            + (1 - (functional.normalize(self.guess(found), dim=1) * teacher).sum(1)).mean()
            + 0.5 * likenesses.divergence(vectors, asked.before)
            + 0.3 * likenesses.contrast(vectors, asked.pairs)
            + _kept(short, asked)
            + 0.3 * of_codes
        )

    def _images(self, rows: NDArray[np.int64], random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """What the network reads of some photographs, (B, 3, S, S), and which cut of each it is or stands for."""
        seen = random.random(len(rows)) < VIEWS
        cuts = np.where(seen | (random.random(len(rows)) < squares.WHOLE), 0, random.integers(1, CUTS, len(rows)))
        mirrored = self._put(random.random(len(rows)) < 0.5)
        parts, order = [], np.concatenate([np.flatnonzero(~seen), np.flatnonzero(seen)])
        if not seen.all():
            at, which = self._put(rows[~seen]), self._put(cuts[~seen])
            boxes = self.photos.boxes[at, which]
            images = squares.cut(self.photos.whole[at], boxes, SIZE, mirrored[: len(at)])
            parts.append(squares.lit(images, self._put(squares.light(len(at), random))))
        if seen.any():
            at, boxes = self._put(rows[seen]), self._put(squares.drawn(int(seen.sum()), 0.6, random))
            parts.append(squares.cut(self.photos.views[at], boxes, SIZE, mirrored[-len(at) :]))
        return torch.cat(parts)[self._put(np.argsort(order))], self._put(cuts)

    def _put(self, array: NDArray[np.generic]) -> Tensor:
        """An array on the device, without waiting for what the device computes."""
        tensor, device = torch.from_numpy(array), self.photos.whole.device
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor

    def _rows(self, batch: int, random: np.random.Generator) -> NDArray[np.int64]:
        if random.random() < ONE_SET:
            return of_one_set(self.photos.sets, batch, random)
        return random.choice(len(self.shares), min(batch, len(self.shares)), p=self.shares)

    def _groups(self, how: Settings) -> Iterator[dict[str, object]]:
        network, depth = self.network, self.network.config.vit.depth
        first = [p for name, p in network.trunk.named_parameters() if not name.startswith("blocks.")]
        levels = [first, *(list(block.parameters()) for block in network.trunk.blocks)]
        levels.append([p for each in network.streams() for module in each for p in module.parameters()])
        for level, parameters in enumerate(levels):
            yield {"params": parameters, "lr": how.rate * how.decay ** (depth - level), "weight_decay": 0.03}
        along = [p for each in (self.guess, self.embedding, self.hash) for p in each.parameters()]
        yield {"params": along, "lr": 1e-3, "weight_decay": 0.01}


def _kept(vectors: Tensor, asked: likenesses.Batch) -> Tensor:
    """How far short vectors or codes are from having the likenesses."""
    return likenesses.divergence(vectors, asked.mixed) + 0.3 * likenesses.contrast(vectors, asked.pairs)


def of_one_set(sets: NDArray[np.int64], batch: int, random: np.random.Generator) -> NDArray[np.int64]:
    """A batch of rows of one of the large sets."""
    large = np.flatnonzero(np.bincount(sets) >= min(FEWEST, np.bincount(sets).max()))
    rows = np.flatnonzero(sets == random.choice(large))
    return random.choice(rows, min(batch, len(rows)), replace=False)
