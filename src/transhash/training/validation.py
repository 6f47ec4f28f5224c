"""How well a network that is still being trained retrieves images that were held out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from transhash.codes import pack
from transhash.data.datasets import ImageSet
from transhash.evaluation import evaluate
from transhash.model.encoding import in_batches
from transhash.nn.mgvt import MGVT
from transhash.nn.preprocessing import normalise
from transhash.training.device import autocast
from transhash.training.processes import spread, summed

_BATCH = 256  # images


def validate(network: MGVT, images: ImageSet, rows: np.ndarray, crop: float, precision: torch.dtype) -> float:
    """Tie-aware mAP among the images of some rows: each half queries the other. Leaves the network in `eval`."""
    size = network.config.vit.image_size
    values = relaxed(network, lambda part: images.images.decode(part, size, crop=crop), rows, precision)
    codes, labels = pack(values[:, network.config.columns]), images.labels[rows]
    one, two = slice(0, None, 2), slice(1, None, 2)
    there = evaluate(codes[one], labels[one], codes[two], labels[two])
    back = evaluate(codes[two], labels[two], codes[one], labels[one])
    return (there.map + back.map) / 2


def relaxed(
    network: MGVT, take: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, precision: torch.dtype
) -> np.ndarray:
    """Relaxed codes of some pictures, as they are computed outside training: float32 (len(rows), B).

    `take`: the squares of some of the rows, uint8 (n, S, S, 3); those of the next batch while one is encoded. Leaves
    the network in `eval`.
    """
    network.eval()
    device = next(network.parameters()).device
    h = torch.zeros(len(rows), sum(network.config.code_lengths), device=device)
    mine = np.arange(len(rows))[spread(len(rows))]

    def decoded(part: list[int]) -> list[tuple[list[int], np.ndarray]]:
        return [(part, take(rows[part]))]

    for [(part, squares)] in in_batches(decoded, mine.tolist(), _BATCH, 1):
        with torch.no_grad(), autocast(device, precision):
            x = normalise(torch.from_numpy(squares).to(device))
            h[torch.tensor(part, device=device)] = network(x).float()
    return summed(h).cpu().numpy()
