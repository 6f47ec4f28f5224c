"""OrthoHash: one classification loss, on the cosines of a code with the target codes of all classes.

Hoe et al., "One Loss for All: Deep Hashing with a Single Cosine Similarity based Learning Objective", NeurIPS 2021
(https://arxiv.org/abs/2109.14449), section 3.

    loss = OrthoHashLoss(Task((64,), classes=10))
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
"""

from __future__ import annotations

from torch import Tensor

from transhash.losses.centres import bernoulli, classification, generator
from transhash.losses.hash_loss import HashLoss, Task, require_not_negative, require_positive


class OrthoHashLoss(HashLoss):
    """Cross-entropy of s·(cos θ - m·y) over the classes; with several labels, each has an equal share of 1.

    `scale`: s. `margin`: m. Both are those of the authors' code, for every code length, as are the random targets,
    their bits independent.
    """

    normalised = True
    targets: Tensor

    def __init__(self, task: Task, *, scale: float = 8.0, margin: float = 0.2) -> None:
        super().__init__(task)
        require_positive(scale=scale)
        require_not_negative(margin=margin)
        self.scale = scale
        self.margin = margin
        self.register_buffer("targets", bernoulli(task.classes, task.bits, generator(task)))

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the images; one without any label adds nothing."""
        return classification(h, labels, self.targets.to(h.dtype), scale=self.scale, margin=self.margin)
