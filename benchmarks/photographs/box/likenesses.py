"""What photographs shall be like: the likeness of a batch by a teacher, by the backbone before, and by labels.

A batch of B pictures has for each of them a distribution over the others, softmax of cosines over a temperature. A
network learns to give the same distributions (Kullback-Leibler), and pictures of one class of a set to be nearer to
one another than to the rest of their set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TAU = 0.1  # temperature of likeness
TEACHER = 384  # numbers of the teacher's features that are kept, of 1,280
_SAMPLE = 8000  # pictures that the teacher's directions are found on


@dataclass(frozen=True)
class Batch:
    """Targets of some pictures."""

    teacher: Tensor  # (B, B) distributions by the teacher
    before: Tensor  # (B, B) distributions by the backbone before
    known: Tensor  # bool (B, B), pairs of one set with labels
    same: Tensor  # bool (B, B), of these pairs those of one class

    @property
    def mixed(self) -> Tensor:
        """The mean of both distributions."""
        return (self.teacher + self.before) / 2


def half_whitened(features: Tensor) -> Tensor:
    """A teacher's features (N, F) by their main directions, large ones made smaller, of length 1: (N, 384)."""
    centred = features - features.mean(0)
    sample = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))[:_SAMPLE]
    _, sizes, directions = torch.linalg.svd(centred[sample], full_matrices=False)
    spread = (sizes[:TEACHER] / math.sqrt(len(sample))).clamp(min=1e-3)
    return functional.normalize(centred @ (directions[:TEACHER].T / spread.sqrt()), dim=1)


def distributions(vectors: Tensor, tau: float = TAU) -> Tensor:
    """Softmax of the cosines of unit vectors (B, D) over a temperature, without each with itself: (B, B)."""
    return functional.softmax(_others(vectors @ vectors.T / tau), dim=1)


def batch(teacher: Tensor, before: Tensor, sets: Tensor, classes: Tensor, mean: Tensor) -> Batch:
    """Targets of a batch: teacher's vectors (B, T), the backbone's features (B, F), sets and classes (-1: none) (B,).

    A batch of one set is centred on itself, others on the `mean` of all features.
    """
    one = bool((sets == sets[0]).all())
    if one:
        teacher = functional.normalize(teacher - teacher.mean(0), dim=1)
    before = functional.normalize(before - (before.mean(0) if one else mean), dim=1)
    apart = ~torch.eye(len(sets), dtype=torch.bool)
    known = (classes[:, None] >= 0) & (classes[None] >= 0) & (sets[:, None] == sets[None]) & apart
    return Batch(distributions(teacher), distributions(before), known, known & (classes[:, None] == classes[None]))


def divergence(vectors: Tensor, target: Tensor, tau: float = TAU) -> Tensor:
    """Kullback-Leibler divergence of the distributions of unit vectors (B, D) from others (B, B), a mean over rows."""
    found = functional.log_softmax(_others(vectors @ vectors.T / tau), dim=1)
    return functional.kl_div(found, target, reduction="batchmean")


def contrast(vectors: Tensor, asked: Batch, tau: float = TAU) -> Tensor:
    """How far unit vectors (B, D) are from having pictures of one class nearest within their set; 0 without labels."""
    some = asked.same.any(1)
    if not some.any():
        return vectors.sum() * 0
    found = functional.log_softmax((vectors @ vectors.T / tau).masked_fill(~asked.known, -1e4), dim=1)
    return -((found * asked.same).sum(1)[some] / asked.same.sum(1)[some]).mean()


def _others(likeness: Tensor) -> Tensor:
    return likeness.masked_fill(torch.eye(len(likeness), dtype=torch.bool), -1e4)
