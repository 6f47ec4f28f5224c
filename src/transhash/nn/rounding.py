"""Matrices to integers, so that the outputs of their layer change little (GPTQ: Frantar et al., ICLR 2023).

One column after the other is rounded, and the columns that follow make good for the error, as far as their inputs go
along with those of the column.
"""

from __future__ import annotations

import torch
from torch import Tensor

_DAMPING = 0.1  # of the mean of the diagonal; keeps the inverse finite where inputs hardly vary
_BLOCK = 64  # columns after which the rest of the matrix is brought up to date


def scales(weight: Tensor, levels: int) -> Tensor:
    """The step of each output of a matrix (out, in), whose largest weight becomes `levels` steps: (out,)."""
    return weight.abs().amax(dim=1).clamp(min=1e-12) / levels


def round_to_inputs(weight: Tensor, inputs: Tensor, noise: float, levels: int) -> Tensor:
    """Weights (out, in) in steps of `scales`, int8, for inputs (rows, in) and noise of that variance."""
    rest = weight / scales(weight, levels)[:, None]
    moments = inputs.double().T @ inputs.double() / len(inputs)
    diagonal = moments.diagonal()
    diagonal += noise + _DAMPING * diagonal.mean()
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moments)), upper=True).float()
    rounded = torch.empty_like(rest)
    for start in range(0, rest.shape[1], _BLOCK):
        end = min(start + _BLOCK, rest.shape[1])
        errors = torch.empty(len(rest), end - start, dtype=rest.dtype)
        for i in range(start, end):
            rounded[:, i] = rest[:, i].round().clamp(-levels, levels)
            errors[:, i - start] = (rest[:, i] - rounded[:, i]) / upper[i, i]
            rest[:, i:end] -= errors[:, i - start, None] * upper[i, i:end]
        rest[:, end:] -= errors @ upper[start:end, end:]
    return rounded.to(torch.int8)
