"""Hash layers from embeddings to codes of every length, which learn from photographs and views of them.

All lengths share one hidden layer. In a batch of pictures codes shall have the likenesses that embeddings have, and
photographs of one class shall be nearer to one another than to others of their set. A view's code shall be like what
its photograph is like. Layers start from ITQ, to which the hidden layer adds nothing at first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.photographs.box import likenesses
from benchmarks.photographs.box.learning import of_one_set
from transhash.model.fitted import STEP
from transhash.model.layers import Layers
from transhash.shallow import itq

SAMPLE = 20_000  # embeddings that ITQ is fitted to
ONE_SET = 0.5  # share of batches that are of one set
VIEWS = 0.4  # share of views among the pictures that have one
EVEN = 0.3  # power by which photographs of large sets are drawn less often than those of small ones
ASKED, GIVEN = 0.07, 0.14  # temperatures of likeness: of embeddings, of codes
LABELS = 1.0  # weight of classes
WARMUP = 50  # steps
SAY_EVERY = 500  # steps

Bytes = NDArray[np.int8]


@dataclass(frozen=True)
class Settings:
    """How they learn."""

    hidden: int = 2048
    steps: int = 3000
    batch: int = 1024
    rate: float = 2e-3


@dataclass(frozen=True)
class Seen:
    """Embeddings of N photographs, and of views of some of them."""

    photographs: Bytes  # (N, V)
    views: Bytes  # (M, V)
    shown: NDArray[np.int64]  # [M], the photograph of each view
    sets: NDArray[np.int64]  # [N]
    classes: NDArray[np.int64]  # [N], -1 for none


class Network(nn.Module):
    """Embeddings of length 1, (N, V), to relaxed codes of every length side by side, (N, B)."""

    def __init__(self, start: NDArray[np.float64], hidden: int) -> None:
        """`start`: a linear map (V + 1, B)."""
        super().__init__()
        values, bits = len(start) - 1, start.shape[1]
        self.hidden, self.rest = nn.Linear(values, hidden), nn.Linear(hidden, bits, bias=False)
        self.linear = nn.Linear(values, bits)
        with torch.no_grad():
            self.rest.weight.zero_()
            self.linear.weight[:] = torch.from_numpy(start[:-1].T)
            self.linear.bias[:] = torch.from_numpy(start[-1])

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        found: Tensor = self.linear(x) + self.rest(functional.relu(self.hidden(x)))
        return found

    def layers(self) -> Layers:
        """The same in whole numbers."""
        with torch.no_grad():
            hidden = torch.cat([self.hidden.weight.T, self.hidden.bias[None]])
            output = torch.cat([self.linear.weight.T, self.rest.weight.T, self.linear.bias[None]])
        return Layers.rounded(hidden.double().numpy(), output.double().numpy())


def learn(seen: Seen, lengths: Sequence[int], how: Settings, say: Callable[[int, Layers], None]) -> Layers:
    """Hash layers of these lengths; `say` gets the steps that were taken, and the layers then."""
    random = np.random.default_rng(0)
    network = Network(_start(seen.photographs, lengths, random), how.hidden)
    optimizer = torch.optim.AdamW(network.parameters(), lr=how.rate, weight_decay=0.0)
    batches = _Batches(seen, random)
    for step in range(how.steps):
        falling = (1 + math.cos(math.pi * step / how.steps)) / 2
        optimizer.param_groups[0]["lr"] = how.rate * min(1, (step + 1) / WARMUP) * falling
        pictures, asked, pairs = batches.draw(how.batch)
        values = network(pictures)
        loss = torch.stack([_loss(part, asked, pairs) for part in values.split(list(lengths), dim=1)]).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        if (step + 1) % SAY_EVERY == 0 or step + 1 == how.steps:
            say(step + 1, network.layers())
    return network.layers()


class _Batches:
    """Draws pictures, as photographs or views, of all sets or of one, and what they shall be like."""

    def __init__(self, seen: Seen, random: np.random.Generator) -> None:
        self.seen, self.random = seen, random
        self.photographs, self.views = (
            torch.from_numpy(each).float() * STEP for each in (seen.photographs, seen.views)
        )
        self.mean = self.photographs.mean(0)
        self.view = np.full(len(seen.sets), -1)
        self.view[seen.shown] = np.arange(len(seen.shown))
        weights = np.bincount(seen.sets)[seen.sets] ** -EVEN
        self.until = np.cumsum(weights / weights.sum())

    def draw(self, count: int) -> tuple[Tensor, Tensor, likenesses.Pairs]:
        """Pictures (N, V), the distributions of their photographs' likenesses (N, N), and pairs of known classes."""
        one = self.random.random() < ONE_SET
        rows = of_one_set(self.seen.sets, count, self.random) if one else self._of_all(count)
        photographs = self.photographs[torch.from_numpy(rows)]
        centred = photographs - (photographs.mean(0) if one else self.mean)
        asked = likenesses.distributions(functional.normalize(centred, dim=1), ASKED)
        viewed = (self.view[rows] >= 0) & (self.random.random(len(rows)) < VIEWS)
        pictures = photographs.clone()
        pictures[torch.from_numpy(viewed)] = self.views[torch.from_numpy(self.view[rows[viewed]])]
        sets, classes = (torch.from_numpy(each[rows]) for each in (self.seen.sets, self.seen.classes))
        return pictures, asked, likenesses.pairs(sets, classes)

    def _of_all(self, count: int) -> NDArray[np.int64]:
        return np.minimum(np.searchsorted(self.until, self.random.random(count)), len(self.until) - 1)


def _start(kept: Bytes, lengths: Sequence[int], random: np.random.Generator) -> NDArray[np.float64]:
    """ITQ of every length, for embeddings of length 1; the deviation of a length's values is 1."""
    sample = kept[random.permutation(len(kept))[:SAMPLE]].astype(np.float32)
    found = []
    for bits in lengths:
        layer = itq(sample, bits).astype(np.float64)
        spread = float((sample @ layer[:-1] + layer[-1]).std())
        layer[:-1] /= STEP
        found.append(layer / spread)
    return np.hstack(found)


def _loss(values: Tensor, asked: Tensor, pairs: likenesses.Pairs) -> Tensor:
    """How far codes are from what is asked of them; values shall be near ±1, and each bit even."""
    relaxed = torch.tanh(values)
    code = functional.normalize(relaxed, dim=1)
    return (
        likenesses.divergence(code, asked, GIVEN)
        + LABELS * likenesses.contrast(code, pairs, GIVEN)
        + 0.05 * (values.abs() - 1).abs().mean()
        + 0.2 * (relaxed.mean(0) ** 2).mean()
    )
