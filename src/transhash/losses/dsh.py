"""DSH, deep supervised hashing: a contrastive loss on squared distances.

Liu et al., "Deep Supervised Hashing for Fast Image Retrieval", CVPR 2016
(https://openaccess.thecvf.com/content_cvpr_2016/html/Liu_Deep_Supervised_Hashing_CVPR_2016_paper.html), equation 4.

    loss = DSHLoss(Task((64,)))
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
"""

from __future__ import annotations

from torch import Tensor

from transhash.losses.hash_loss import HashLoss, Task, require_not_negative, require_positive
from transhash.losses.pairs import bounded, pair_mean, similarity


class DSHLoss(HashLoss):
    """Similar pairs are drawn together, dissimilar ones apart to a squared distance of m, all towards ±1.

    `margin`: m as a multiple of B; the paper's m = 2B holds dissimilar codes apart by B/2 bits. `quantization`: α.
    """

    def __init__(self, task: Task, *, margin: float = 2.0, quantization: float = 0.01) -> None:
        super().__init__(task)
        require_positive(margin=margin)
        require_not_negative(quantization=quantization)
        self.margin = margin
        self.quantization = quantization

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the pairs of the batch.

        The field's code compares with remembered codes of the whole training set, and its regulariser, on sign(h), has
        no gradient; the paper has neither.
        """
        h = bounded(h)
        similar = similarity(labels).to(h.dtype)
        distance = (h[:, None] - h[None, :]).square().sum(dim=2)
        apart = (self.margin * h.shape[1] - distance).clamp(min=0)
        pairs = 0.5 * similar * distance + 0.5 * (1 - similar) * apart
        from_binary = (h.abs() - 1).abs().sum(dim=1)
        return pair_mean(pairs + self.quantization * (from_binary[:, None] + from_binary[None, :]))
