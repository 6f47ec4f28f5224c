"""DPN, deep polarized network: every bit is pushed beyond a margin on its target's side.

Fan et al., "Deep Polarized Network for Supervised Learning of Accurate Binary Hashing Codes", IJCAI 2020
(https://www.ijcai.org/proceedings/2020/115), equation 4; targets by random assignment.

    loss = DPNLoss(Task((64,), classes=10))
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
"""

from __future__ import annotations

from torch import Tensor

from transhash.losses.centres import bernoulli, generator
from transhash.losses.hash_loss import HashLoss, Task, require_positive
from transhash.losses.pairs import bounded


class DPNLoss(HashLoss):
    """The polarization loss max(m - h·t, 0) of each bit, t the target code of the class.

    `margin`: m. Targets are random, their bits independent; the paper's variant that updates them (DPN-A) is left out.
    """

    targets: Tensor

    def __init__(self, task: Task, *, margin: float = 1.0) -> None:
        super().__init__(task)
        require_positive(margin=margin)
        self.margin = margin
        self.register_buffer("targets", bernoulli(task.classes, task.bits, generator(task)))

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Sum over the bits, mean over the images.

        With several labels, the sum over the targets of all of them, as in the authors' code; the field's takes the
        majority of the targets, as CSQ does, and the mean over the bits.
        """
        h = bounded(h)
        targets = self.targets.to(h.dtype)
        if labels.ndim == 1:
            return (self.margin - h * targets[labels]).clamp(min=0).sum(dim=1).mean()
        polarization = (self.margin - h[:, None] * targets).clamp(min=0).sum(dim=2)  # (N, C)
        return (labels.to(h.dtype) * polarization).sum(dim=1).mean()
