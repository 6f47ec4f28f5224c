"""Crop and resize of a whole batch in one step, a crop of its own for each picture: two matrix products.

A crop along the axes is separable: each row of the result is a weighted sum of rows, each column one of columns. The
weights are those of bicubic interpolation; where a crop is reduced their reach grows with it, so that no detail
flickers (antialiasing).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SHARPNESS = -0.75  # of the bicubic kernel, as torch's grid_sample and interpolate have it
_REACH = 2.0  # of the kernel, source pixels on either side


def crop_resize(images: Tensor, size: int, crops: Tensor) -> Tensor:
    """Crops of uint8 (N, H, W, 3), resized, not clipped: float32 (N, 3, size, size).

    `crops`: float32 (4, N), top, left, height and width in pixels. A negative width mirrors the crop.
    """
    top, left, height, width = crops
    n, h, w, _ = images.shape
    x = images.float().flatten(2)  # (N, H, W·3)
    x = torch.bmm(weights(h, size, top, height), x).view(n, size, w, 3)
    return torch.matmul(x.permute(0, 3, 1, 2), weights(w, size, left, width).transpose(1, 2).unsqueeze(1))


def weights(length: int, size: int, start: Tensor, extent: Tensor) -> Tensor:
    """How much each of `length` pixels counts for each of `size` pixels of a crop: float32 (N, size, length).

    `start` and `extent` (N,): where the crop begins and how long it is, pixels; negative extents are mirrored. Beyond
    the border the picture is mirrored.
    """
    device = start.device
    stretch = (extent.abs() / size).clamp(min=1)  # (N,)
    steps = (torch.arange(size, device=device) + 0.5) / size
    steps = torch.where((extent < 0)[:, None], 1 - steps, steps)  # (N, size)
    centre = start[:, None] + steps * extent.abs()[:, None] - 0.5
    # as many taps for all crops as the largest that can be needs, so that nothing waits for the device
    taps = 2 * math.ceil(_REACH * max(1.0, length / size)) + 1
    first = (centre - taps / 2 + 0.5).floor()
    position = first[..., None] + torch.arange(taps, device=device)  # (N, size, taps)
    weight = _bicubic((position - centre[..., None]) / stretch[:, None, None])
    weight = weight / weight.sum(dim=-1, keepdim=True)
    period = 2 * length
    mirrored = position.remainder(period)
    pixel = torch.minimum(mirrored, period - 1 - mirrored).long()
    return torch.zeros(len(start), size, length, device=device).scatter_add_(2, pixel, weight)


def _bicubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel."""
    a = _SHARPNESS
    x = x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
