"""Checkpoints that a run continues from exactly: plain files, and never a half-written one.

A checkpoint is a folder `checkpoint-STEP/` with a safetensors file for each network and the optimiser, and `meta.json`.
It is written under another name and renamed when whole, so that whatever carries the name is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from transhash.errors import RecipeError
from transhash.plain import JsonObject, parsed
from transhash.system import make_folders, settle

State = dict[str, Tensor]


def save(
    run: Path,
    step: int,
    networks: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    meta: JsonObject,
) -> Path:
    """Write the checkpoint of `step` under `run`, wait until the disk has it, and remove those before it.

    Raises `RecipeError` when it cannot be written; the one before it is there then.
    """
    final = run / f"checkpoint-{step:07d}"
    try:
        for abandoned in run.glob("writing-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        writing = run / f"writing-{step:07d}"
        make_folders(writing)
        for name, network in networks.items():
            state = {key: value.contiguous() for key, value in network.state_dict().items()}
            (writing / f"{name}.safetensors").write_bytes(save_tensors(state))
        (writing / "optimizer.safetensors").write_bytes(save_tensors(_optimizer_state(optimizer)))
        (writing / "meta.json").write_text(json.dumps({"step": step, **meta}, indent=1), "utf-8")
        for path in (*writing.iterdir(), writing):
            settle(path)
        shutil.rmtree(final, ignore_errors=True)
        writing.rename(final)
        settle(run)
        for old in run.glob("checkpoint-*"):
            if old != final:
                shutil.rmtree(old, ignore_errors=True)  # what remains is older, and removed the next time
    except OSError as error:
        reason = f"the checkpoint of step {step} cannot be written ({error.strerror or error})"
        remedy = "make room and give the same command again: it goes on from the last checkpoint"
        raise RecipeError(run, reason, remedy) from error
    return final


def latest(run: Path) -> Path | None:
    """The newest checkpoint of a run, or none."""
    return max(run.glob("checkpoint-*"), default=None)


def restore(path: Path, networks: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> JsonObject:
    """Load a checkpoint in place; returns its `meta.json`.

    Raises `RecipeError` when it is damaged or of another network.
    """
    try:
        for name, network in networks.items():
            network.load_state_dict(load_file(path / f"{name}.safetensors"))
        _restore_optimizer(optimizer, load_file(path / "optimizer.safetensors"))
        meta: JsonObject = parsed((path / "meta.json").read_text("utf-8"))
        if not isinstance(meta["step"], int) or not isinstance(meta["history"], list):
            raise ValueError("meta.json is not that of a checkpoint")
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise RecipeError(
            path,
            f"cannot be continued from ({type(error).__name__}: {str(error).splitlines()[0]})",
            "remove this checkpoint to start the run again",
        ) from error
    return meta


def _optimizer_state(optimizer: torch.optim.Optimizer) -> State:
    """Optimiser state under flat names `parameter number/name of the value`."""
    return {
        f"{number}/{name}": value.contiguous()
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def _restore_optimizer(optimizer: torch.optim.Optimizer, state: State) -> None:
    values: dict[int, State] = {}
    for key, value in state.items():
        number, _, name = key.partition("/")
        values.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": values, "param_groups": optimizer.state_dict()["param_groups"]})
