"""Several processes train as one: the same loss, gradients and weights as one process on the whole batch."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tiny_run import recipe
from transhash.losses import METHODS, HashLoss, Task
from transhash.losses.every_length import every_length
from transhash.training import loop
from transhash.training.loop import train
from transhash.training.processes import average_gradients, gather
from transhash.training.recipe import Recipe

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
ROWS, CLASSES = 12, 3

# the processes fork from one that has PyTorch: importing it takes each of them seconds
multiprocessing.set_forkserver_preload(["transhash.training.loop"])
together = partial(mp.start_processes, start_method="forkserver")


def _losses() -> dict[str, HashLoss]:
    """Every method, and one on codes of two lengths."""
    tasks = [Task((bits // 2, bits // 4, bits // 4), CLASSES, 2 * ROWS, seed=1) for bits in (16, 32)]
    made = {name: method(tasks[0]) for name, method in METHODS.items()}
    return made | {"lengths": every_length(partial(METHODS["greedyhash"]), tasks)}


def _two_steps(h: torch.Tensor, labels: torch.Tensor, part: slice) -> dict[str, Any]:
    """Of every method, after a second batch on what it remembers of the first: loss and gradients."""
    found = {}
    for name, loss in _losses().items():
        loss.progress = 0.5
        bits = 48 if name == "lengths" else 16
        for step in range(2):
            loss.zero_grad()
            mine = h[step, part, :bits].clone().requires_grad_()
            value = loss(gather(mine), labels[step], torch.arange(ROWS) + step * ROWS)
            value.backward()
            average_gradients(loss.parameters())
        found[name] = value.detach(), mine.grad, [parameter.grad for parameter in loss.parameters()]
    return found


def _share(rank: int, processes: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=processes)
    own = ROWS // processes
    found = _two_steps(*torch.load(folder / "batch.pt"), slice(rank * own, (rank + 1) * own))
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("processes", [2, 4])
def test_every_method_has_the_loss_and_gradients_of_one_process(processes: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    h, labels = torch.randn(2, ROWS, 48), torch.randint(CLASSES, (2, ROWS))
    torch.save((h, labels), tmp_path / "batch.pt")
    together(_share, (processes, tmp_path), nprocs=processes)
    whole = _two_steps(h, labels, slice(None))
    shares = [torch.load(tmp_path / f"{rank}.pt") for rank in range(processes)]
    for name, (loss, gradient, own) in whole.items():
        # DistributedDataParallel takes the mean of what the processes come to
        mean = torch.cat([share[name][1] for share in shares]) / processes
        torch.testing.assert_close(mean, gradient, **CLOSE, msg=name)
        for share in shares:
            torch.testing.assert_close(share[name][0], loss, **CLOSE, msg=name)
            torch.testing.assert_close(share[name][2], own, **CLOSE, msg=name)


def _train(rank: int, processes: int, port: int, folder: Path, wanted: dict[str, Recipe], stop_at: int | None) -> None:
    """What each process does that `torchrun` starts."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    loop.CHECKPOINT_SECONDS = 0.0
    for name, one in wanted.items():
        trained = train(one, folder / name, stop_at=stop_at)
        torch.save((trained.network.state_dict(), trained.history), folder / f"{name}-{rank}.pt")
    dist.destroy_process_group()


def _train_together(processes: int, folder: Path, wanted: dict[str, Recipe], stop_at: int | None = None) -> None:
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together(_train, (processes, port, folder, wanted, stop_at), nprocs=processes)


@pytest.fixture
def wanted(place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Recipe]:
    """Runs of 9 steps with all that is random in one."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # more would wait for one another
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    make = partial(recipe, place, epochs=3, optimizer="sgd", coarse=0.5, grey=0.5)
    return {
        "whole": make(validation=0.3, batch_size=4),
        "cached": make(freeze=1, cached_views=3, average=0.9, likeness=1.0, lengths=(16, 32)),
        "adamw": make(optimizer="adamw", method="greedyhash", learning_rate=1e-4),
        # AdamW would make steps of rounding alone where a batch normalisation takes a bias away
        "views": make(method="crovca", loss={"labels": False}, likeness=1.0),
    }


def test_several_processes_come_to_the_weights_of_one(wanted: dict[str, Recipe], tmp_path: Path) -> None:
    _train_together(2, tmp_path / "several", wanted)
    for name, one in wanted.items():
        expected = train(one, tmp_path / name)
        for rank in range(2):
            state, history = torch.load(tmp_path / "several" / f"{name}-{rank}.pt")
            for weight, value in expected.network.state_dict().items():
                torch.testing.assert_close(state[weight], value, **CLOSE, msg=f"{name} {weight}")
            for theirs, ours in zip(history, expected.history, strict=True):
                assert theirs == pytest.approx(ours, rel=1e-3)  # a code's sign may differ
        run = tmp_path / "several" / name
        assert [json.loads(line) for line in (run / "log.jsonl").open()] == history
        assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in (tmp_path / name).iterdir())


def test_the_number_of_processes_may_change_where_a_run_goes_on(wanted: dict[str, Recipe], tmp_path: Path) -> None:
    one = {"cached": wanted["cached"]}
    _train_together(2, tmp_path, one, stop_at=4)
    assert (tmp_path / "cached" / "checkpoint-0000003").is_dir()
    train(one["cached"], tmp_path / "cached", stop_at=7)
    assert (tmp_path / "cached" / "checkpoint-0000006").is_dir()
    _train_together(4, tmp_path, one)
    expected = train(one["cached"], tmp_path / "whole")
    state, history = torch.load(tmp_path / "cached-3.pt")
    for weight, value in expected.network.state_dict().items():
        torch.testing.assert_close(state[weight], value, **CLOSE, msg=weight)
    assert [entry["epoch"] for entry in history] == [entry["epoch"] for entry in expected.history]


def test_a_batch_that_cannot_be_shared_is_an_error(wanted: dict[str, Recipe], tmp_path: Path) -> None:
    with pytest.raises(mp.ProcessRaisedException, match="batch_size 8 cannot be shared by 3 processes"):
        _train_together(3, tmp_path, {"cached": wanted["cached"]})


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_run_and_the_same_command_goes_on(
    victim: int, wanted: dict[str, Recipe], tmp_path: Path
) -> None:
    one = wanted["whole"].model_copy(update={"epochs": 200})
    program, run, file = tmp_path / "program.py", tmp_path / "run", tmp_path / "recipe.yaml"
    program.write_text(
        "from transhash.cli import main\nfrom transhash.training import loop\nloop.CHECKPOINT_SECONDS = 0.0\nmain()\n"
    )
    file.write_text(one.dump(), "utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [str(program), "train", str(file), "--out", str(run)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as torchrun:
        while torchrun.poll() is None and not list(run.glob("checkpoint-*")):
            time.sleep(0.05)
        children = psutil.Process(torchrun.pid).children()
        [worker] = [each for each in children if each.environ().get("RANK") == str(victim)]
        worker.kill()
        assert torchrun.stderr is not None
        said = torchrun.stderr.read()
    assert torchrun.returncode == 1
    assert f"give the same command again: it goes on from the last checkpoint in {run}" in said
    [saved] = run.glob("checkpoint-*")
    step = int(saved.name.partition("-")[2])
    assert 0 < step < 200 * 4
    train(one, run, stop_at=step + 1)
