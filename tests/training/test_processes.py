"""Several processes train as one: the same loss, gradients and weights as one process on the whole batch."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tiny_run import STILL, recipe
from transhash.losses import BayesianLoss, Task
from transhash.training.loop import gather, train


def _one_process(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    h, labels = torch.load(folder / "batch.pt")
    mine = h[rank::2].clone().requires_grad_()
    both = torch.cat([labels[0::2], labels[1::2]])
    loss = BayesianLoss(Task((8, 4, 4)))(gather(mine), both)
    loss.backward()
    # what DistributedDataParallel does with the gradients that each process comes to
    torch.save((loss.detach(), mine.grad / 2), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_loss_and_gradient_of_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    h, labels = torch.randn(8, 16), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
    torch.save((h, labels), tmp_path / "batch.pt")
    mp.spawn(_one_process, (tmp_path,), nprocs=2)
    whole = h.clone().requires_grad_()
    expected = BayesianLoss(Task((8, 4, 4)))(whole, labels)
    expected.backward()
    for rank in range(2):
        loss, gradient = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(loss, expected.detach())
        torch.testing.assert_close(gradient, whole.grad[rank::2])


def _train(rank: int, port: int, wanted, folder: Path) -> None:
    """What each process does that `torchrun` starts."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    trained = train(wanted, folder / "two")
    torch.save((trained.network.state_dict(), trained.history), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize(
    "changes", [{"validation": 0.3}, {"freeze": 1, "cached_views": 1, "average": 0.9}], ids=["whole", "cached"]
)
def test_two_processes_come_to_the_weights_of_one(
    changes: dict[str, object], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # more would wait for one another
    wanted = recipe(place, **{**STILL, "optimizer": "sgd", **changes})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(_train, (port, wanted, tmp_path), nprocs=2)
    one = train(wanted, tmp_path / "one")
    for rank in range(2):
        state, history = torch.load(tmp_path / f"{rank}.pt")
        for name, value in one.network.state_dict().items():
            torch.testing.assert_close(state[name], value, rtol=1e-3, atol=1e-5)
        for theirs, ours in zip(history, one.history, strict=True):
            assert theirs == pytest.approx(ours, rel=1e-3)
    assert [json.loads(line) for line in (tmp_path / "two" / "log.jsonl").open()] == history
    assert not (tmp_path / "two" / "tokens").exists()
