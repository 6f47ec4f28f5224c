"""What every loss is made for, and what the training loop asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from transhash.errors import RecipeError


@dataclass(frozen=True)
class Task:
    """The code that a loss shapes, and the training images that it learns from."""

    branch_bits: tuple[int, ...]
    """Bits of each branch of the network, global first; one number where there is no local stream."""
    classes: int = 0
    """Number of classes."""
    images: int = 0
    """Number of training images."""
    multi_label: bool = False
    """Whether labels are (N, C) multi-hot; else (N,) class numbers."""
    seed: int = 0
    """Of whatever a method draws: centres, targets, a classifier's first weights."""

    @property
    def bits(self) -> int:
        """B, the length of the whole code."""
        return sum(self.branch_bits)


class HashLoss(nn.Module, ABC):
    """A loss on relaxed codes. What it learns itself (a classifier) are its parameters, what it keeps its buffers."""

    single_label_only: ClassVar[bool] = False

    progress: float = 0.0
    """Share of the training that is done, 0…1, which the loop sets before each step (continuation methods)."""

    normalised: bool = False
    """Whether the published network normalises each value over the batch: a bit is then one for half of the images."""

    views: int = 1
    """Augmented views of each image in a batch: `forward` gets the codes of the first of all images, then the next."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        if task.multi_label and self.single_label_only:
            raise RecipeError(
                "",
                f"{type(self).__name__.removesuffix('Loss')} is defined for images with one class each, and these "
                "have several",
                "leave the method out, or use a data set with single labels",
            )
        self.task = task

    def forward(self, h: Tensor, labels: Tensor, rows: Tensor | None = None) -> Tensor:
        """The loss of one batch, a scalar: h (N, B) relaxed codes, labels (N,) int64 or (N, C) multi-hot.

        `rows` int64 (N,): which of the training images these are, for methods that remember all codes. Computed in
        float32 (float64 for codes in float64), also within an autocast.
        """
        with torch.autocast(h.device.type, enabled=False):
            return self.loss(h.to(torch.promote_types(h.dtype, torch.float32)), labels, rows)

    @abstractmethod
    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Return what `forward` returns, for codes (N, B) in full precision: the method's formula."""


def require_positive(**settings: float) -> None:
    """Raise `RecipeError` that names the first hyper-parameter that is not above 0."""
    for name, value in settings.items():
        if value <= 0:
            raise RecipeError("", f"{name} is {value}", "it must be above 0")


def require_not_negative(**settings: float) -> None:
    """Raise `RecipeError` that names the first hyper-parameter that is below 0."""
    for name, value in settings.items():
        if value < 0:
            raise RecipeError("", f"{name} is {value}", "it must not be below 0")
