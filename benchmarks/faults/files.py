"""Jobs on files: an index that is saved or built, a plan that is applied, checkpoints of training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.faults.job import Job, Mark, State, done, draw, transhash
from transhash import HammingIndex
from transhash.errors import TransHashError
from transhash.library.duplicates.plan import Action, Plan, write_plan
from transhash.search.building import build_index


def files_state(home: Path) -> State:
    """The content of each file that is somebody's: not of logs, and not of what is put aside for a moment."""
    files = [path for path in home.rglob("*") if path.is_file() and "plan" not in path.name]
    found = {}
    for path in files:
        if path.name.endswith(".transhash"):  # put aside, and the log tells it
            path_before = path.with_name(path.name.removeprefix(".").removesuffix(".transhash"))
        else:
            path_before = path
        found[str(path_before.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {path: content for path, content in found.items() if not path.endswith("transhash-part")}


def _saved(home: Path) -> None:
    index = HammingIndex(64)
    index.add(np.random.default_rng(0).integers(0, 256, (100, 8), np.uint8))
    index.save(home / "index.hamming")


def _save(home: Path, mark: Mark) -> None:
    index = HammingIndex.open(home / "index.hamming")
    index.remove(index.ids)
    index.add(np.random.default_rng(1).integers(0, 256, (70, 8), np.uint8), np.arange(70))
    index.save(home / "index.hamming")
    mark("index")


def _index_state(home: Path) -> State:
    index = HammingIndex.open(home / "index.hamming")
    ids = np.sort(index.ids)
    return {"index": hashlib.sha256(ids.tobytes() + index.reconstruct(ids).tobytes()).hexdigest()}


def _listed(home: Path) -> None:
    np.save(home / "codes.npy", np.random.default_rng(2).integers(0, 256, (500, 8), np.uint8))


def _build(home: Path, mark: Mark) -> None:
    build_index(home / "index.hamming", home / "codes.npy")
    mark("index")


def _built_state(home: Path) -> State:
    return _index_state(home) if (home / "index.hamming").exists() else {}


def _planned(home: Path) -> None:
    actions = []
    for number in range(3):
        draw(home / "photos" / f"{number}.png", number)
        kept = home / "photos" / f"{number}.png"
        copy = home / "photos" / "copies" / f"copy-{number}.png"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(kept.read_bytes())
        digest, size = hashlib.blake2b(kept.read_bytes(), digest_size=16).hexdigest(), kept.stat().st_size
        said = {"group": number, "size": size, "digest": digest, "kind": "same-file", "why": "a test", "frees": size}
        said |= {"keep": str(kept), "keep_size": size, "keep_digest": digest}
        actions.append(Action("remove", path=str(copy), **said))  # type: ignore[arg-type]
    write_plan(home / "plan.jsonl", Plan((str(home / "photos"),), (), tuple(actions)))


def _apply(way: str) -> tuple[Callable[[Path, Mark], None], Callable[[Path], None]]:
    def run(home: Path, mark: Mark) -> None:
        transhash("apply", home / "plan.jsonl", "--to", home / "removed" if way == "folder" else way)

    def again(home: Path) -> None:
        """Bring back what was done, and do all of it."""
        log = home / "plan.jsonl.log"
        if log.exists():
            done("undo", log)
            log.unlink()
        done("apply", home / "plan.jsonl", "--to", home / "removed" if way == "folder" else way)

    return run, again


def _applied_sound(home: Path) -> list[str]:
    """Contents that are nowhere any more."""
    there = {hashlib.sha256(path.read_bytes()).hexdigest() for path in home.rglob("*") if path.is_file()}
    kept = [home / "photos" / f"{number}.png" for number in range(3)]
    lost = [str(path) for path in kept if not path.is_file()]
    copies = list((home / "photos" / "copies").glob("*.png")) + list((home / "removed").rglob("*.png"))
    log = home / "plan.jsonl.log"
    told = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")] if log.exists() else []
    if len(copies) < 3 and not any(line.get("do") not in (None, "move") for line in told):
        lost.append(f"{3 - len(copies)} copies of {len(there)} contents")
    return lost


def _checkpointed(home: Path) -> None:
    _checkpoint(home, 1)


def _checkpoint(home: Path, step: int) -> None:
    import torch

    from transhash.training import checkpoint

    network = torch.nn.Linear(4, 4)
    torch.nn.init.constant_(network.weight, step)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    checkpoint.save(home / "run", step, {"network": network}, optimizer, {"history": []})


def _checkpoints(home: Path, mark: Mark) -> None:
    for step in (2, 3):
        _checkpoint(home, step)
        mark(f"step {step}")


def _checkpoint_state(home: Path) -> State:
    import torch

    from transhash.training import checkpoint

    network = torch.nn.Linear(4, 4)
    last = checkpoint.latest(home / "run")
    if last is None:
        return {}
    meta = checkpoint.restore(last, {"network": network}, torch.optim.Adam(network.parameters()))
    if not torch.allclose(network.weight, torch.tensor(float(meta["step"])), atol=0.01):
        raise TransHashError(last, "has other weights than were saved", "look at how checkpoints are written")
    return {f"step {step}": "saved" for step in range(1, meta["step"] + 1)}


_to_folder, _again_folder = _apply("folder")
_to_links, _again_links = _apply("hardlink")
JOBS = (
    Job("save", _saved, _save, _index_state),
    Job("build", _listed, _build, _built_state),
    Job("apply", _planned, _to_folder, files_state, _again_folder, _applied_sound),
    Job("apply-hardlink", _planned, _to_links, files_state, _again_links, _applied_sound),
    Job("checkpoint", _checkpointed, _checkpoints, _checkpoint_state),
)
