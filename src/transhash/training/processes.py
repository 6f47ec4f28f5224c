"""Several processes that train as one (`torchrun`): what they share, and what is said when one of them is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
import torch.distributed as dist
from torch import Tensor

from transhash.errors import TransHashError


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        ctx.rows = len(h)
        parts = [torch.empty_like(h) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, h.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return summed(gradient.clone()).split(ctx.rows)[dist.get_rank()]


def gather(h: Tensor) -> Tensor:
    """The rows of all processes, gradients included: (n, B) on each process -> (processes·n, B) on all."""
    return cast(Tensor, _Gather.apply(h)) if several() else h


def spread(rows: int) -> slice:
    """Which of some rows are for this process, where each has its part."""
    return slice(dist.get_rank(), rows, dist.get_world_size()) if several() else slice(0, rows)


def summed(values: Tensor) -> Tensor:
    """The sum over the processes, in place."""
    if several():
        dist.all_reduce(values)
    return values


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Take the mean over the processes, so that parameters outside of the network stay equal to the last bit."""
    if several():
        for parameter in parameters:
            if parameter.grad is not None:
                summed(parameter.grad).div_(dist.get_world_size())


@contextmanager
def lost(run: Path) -> Iterator[None]:
    """Around a run: when another process ends, or torchrun therefore ends this one, raise `TransHashError`."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    remedy = f"give the same command again: it goes on from the last checkpoint in {run}, with any number of processes"

    def ended(*_: object) -> NoReturn:
        raise TransHashError("", "told to end, as torchrun does when another process of the run has ended", remedy)

    before: Any = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        before = signal.SIG_IGN  # torchrun is about to end this process too, which first says why
        raise TransHashError("", "another process of the run has ended, or cannot be reached", remedy) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def several() -> bool:
    """Whether more than one process trains."""
    return dist.is_initialized() and dist.get_world_size() > 1
