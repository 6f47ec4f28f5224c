"""DCH, deep Cauchy hashing: a weighted likelihood of pairs that falls off like a Cauchy distribution.

Cao et al., "Deep Cauchy Hashing for Hamming Space Retrieval", CVPR 2018
(https://openaccess.thecvf.com/content_cvpr_2018/html/Cao_Deep_Cauchy_Hashing_CVPR_2018_paper.html), equations 2-9.

    loss = DCHLoss(Task((64,)))
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
"""

from __future__ import annotations

import torch
from torch import Tensor

from transhash.losses.hash_loss import HashLoss, Task, require_not_negative, require_positive
from transhash.losses.pairs import balance, cauchy, cosines, ones_distance, pair_mean, similarity


class DCHLoss(HashLoss):
    """Weighted Cauchy cross-entropy on z = tanh(h), distances by the cosine, and λ times the Cauchy quantization loss.

    `gamma`: the Cauchy scale γ, in bits. `quantization`: λ. The paper chooses both by validation; 20 and 0.1 are those
    of the field's code, for every code length.
    """

    def __init__(self, task: Task, *, gamma: float = 20.0, quantization: float = 0.1) -> None:
        super().__init__(task)
        require_positive(gamma=gamma)
        require_not_negative(quantization=quantization)
        self.gamma = gamma
        self.quantization = quantization

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the pairs of the batch.

        The tanh is the paper's; the field's code leaves it out, and holds D above B/200, where the gradient of a
        similar pair stops.
        """
        similar = similarity(labels).to(h.dtype)
        z = h.tanh()
        distance = h.shape[1] / 2 * (1 - cosines(z))
        pairs = balance(similar) * cauchy(distance, similar, self.gamma)
        prior = torch.log1p(ones_distance(z) / self.gamma)
        return pair_mean(pairs) + self.quantization * prior.mean()
