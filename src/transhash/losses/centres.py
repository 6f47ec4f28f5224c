"""Target codes of the classes, ±1, for the losses that pull each image to that of its class."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.errors import RecipeError
from transhash.losses import bch
from transhash.losses.hash_loss import Task
from transhash.losses.pairs import cosines

Centres = Literal["hadamard", "bch"]
_DRAWS = 20
_PAIRS = 20 * 2000**2  # of classes, over all draws


def generator(task: Task) -> torch.Generator:
    """The random numbers of a task, which are those of its seed and no one else's."""
    if task.classes < 1:
        raise RecipeError(
            "", f"the method has a target for each class, and {task.classes} classes are given", "set classes"
        )
    return torch.Generator().manual_seed(task.seed)


def bernoulli(rows: int, bits: int, random: torch.Generator) -> Tensor:
    """Codes whose bits are independent, +1 or -1 with equal chance: float (rows, bits)."""
    return torch.randint(2, (rows, bits), generator=random).float() * 2 - 1


def separated(classes: int, bits: int, random: torch.Generator, kind: Centres = "hadamard") -> Tensor:
    """Hash centres by algorithm 1 of CSQ: float (classes, bits).

    Rows of [H; -H], H the Hadamard matrix: any two differ in B/2 bits, or B. Where B is no power of two, or there are
    more than 2B classes, balanced random codes: of 20 draws the one whose nearest two are furthest apart. Of more than
    2,000 classes there are fewer draws: they differ little, and 20,000 classes have 200 million distances.

    With `kind` "bch", codewords of a BCH code in place of the random codes, where they are no nearer to one another.
    Raises `RecipeError` for another kind.
    """
    if kind not in get_args(Centres):
        raise RecipeError("", f"centres {kind!r}", f"there are {', '.join(get_args(Centres))}")
    if bits & (bits - 1) == 0 and classes <= 2 * bits:
        h = hadamard(bits)
        return torch.cat([h, -h])[:classes]
    count = max(1, min(_DRAWS, _PAIRS // classes**2))
    draws = [balanced(classes, bits, random) for _ in range(count)]
    drawn = max(draws, key=least_distance) if count > 1 else draws[0]
    if kind == "hadamard" or not bch.distance(classes, bits):
        return drawn
    words = bch.codewords(classes, bits, random)
    return max(words, drawn, key=least_distance) if count > 1 else words


def classification(h: Tensor, labels: Tensor, targets: Tensor, *, scale: float, margin: float) -> Tensor:
    """Cross-entropy of s·(cos(h, target) - m·y) over the classes, the mean over the images: a scalar.

    With several labels an image, each has an equal share of 1; an image without any adds nothing.
    """
    y = F.one_hot(labels, len(targets)) if labels.ndim == 1 else labels
    y = y.to(h.dtype)
    logits = scale * (cosines(h, targets) - margin * y)
    share = y / y.sum(dim=1, keepdim=True).clamp(min=1)
    return -(share * logits.log_softmax(dim=1)).sum(dim=1).mean()


def hadamard(bits: int) -> Tensor:
    """Sylvester's Hadamard matrix, of a power of two: float (bits, bits)."""
    h = torch.ones(1, 1)
    while len(h) < bits:
        h = torch.cat([torch.cat([h, h], dim=1), torch.cat([h, -h], dim=1)])
    return h


def least_distance(codes: Tensor) -> int:
    """Bits in which the nearest two of some ±1 codes differ; B for a single one."""
    n, bits = codes.shape
    distance = (bits - codes @ codes.T) / 2
    return int((distance + bits * torch.eye(n)).min())


def balanced(rows: int, bits: int, random: torch.Generator) -> Tensor:
    """Random codes with as many +1 as -1 (one less, if `bits` is odd): float (rows, bits)."""
    codes = -torch.ones(rows, bits)
    ones = torch.rand(rows, bits, generator=random).argsort(dim=1)[:, : bits // 2]
    return codes.scatter_(1, ones, 1.0)
