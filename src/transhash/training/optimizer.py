"""The optimiser of a run, its schedule, and the average of the weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from transhash.losses import HashLoss
from transhash.nn.mgvt import MGVT
from transhash.training.recipe import Recipe


def optimizer_of(network: MGVT, criterion: HashLoss, recipe: Recipe) -> tuple[torch.optim.Optimizer, list[float]]:
    """The optimiser, and for each of its parameter groups the learning rate as a multiple of the schedule's.

    What the recipe freezes needs no gradient from then on.
    """
    depth = network.config.vit.depth
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        parts = name.split(".")
        in_trunk = 1 + int(parts[2]) if parts[1] == "blocks" else 0
        layer = in_trunk if parts[0] == "trunk" else depth
        if layer <= recipe.freeze and recipe.freeze:
            parameter.requires_grad_(False)
            continue
        scale = recipe.head_rate if parts[0].endswith("_hash") else recipe.layer_decay ** (depth - layer)
        decay = recipe.weight_decay if parameter.ndim > 1 and "_token" not in name and "pos_embed" not in name else 0.0
        groups.setdefault((scale, decay), []).append(parameter)
    for parameter in criterion.parameters():  # a method's own classifier is a head, too
        groups.setdefault((recipe.head_rate, recipe.weight_decay), []).append(parameter)
    settings: list[dict[str, Any]] = [{"params": p, "weight_decay": decay} for (_, decay), p in groups.items()]
    scales = [scale for scale, _ in groups]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(settings, lr=recipe.learning_rate, momentum=0.9, fused=True), scales
    return torch.optim.AdamW(settings, lr=recipe.learning_rate, fused=True), scales


def share_of_rate(step: int, warmup: int, total: int) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def warm_up_said(recipe: Recipe, images: int) -> str:
    """A sentence when training on so many images ends within the warm-up; empty where it does not."""
    steps = recipe.epochs * (images // recipe.batch_size)
    if steps > recipe.warmup_steps:
        return ""
    return (
        f"all {steps} steps of training ({images:,} images, batches of {recipe.batch_size}, {recipe.epochs} epochs) "
        f"are in the warm-up of {recipe.warmup_steps} steps, so that the learning rate only rises; set warmup_steps to "
        f"{steps // 10}, or more epochs"
    )


class WeightAverage:
    """An average of a network's weights over its steps; what is frozen is the same in both."""

    def __init__(self, average: MGVT, network: MGVT) -> None:
        pairs = [
            (a, p.detach()) for a, p in zip(average.parameters(), network.parameters(), strict=True) if p.requires_grad
        ]
        self._averages: list[Tensor] = [a for a, _ in pairs]
        self._values: list[Tensor] = [p for _, p in pairs]

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Move the average towards the weights."""
        torch._foreach_lerp_(self._averages, self._values, 1 - decay)
