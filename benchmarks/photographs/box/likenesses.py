"""What photographs shall be like: the likeness of a batch by a teacher, by the backbone before, and by labels.

A batch of B pictures has for each of them a distribution over the others, softmax of cosines over a temperature. A
network learns to give the same distributions (Kullback-Leibler), and pictures of one class of a set to be nearer to
one another than to the rest of their set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

TAU = 0.1  # temperature of likeness
TEACHER = 384  # numbers of the teacher's features that are kept, of 1,280
_PART = 1 << 16  # pictures at a time
_SAMPLE = 8000  # pictures that the teacher's directions are found on


class Pairs(NamedTuple):
    """What labels say of the pairs of a batch."""

    known: Tensor  # bool (B, B), pairs of one set with labels
    same: Tensor  # bool (B, B), of these pairs those of one class


@dataclass(frozen=True)
class Batch:
    """Targets of some pictures."""

    teacher: Tensor  # (B, B) distributions by the teacher
    before: Tensor  # (B, B) distributions by the backbone before
    pairs: Pairs

    @property
    def mixed(self) -> Tensor:
        """The mean of both distributions."""
        return (self.teacher + self.before) / 2


def half_whitened(features: Tensor) -> Tensor:
    """A teacher's features (N, …, F) by their main directions, large ones made smaller, of length 1: (N, …, 384)."""
    flat = features.flatten(0, -2)
    sample = torch.randperm(len(flat), generator=torch.Generator().manual_seed(0))[:_SAMPLE].to(flat.device)
    drawn = flat[sample].float()
    mean = drawn.mean(0)
    _, sizes, directions = torch.linalg.svd(drawn - mean, full_matrices=False)
    spread = (sizes[:TEACHER] / math.sqrt(len(sample))).clamp(min=1e-3)
    scaled = directions[:TEACHER].T / spread.sqrt()
    parts = (flat[start : start + _PART].float() - mean for start in range(0, len(flat), _PART))
    return torch.cat([functional.normalize(part @ scaled, dim=1) for part in parts]).view(*features.shape[:-1], -1)


def distributions(vectors: Tensor, tau: float = TAU) -> Tensor:
    """Softmax of the cosines of unit vectors (B, D) over a temperature, without each with itself: (B, B)."""
    return functional.softmax(_others(vectors @ vectors.T / tau), dim=1)


def batch(teacher: Tensor, before: Tensor, sets: Tensor, classes: Tensor, mean: Tensor | None) -> Batch:
    """Targets of a batch: teacher's vectors (B, T), the backbone's features (B, F), sets and classes (-1: none) (B,).

    Features are centred on the `mean` of all; a batch of one set, which has none, is centred on itself.
    """
    if mean is None:
        teacher = functional.normalize(teacher - teacher.mean(0), dim=1)
        mean = before.mean(0)
    before = functional.normalize(before - mean, dim=1)
    return Batch(distributions(teacher), distributions(before), pairs(sets, classes))


def pairs(sets: Tensor, classes: Tensor) -> Pairs:
    """What labels say of a batch, from sets and classes (-1: none) (B,)."""
    apart = ~torch.eye(len(sets), dtype=torch.bool, device=sets.device)
    known = (classes[:, None] >= 0) & (classes[None] >= 0) & (sets[:, None] == sets[None]) & apart
    return Pairs(known, known & (classes[:, None] == classes[None]))


def divergence(vectors: Tensor, target: Tensor, tau: float = TAU) -> Tensor:
    """Kullback-Leibler divergence of the distributions of unit vectors (B, D) from others (B, B), a mean over rows."""
    found = functional.log_softmax(_others(vectors @ vectors.T / tau), dim=1)
    return functional.kl_div(found, target, reduction="batchmean")


def contrast(vectors: Tensor, asked: Pairs, tau: float = TAU) -> Tensor:
    """How far unit vectors (B, D) are from having pictures of one class nearest within their set; 0 without labels."""
    found = functional.log_softmax((vectors @ vectors.T / tau).masked_fill(~asked.known, -1e4), dim=1)
    count = asked.same.sum(1)
    return -((found * asked.same).sum(1) / count.clamp(min=1)).sum() / (count > 0).sum().clamp(min=1)


def _others(likeness: Tensor) -> Tensor:
    return likeness.masked_fill(torch.eye(len(likeness), dtype=torch.bool, device=likeness.device), -1e4)
