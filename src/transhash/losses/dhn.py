"""DHN, deep hashing network: the likelihood of pairs under a sigmoid of inner products.

Zhu et al., "Deep Hashing Network for Efficient Similarity Retrieval", AAAI 2016
(https://ojs.aaai.org/index.php/AAAI/article/view/10235), equations 3-8.

    loss = DHNLoss(Task((64,)))
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
"""

from __future__ import annotations

from torch import Tensor

from transhash.losses.hash_loss import HashLoss, Task, require_not_negative
from transhash.losses.pairs import log_cosh, logistic, pair_mean, similarity


class DHNLoss(HashLoss):
    """Pairwise cross-entropy on z = tanh(h), and λ times the smooth distance of |z| from 1.

    `quantization`: λ; the paper chooses it by validation and names no value, and 0.1 on the mean over the bits is that
    of the field's code.
    """

    def __init__(self, task: Task, *, quantization: float = 0.1) -> None:
        super().__init__(task)
        require_not_negative(quantization=quantization)
        self.quantization = quantization

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the pairs of the batch, as in the paper.

        The field's code leaves out the tanh, halves the inner product (DPSH's likelihood) and remembers all codes.
        """
        similar = similarity(labels).to(h.dtype)
        z = h.tanh()
        pairs = logistic(z @ z.T, similar)
        return pair_mean(pairs) + self.quantization * log_cosh(z.abs() - 1).mean()
