"""GIST of small pictures: how strong edges of each direction and size are in each sixteenth of a picture.

Oliva and Torralba, "Modeling the Shape of the Scene: A Holistic Representation of the Spatial Envelope", IJCV 2001,
with the settings of their code, LMgist: 4 scales of 8 directions on 4 × 4 fields, which are 512 values. The mirrored
border is half a picture wide; theirs is 32 pixels.

    features = gist(pictures)  # uint8 (N, S, S, 3) to float32 (N, 512)
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SCALES, DIRECTIONS, FIELDS = 4, 8, 4
_CYCLES = 4.0  # a picture: what is coarser is taken out first
_FLOOR = 0.2  # added to the local contrast that a picture is divided by
_BATCH = 256


def gist(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """GIST, float32 (N, 512), of square pictures, uint8 (N, S, S, 3), S a multiple of 4."""
    filters = gabor(2 * pictures.shape[1])
    found = [
        _of(torch.from_numpy(pictures[start : start + _BATCH]), filters) for start in range(0, len(pictures), _BATCH)
    ]
    return torch.cat(found).numpy()


def gabor(side: int) -> Tensor:
    """The transfer functions of the filters, float32 (32, side, side), the finest scale first."""
    cycles = torch.fft.fftfreq(side)  # a pixel
    y, x = torch.meshgrid(cycles, cycles, indexing="ij")
    radius, angle = torch.hypot(x, y), torch.atan2(y, x)
    filters = []
    for scale in range(SCALES):
        for direction in range(DIRECTIONS):
            turned = angle + torch.pi * direction / DIRECTIONS
            turned = torch.where(turned > torch.pi, turned - 2 * torch.pi, turned)
            ring = (radius / (0.3 / 1.85**scale) - 1) ** 2
            filters.append(torch.exp(-3.5 * ring - 2 * torch.pi * (DIRECTIONS / 8) ** 2 * turned**2))
    return torch.stack(filters)


def even(grey: Tensor) -> Tensor:
    """Grey pictures (n, S, S) from 0 to 255 without what is coarse, and of one contrast everywhere."""
    logs = _mirrored((grey + 1).log(), 5)
    cycles = torch.fft.fftfreq(logs.shape[-1], 1 / logs.shape[-1])  # a picture
    coarse = torch.exp(-(cycles[:, None] ** 2 + cycles**2) * np.log(2) / _CYCLES**2)
    fine = logs - torch.fft.ifft2(torch.fft.fft2(logs) * coarse).real
    contrast = torch.fft.ifft2(torch.fft.fft2(fine**2) * coarse).abs().sqrt()
    found: Tensor = (fine / (_FLOOR + contrast))[:, 5:-5, 5:-5]
    return found


def _of(pictures: Tensor, filters: Tensor) -> Tensor:
    """GIST (n, 512) of some pictures (n, S, S, 3)."""
    side = pictures.shape[1]
    border = side // 2
    spectrum = torch.fft.fft2(_mirrored(even(pictures.float().mean(dim=3)), border))
    fields = []
    for transfer in filters:
        strength = torch.fft.ifft2(spectrum * transfer).abs()[:, border:-border, border:-border]
        fields.append(F.avg_pool2d(strength, side // FIELDS).flatten(1))  # (n, 16)
    return torch.stack(fields, dim=1).flatten(1)


def _mirrored(pictures: Tensor, border: int) -> Tensor:
    """Pictures (n, S, S) with a border of at most S pixels that mirrors them, edges twice."""
    for dim in (1, 2):
        size = pictures.shape[dim]
        first, last = pictures.narrow(dim, 0, border).flip(dim), pictures.narrow(dim, size - border, border).flip(dim)
        pictures = torch.cat([first, pictures, last], dim=dim)
    return pictures
