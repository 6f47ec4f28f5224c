"""Augmentation of a whole batch at once, in torch: uint8 pictures in, normalised network input out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.nn.draws import uniform
from transhash.nn.preprocessing import MEAN, STD, normalise, normalised

__all__ = ["MEAN", "STD", "Augmentation", "augment", "normalise"]


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


def augment(images: np.ndarray | Tensor, size: int, how: Augmentation) -> Tensor:
    """uint8 (N, H, W, 3) to a random view of each picture, normalised, float32 (N, 3, size, size).

    Draws from torch's global generator: seed it for a repeatable view. Processes may share a batch (`nn.draws`).
    """
    x = torch.as_tensor(images).permute(0, 3, 1, 2).float()
    n = len(x)
    area = uniform(n, low=how.scale[0], high=how.scale[1])
    log_ratio = uniform(n, low=-1) * torch.tensor(how.ratio).log()
    width = (area.sqrt() * (log_ratio / 2).exp()).clamp(max=1)
    height = (area.sqrt() * (-log_ratio / 2).exp()).clamp(max=1)
    mirror = torch.where(uniform(n) < 0.5, -1.0, 1.0) if how.flip else torch.ones(n)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = width * mirror
    theta[:, 1, 1] = height
    theta[:, 0, 2] = uniform(n, low=-1) * (1 - width)
    theta[:, 1, 2] = uniform(n, low=-1) * (1 - height)
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    # crops much larger than the network's input are averaged down first: grid_sample does not antialias
    if min(x.shape[-2:]) >= 2 * size:
        x = F.interpolate(x, size=(round(size * 1.5),) * 2, mode="bilinear", antialias=True)
    x = F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp_(0, 255)
    if how.coarse:
        x = _coarsen(x, how.coarse)
    if how.jitter:
        x = _jitter(x, how.jitter)
    if how.grey:
        x = torch.where((uniform(n) < how.grey).view(-1, 1, 1, 1), _grey(x), x)
    x = normalised(x)
    return _erase(x, how.erase) if how.erase else x


def _coarsen(x: Tensor, share: float) -> Tensor:
    """Reduce a share of the pictures, all to one side drawn for the batch, and enlarge them again."""
    side = x.shape[-1]
    small = round(side * float(torch.empty(()).uniform_(1 / 3, 2 / 3)))
    coarse = F.interpolate(x, size=(small, small), mode="bilinear", antialias=True)
    coarse = F.interpolate(coarse, size=(side, side), mode="bicubic").clamp_(0, 255)
    return torch.where((uniform(len(x)) < share).view(-1, 1, 1, 1), coarse, x)


def _grey(x: Tensor) -> Tensor:
    weights = torch.tensor((0.299, 0.587, 0.114)).view(3, 1, 1)
    return (x * weights).sum(dim=1, keepdim=True)


def _jitter(x: Tensor, strength: float) -> Tensor:
    """Brightness, contrast and saturation, each by a factor drawn in 1 ± strength."""
    brightness, contrast, saturation = (uniform(len(x), 1, 1, 1, low=-1) * strength + 1 for _ in range(3))
    x = x * brightness
    grey = _grey(x)
    centre = grey.mean(dim=(2, 3), keepdim=True)
    x = (x - centre) * contrast + centre
    grey = (grey - centre) * contrast + centre
    return (grey + (x - grey) * saturation).clamp_(0, 255)


def _erase(x: Tensor, share: float) -> Tensor:
    """Blank a rectangle of 2-25 % of the area with the mean colour in a share of the pictures (Zhong, AAAI 2020)."""
    n, _, h, w = x.shape
    area = uniform(n, low=0.02, high=0.25)
    log_ratio = uniform(n, low=-1)
    half_h = (area.sqrt() * (log_ratio / 2).exp() * h / 2).view(-1, 1, 1)
    half_w = (area.sqrt() * (-log_ratio / 2).exp() * w / 2).view(-1, 1, 1)
    row = (torch.arange(h).view(1, -1, 1) - uniform(n, 1, 1) * h).abs()
    column = (torch.arange(w).view(1, 1, -1) - uniform(n, 1, 1) * w).abs()
    chosen = (uniform(n) < share).view(-1, 1, 1)
    return x.masked_fill((chosen & (row < half_h) & (column < half_w)).unsqueeze(1), 0.0)
