"""Self-distillation: codes keep how alike the backbone's own features find two images.

Labels say only which images share a class. What lies between classes, and outside of all of them, the features of the
pretrained backbone know, and codes that are to be of use on other pictures must not forget it.

    value = likeness(h, (16, 32, 64), features)  # h: (N, 112) relaxed codes, features: (N, D)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from transhash.losses.pairs import cosines, pair_mean


def likeness(h: Tensor, lengths: Sequence[int], features: Tensor) -> Tensor:
    """Squared difference of the codes' and the features' cosines, mean over the pairs of a batch, sum over the lengths.

    Features are taken from their mean over the batch, as half of all bits of a code are ones. Relaxed codes count by
    their tanh. Computed in float32.
    """
    with torch.autocast(h.device.type, enabled=False):
        h, features = h.float(), features.float()
        wanted = cosines(features - features.mean(dim=0))
        total = h.new_zeros(())
        for codes in h.split(list(lengths), dim=1):
            total = total + pair_mean((cosines(codes.tanh()) - wanted) ** 2)
        return total
