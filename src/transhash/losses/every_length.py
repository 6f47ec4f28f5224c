"""A loss for a network with several code lengths: the sum of the loss of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn

from transhash.losses.hash_loss import HashLoss, Task


def every_length(make: Callable[[Task], HashLoss], tasks: Sequence[Task]) -> HashLoss:
    """The loss of all code lengths, one task a length; of a single length its own."""
    return make(tasks[0]) if len(tasks) == 1 else _Sum(make, tasks)


class _Sum(HashLoss):
    """Codes of all lengths side by side, (N, B1 + B2 + …), each under a loss of its own."""

    def __init__(self, make: Callable[[Task], HashLoss], tasks: Sequence[Task]) -> None:
        super().__init__(tasks[-1])
        self.lengths = [task.bits for task in tasks]
        made = [make(task) for task in tasks]
        self.losses = nn.ModuleList(made)
        self.views = made[0].views
        self.normalised = made[0].normalised

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """The sum over the lengths."""
        total = h.new_zeros(())
        for codes, one in zip(h.split(self.lengths, dim=1), cast(list[HashLoss], list(self.losses)), strict=True):
            one.progress = self.progress
            total = total + one(codes, labels, rows)
        return total
