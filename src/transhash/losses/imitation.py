"""Distillation: a smaller network gives the outputs of a larger one (Hinton et al., 2015; here no classes are needed).

value = imitation(h, wanted)  # relaxed codes (N, B), or tokens (N, 1 + M, D), of student and teacher
"""

from __future__ import annotations

from torch import Tensor


def imitation(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference, as a share of how much the teacher's outputs vary between images; in float32."""
    outputs, wanted = outputs.float(), wanted.float()
    return (outputs - wanted).square().mean() / wanted.var(dim=0, correction=0).mean().clamp(min=1e-6)
