"""How well a network that is still being trained retrieves images that were held out."""

from __future__ import annotations

import numpy as np
import torch

from transhash.codes import pack
from transhash.data.datasets import ImageSet
from transhash.evaluation import evaluate
from transhash.nn.mgvt import MGVT
from transhash.nn.preprocessing import normalise
from transhash.training.device import autocast
from transhash.training.processes import spread, summed

_BATCH = 256  # images


def validate(network: MGVT, images: ImageSet, rows: np.ndarray, crop: float, precision: torch.dtype) -> float:
    """Tie-aware mAP among the images of some rows: each half queries the other. Leaves the network in `eval`."""
    lengths = network.config.code_lengths
    start = sum(lengths[: lengths.index(network.config.bits)])
    h = _encode(network, images, rows, crop, precision)[:, start : start + network.config.bits]
    codes, labels = pack(h), images.labels[rows]
    one, two = slice(0, None, 2), slice(1, None, 2)
    there = evaluate(codes[one], labels[one], codes[two], labels[two])
    back = evaluate(codes[two], labels[two], codes[one], labels[one])
    return (there.map + back.map) / 2


def _encode(network: MGVT, images: ImageSet, rows: np.ndarray, crop: float, precision: torch.dtype) -> np.ndarray:
    """Relaxed codes of some images of a set, as they are computed outside training: float32 (len(rows), B)."""
    network.eval()
    size = network.config.vit.image_size
    device = next(network.parameters()).device
    h = torch.zeros(len(rows), sum(network.config.code_lengths), device=device)
    mine = np.arange(len(rows))[spread(len(rows))]
    for start in range(0, len(mine), _BATCH):
        part = mine[start : start + _BATCH]
        x = normalise(torch.from_numpy(images.images.decode(rows[part], size, crop=crop)).to(device))
        with torch.no_grad(), autocast(device, precision):
            h[torch.from_numpy(part).to(device)] = network(x).float()
    return summed(h).cpu().numpy()
