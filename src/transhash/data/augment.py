"""Augmentation of a whole batch at once, in torch: uint8 pictures in, normalised network input out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.data.resample import crop_resize
from transhash.nn.draws import uniform
from transhash.nn.preprocessing import normalised


@dataclass(frozen=True)
class Augmentation:
    """How far a training picture may stray from itself; the defaults change nothing."""

    scale: tuple[float, float] = (1.0, 1.0)  # least and greatest share of the area that a random crop keeps
    ratio: float = 1.0  # greatest aspect ratio of a random crop, drawn between 1/ratio and ratio
    flip: bool = False  # mirror half of the pictures left to right
    jitter: float = 0.0  # greatest relative change of brightness, contrast and saturation
    grey: float = 0.0  # share of the pictures that lose their colour
    erase: float = 0.0  # share of the pictures in which a rectangle is blanked
    coarse: float = 0.0  # share of the pictures that keep a third to two thirds of their pixels a side, as thumbnails


def augment(
    images: np.ndarray | Tensor, size: int, how: Augmentation, *, device: torch.device | str | None = None
) -> Tensor:
    """uint8 (N, H, W, 3) to a random view of each picture, normalised, float32 (N, 3, size, size).

    Computed on `device`, by default where the pictures are. Draws from torch's generator of the CPU, so that a seed
    gives the same views on every device. Processes may share a batch (`nn.draws`).
    """
    x = torch.as_tensor(images)
    x = x.to(device or x.device, non_blocking=True)
    n, height, width, _ = x.shape
    area = uniform(n, low=how.scale[0], high=how.scale[1])
    log_ratio = uniform(n, low=-1) * math.log(how.ratio)
    across = (area.sqrt() * (log_ratio / 2).exp()).clamp(max=1)
    down = (area.sqrt() * (-log_ratio / 2).exp()).clamp(max=1)
    mirror = torch.where(uniform(n) < 0.5, -1.0, 1.0) if how.flip else torch.ones(n)
    left, top = (uniform(n) * (1 - share) for share in (across, down))
    crops = torch.stack([top * height, left * width, down * height, across * width * mirror])
    y = crop_resize(x, size, crops.to(x.device, non_blocking=True)).clamp_(0, 255)
    if how.coarse:
        y = _coarsen(y, how.coarse)
    if how.jitter:
        y = _jitter(y, how.jitter)
    if how.grey:
        y = torch.where(_chosen(n, how.grey, y.device), _grey(y), y)
    y = normalised(y)
    return _erase(y, how.erase) if how.erase else y


def _chosen(rows: int, share: float, device: torch.device) -> Tensor:
    """A share of the pictures: bool (rows, 1, 1, 1)."""
    return (uniform(rows) < share).to(device, non_blocking=True).view(-1, 1, 1, 1)


def _coarsen(x: Tensor, share: float) -> Tensor:
    """Reduce a share of the pictures, all to one side drawn for the batch, and enlarge them again."""
    side = x.shape[-1]
    small = round(side * float(torch.empty(()).uniform_(1 / 3, 2 / 3)))
    coarse = F.interpolate(x, size=(small, small), mode="bilinear", antialias=True)
    coarse = F.interpolate(coarse, size=(side, side), mode="bicubic").clamp_(0, 255)
    return torch.where(_chosen(len(x), share, x.device), coarse, x)


def _grey(x: Tensor) -> Tensor:
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]


def _jitter(x: Tensor, strength: float) -> Tensor:
    """Brightness, contrast around the mean grey, and saturation, each by a factor drawn in 1 ± strength.

    All three are linear, and so one step.
    """
    factors = torch.stack([uniform(len(x), 1, 1, 1, low=-1) for _ in range(3)]) * strength + 1
    brightness, contrast, saturation = factors.to(x.device, non_blocking=True)
    gain = brightness * contrast
    grey = _grey(x)
    centre = brightness * grey.mean(dim=(2, 3), keepdim=True)
    grey = grey.mul_(gain * (1 - saturation)).add_((1 - contrast) * centre)
    return torch.addcmul(grey, x, gain * saturation).clamp_(0, 255)


def _erase(x: Tensor, share: float) -> Tensor:
    """Blank a rectangle of 2-25 % of the area with the mean colour in a share of the pictures (Zhong, AAAI 2020)."""
    n, _, h, w = x.shape
    area = uniform(n, low=0.02, high=0.25)
    log_ratio = uniform(n, low=-1)
    half_h = (area.sqrt() * (log_ratio / 2).exp() * h / 2).view(-1, 1)
    half_w = (area.sqrt() * (-log_ratio / 2).exp() * w / 2).view(-1, 1)
    row = (torch.arange(h) - uniform(n, 1, 1)[:, 0] * h).abs() < half_h
    column = (torch.arange(w) - uniform(n, 1, 1)[:, 0] * w).abs() < half_w
    row &= (uniform(n) < share).view(-1, 1)
    row, column = (inside.to(x.device, non_blocking=True) for inside in (row, column))
    return x.masked_fill((row[:, :, None] & column[:, None, :]).unsqueeze(1), 0.0)
